// SPDX-License-Identifier: Apache-2.0
// The spool: layers that are finished but not packed yet, each a plain tar under its diff_id. It survives the process,
// not a power cut; whoever opens the store next packs what a dead process left (docs/store_format.md "Spool").
#pragma once

#include "cache/store/temporary_file.hpp"
#include "support/digest.hpp"

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace dbuild::cache::store {

/// spool/<64 hexadecimal digits>.tar
std::filesystem::path spool_path(const std::filesystem::path& root, const Digest& diff_id);

/// A layer in the spool: one thread writes it, another one may follow.
class SpooledLayer {
public:
    /// An empty one below `root`. Errors: unavailable.
    static Result<std::shared_ptr<SpooledLayer>> create(const std::filesystem::path& root, const Digest& diff_id);
    /// Who finds out whether the bytes are the layer: whoever publishes them, or only who packs them.
    enum class Check { before_publishing, while_packing };
    /// One with the bytes of a whole file, under a second name of it; not published yet. Errors: unavailable.
    static Result<std::shared_ptr<SpooledLayer>> link(const std::filesystem::path& root, const Digest& diff_id,
                                                      const std::filesystem::path& whole, Check check);
    /// One that a dead process left; nothing if it is in work, or gone. To be checked while it is packed.
    static Result<std::shared_ptr<SpooledLayer>> adopt(const std::filesystem::path& root, const Digest& diff_id);

    const Digest& diff_id() const { return diff_id_; }
    Check check() const { return check_; }

    Status write(std::string_view bytes);
    /// All bytes were written, and they are the layer: visible to everybody from here on.
    Status publish();
    /// Gives what was written so far to another one. Errors: unavailable.
    Status copy_to(SpooledLayer& other) const;
    /// They are not; a follower is told so.
    void abandon();

    /// For the follower: waits for bytes at its place. Out: 0 — the layer has ended. Errors: interrupted — it was
    /// abandoned.
    Result<std::size_t> follow(char* buffer, std::size_t capacity);
    /// For following once more. Out: false — that was done before: do not try for ever.
    bool rewind();
    /// The layer is elsewhere by now, or was not what its name said.
    void remove();

private:
    SpooledLayer(std::filesystem::path root, const Digest& diff_id) : root_(std::move(root)), diff_id_(diff_id) {}
    Status note_size();
    Status read_at(std::uint64_t offset, char* buffer, std::size_t count) const;
    int fd() const { return file_ ? file_->fd() : adopted_.get(); }

    std::filesystem::path root_;
    Digest diff_id_;
    std::optional<TemporaryFile> file_;
    Fd adopted_;
    std::uint64_t followed_ = 0;
    bool was_rewound_ = false;
    Check check_ = Check::before_publishing;

    enum class Progress { growing, complete, abandoned };
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t written_ = 0;
    Progress progress_ = Progress::growing;
};

/// The layers that are in the spool, whoever works on them.
Result<std::vector<Digest>> list_spool(const std::filesystem::path& root);

} // namespace dbuild::cache::store
