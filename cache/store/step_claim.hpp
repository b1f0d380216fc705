// SPDX-License-Identifier: Apache-2.0
// Single flight: of several processes that are about to run the same step, one runs it; the others wait, and find its
// result. A claim ends with its process, whatever becomes of that.
#pragma once

#include "cache/step_key.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

#include <filesystem>
#include <functional>

namespace dbuild::cache::store {

class StepClaim {
public:
    /// Waits while another one holds the claim. Afterwards look the step up again if had_to_wait().
    /// In: root — the cache folder; on_wait — told once, before waiting; may be null; is_cancelled — ends the waiting;
    /// may be null. Errors: interrupted — cancelled; unavailable — the folder cannot be written: run without a claim.
    static Result<StepClaim> acquire(const std::filesystem::path& root, const StepKey& key,
                                     const std::function<void()>& on_wait, const CancelCheck& is_cancelled);
    StepClaim(StepClaim&&) noexcept = default;
    StepClaim& operator=(StepClaim&&) = delete;
    /// Gives it up.
    ~StepClaim();

    bool had_to_wait() const { return had_to_wait_; }

private:
    StepClaim(std::filesystem::path path, Fd fd, bool had_to_wait)
        : path_(std::move(path)), fd_(std::move(fd)), had_to_wait_(had_to_wait) {}
    std::filesystem::path path_;
    Fd fd_;
    bool had_to_wait_ = false;
};

} // namespace dbuild::cache::store
