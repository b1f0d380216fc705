// SPDX-License-Identifier: Apache-2.0
// One at a time: of several builds, of one process or of many, that are about to do the same thing, one does it; the
// others wait, and mostly find it done (a step that is run). A claim ends with its process, whatever becomes of that.
#pragma once

#include "support/digest.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

#include <filesystem>
#include <functional>
#include <optional>

namespace dbuild::cache::store {

class Claim {
public:
    /// Waits while another one holds the claim. Afterwards look again whether it is done if had_to_wait().
    /// In: root — the cache folder; subject — what is claimed; on_wait — told once, before waiting; may be null;
    /// is_cancelled — ends the waiting; may be null. Errors: interrupted — cancelled; unavailable — the folder cannot
    /// be written: do it without a claim.
    static Result<Claim> acquire(const std::filesystem::path& root, const Digest& subject,
                                 const std::function<void()>& on_wait, const CancelCheck& is_cancelled);
    /// Nothing where another one holds the claim. For who holds one already: waiting then could be for oneself. Errors:
    /// unavailable — as above.
    static Result<std::optional<Claim>> try_acquire(const std::filesystem::path& root, const Digest& subject);
    /// Whether the holder is of this process.
    static bool is_held_here(const std::filesystem::path& root, const Digest& subject);
    Claim(Claim&&) noexcept = default;
    Claim& operator=(Claim&&) = delete;
    /// Gives it up.
    ~Claim();

    bool had_to_wait() const { return had_to_wait_; }

private:
    Claim(std::filesystem::path path, Fd fd);
    std::filesystem::path path_;
    Fd fd_;
    bool had_to_wait_ = false;
};

} // namespace dbuild::cache::store
