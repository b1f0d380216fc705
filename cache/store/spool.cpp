// SPDX-License-Identifier: Apache-2.0
#include "cache/store/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {

fs::path spool_path(const fs::path& root, const Digest& diff_id) { return root / "spool" / (diff_id.hex() + ".tar"); }

Result<std::shared_ptr<SpooledLayer>> SpooledLayer::create(const fs::path& root, const Digest& diff_id) {
    DBUILD_TRY(make_directories(root / "spool"));
    std::shared_ptr<SpooledLayer> layer(new SpooledLayer(root, diff_id)); // shared by who writes it and who packs it
    DBUILD_TRY_ASSIGN(auto file, TemporaryFile::create(root / "spool"));
    layer->file_.emplace(std::move(file));
    return layer;
}

Result<std::shared_ptr<SpooledLayer>> SpooledLayer::link(const fs::path& root, const Digest& diff_id,
                                                         const fs::path& whole, Check check) {
    DBUILD_TRY(make_directories(root / "spool"));
    std::shared_ptr<SpooledLayer> layer(new SpooledLayer(root, diff_id));
    layer->check_ = check;
    DBUILD_TRY_ASSIGN(auto file, TemporaryFile::link(root / "spool", whole));
    layer->file_.emplace(std::move(file));
    DBUILD_TRY(layer->note_size());
    return layer;
}

Result<std::shared_ptr<SpooledLayer>> SpooledLayer::adopt(const fs::path& root, const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto locked, lock_if_abandoned(spool_path(root, diff_id)));
    if (!locked) return nullptr;
    std::shared_ptr<SpooledLayer> layer(new SpooledLayer(root, diff_id));
    layer->adopted_ = std::move(*locked);
    layer->check_ = Check::while_packing;
    DBUILD_TRY(layer->note_size());
    layer->progress_ = Progress::complete;
    return layer;
}

Status SpooledLayer::note_size() {
    struct stat status {};
    if (::fstat(fd(), &status) != 0)
        return fail(ErrorKind::unavailable,
                    "cannot read " + spool_path(root_, diff_id_).string() + ": " + std::strerror(errno));
    written_ = static_cast<std::uint64_t>(status.st_size);
    return {};
}

Status SpooledLayer::write(std::string_view bytes) {
    DBUILD_TRY(file_->write(bytes));
    {
        const std::lock_guard lock(mutex_);
        written_ += bytes.size();
    }
    changed_.notify_one();
    return {};
}

Status SpooledLayer::publish() {
    DBUILD_TRY(file_->publish(spool_path(root_, diff_id_)));
    {
        const std::lock_guard lock(mutex_);
        progress_ = Progress::complete;
    }
    changed_.notify_one();
    return {};
}

void SpooledLayer::abandon() {
    {
        const std::lock_guard lock(mutex_);
        if (progress_ == Progress::growing) progress_ = Progress::abandoned;
    }
    changed_.notify_one();
}

Result<std::size_t> SpooledLayer::follow(char* buffer, std::size_t capacity) {
    std::uint64_t available = 0;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return progress_ != Progress::growing || written_ > followed_; });
        if (progress_ == Progress::abandoned) return fail(ErrorKind::interrupted, "the layer was given up");
        available = written_ - followed_;
    }
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, available));
    DBUILD_TRY(read_at(followed_, buffer, wanted));
    followed_ += wanted;
    return wanted;
}

Status SpooledLayer::read_at(std::uint64_t offset, char* buffer, std::size_t count) const {
    for (std::size_t done = 0; done < count;) {
        const auto got = ::pread(fd(), buffer + done, count - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return fail(ErrorKind::unavailable, "cannot read " + spool_path(root_, diff_id_).string() + ": " +
                                                    (got < 0 ? std::strerror(errno) : "cut off"));
        done += static_cast<std::size_t>(got);
    }
    return {};
}

Status SpooledLayer::copy_to(SpooledLayer& other) const {
    std::string buffer(std::size_t{1} << 18, '\0');
    for (std::uint64_t at = 0; at < written_;) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), written_ - at));
        DBUILD_TRY(read_at(at, buffer.data(), count));
        DBUILD_TRY(other.write({buffer.data(), count}));
        at += count;
    }
    return {};
}

bool SpooledLayer::rewind() {
    followed_ = 0;
    return !std::exchange(was_rewound_, true);
}

void SpooledLayer::remove() {
    const auto path = spool_path(root_, diff_id_);
    if (has_name(fd(), path)) ::unlink(path.c_str()); // else another process put it anew, and will do it
}

Result<std::vector<Digest>> list_spool(const fs::path& root) {
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(root / "spool"));
    std::vector<Digest> layers;
    for (const auto& path : paths) {
        if (path.extension() != ".tar") continue;
        if (const auto diff_id = Digest::parse("sha256:" + path.stem().string())) layers.push_back(*diff_id);
    }
    return layers;
}

} // namespace dbuild::cache::store
