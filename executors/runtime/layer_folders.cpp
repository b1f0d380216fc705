// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/layer_folders.hpp"

#include "cache/oci/byte_source.hpp"
#include "executors/runtime/layer_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

using cache::oci::ByteSink;
using cache::oci::ByteSource;
using cache::oci::EntryType;
using cache::oci::TableOfContents;
using Contents = std::shared_ptr<const TableOfContents>;

constexpr std::string_view k_temporary_prefix = "tmp";
constexpr auto k_touch_interval = std::chrono::minutes(1); // finer use times would be writes for nothing

bool is_temporary(const fs::path& path) { return path.filename().string().starts_with(k_temporary_prefix); }
bool is_layer(const fs::path& path) { return Digest::parse("sha256:" + path.filename().string()).has_value(); }

tl::unexpected<Error> unavailable(std::string_view what, const fs::path& path, const std::string& why) {
    return fail(ErrorKind::unavailable, std::string(what) + " " + path.string() + ": " + why);
}

Status move_to(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::rename(from, to, error);
    if (error) return unavailable("cannot move", from, error.message() + " (to " + to.string() + ")");
    return {};
}

/// A folder of the root, removed with everything in it by the destructor.
class TemporaryFolder {
public:
    static Result<TemporaryFolder> create(const fs::path& root) {
        std::string pattern = (root / k_temporary_prefix).string() + "-XXXXXX";
        if (::mkdtemp(pattern.data())) return TemporaryFolder(pattern);
        const int number = errno;
        auto failure = unavailable("cannot create folder", pattern, std::strerror(number));
        if (number == ENOSPC || number == EDQUOT) failure.value().kind = ErrorKind::no_space;
        return failure;
    }
    TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored; // the next one who prunes goes on
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    const fs::path& path() const { return path_; }

private:
    explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {}
    fs::path path_;
};

/// What goes is moved into one temporary folder, which is quick and whole, and so may be done under a lock. Deleting
/// that folder is neither; if its process dies, somebody else goes on.
Status move_away(const fs::path& path, const fs::path& away) { return move_to(path, away / path.filename()); }

/// The contents of a layer's folder; nothing if it is not there, or damaged.
Contents load(const fs::path& folder) {
    std::error_code ignored;
    const auto bytes = read_file(folder / "contents");
    if (!bytes || !fs::is_directory(folder / "files", ignored)) return nullptr;
    auto contents = cache::oci::decode_contents(*bytes);
    return contents ? std::make_shared<const TableOfContents>(std::move(*contents)) : nullptr;
}

/// Nothing if the folder is damaged.
std::optional<std::uint64_t> size_of(const fs::path& folder) {
    const auto text = read_file(folder / "size");
    std::uint64_t size = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), size).ec != std::errc())
        return std::nullopt;
    return size;
}

std::uint64_t bytes_of_files(const TableOfContents& contents) {
    std::uint64_t bytes = 0;
    for (const auto& entry : contents.entries)
        if (entry.type == EntryType::file) bytes += entry.size;
    return bytes;
}

/// In: made — gets layer/files, as publish() takes it.
Result<cache::oci::LayerScan> unpack_into(const fs::path& made, const ByteSource& blob) {
    const auto files = made / "layer" / "files";
    DBUILD_TRY(make_directories(files));
    return unpack_layer(blob, files);
}

/// Nothing here is synced, neither what is unpacked nor what programs wrote on a `volatile` overlay: after a power cut
/// a folder may hold anything. So what was made in another boot of this machine is not used.
/// In: lock — of <root>/lock, not held yet; the caller holds that of <root>/boot.
Status drop_other_boot(const fs::path& root, const Fd& lock) {
    DBUILD_TRY_ASSIGN(const auto boot, read_file("/proc/sys/kernel/random/boot_id"));
    DBUILD_TRY_ASSIGN(const auto made_in, read_file(root / "boot"));
    if (made_in == boot) return {};
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return unavailable("cannot use", root, "another machine does");
    DBUILD_TRY_ASSIGN(const auto away, TemporaryFolder::create(root));
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(root));
    for (const auto& path : paths)
        if (is_layer(path)) DBUILD_TRY(move_away(path, away.path()));
    return write_file(root / "boot", boot);
}

} // namespace

struct LayerFolders::Layer {
    std::mutex mutex;  // held while it is looked for and made
    Contents contents; // null: not looked for
    std::chrono::steady_clock::time_point touched;
};

struct LayerFolders::Known {
    Layer& at(const Digest& diff_id) {
        const std::lock_guard lock(mutex);
        return layers[diff_id];
    }
    std::mutex mutex;
    std::map<Digest, Layer> layers; // a map's elements stay where they are
};

LayerFolders::LayerFolders(fs::path root, std::uint64_t max_bytes, Fd lock)
    : root_(std::move(root)), max_bytes_(max_bytes), lock_(std::move(lock)), known_(std::make_unique<Known>()) {}

LayerFolders::LayerFolders(LayerFolders&&) noexcept = default;

LayerFolders::~LayerFolders() {
    if (lock_.is_open()) prune();
}

Result<LayerFolders> LayerFolders::open(fs::path root, std::uint64_t max_bytes) {
    DBUILD_TRY(make_directories(root));
    if (::chmod(root.c_str(), 0700) != 0) return unavailable("cannot use", root, std::strerror(errno));
    spread_folders_of(root);
    const auto lock_path = root / "lock";
    Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock.is_open()) return unavailable("cannot open", lock_path, std::strerror(errno));
    DBUILD_TRY_ASSIGN(const auto opening, FileLock::acquire(root / "boot"));
    DBUILD_TRY(drop_other_boot(root, lock));
    while (::flock(lock.get(), LOCK_SH) != 0)
        if (errno != EINTR) return unavailable("cannot lock", lock_path, std::strerror(errno));
    return LayerFolders(std::move(root), max_bytes, std::move(lock));
}

Result<UnpackedLayer> LayerFolders::get(const RootLayer& layer, const LayerReader& read_layer) {
    auto& known = known_->at(layer.diff_id);
    const std::lock_guard lock(known.mutex);
    if (!known.contents) known.contents = load(folder_of(layer.diff_id));
    if (known.contents) return use(layer.diff_id, known);

    DBUILD_TRY_ASSIGN(const auto made, TemporaryFolder::create(root_));
    cache::oci::LayerScan scan;
    DBUILD_TRY(
        cache::oci::pull_what_is_pushed([&](const ByteSink& sink) { return read_layer(layer.descriptor.digest, sink); },
                                        [&](const ByteSource& source) -> Status {
                                            DBUILD_TRY_ASSIGN(scan, unpack_into(made.path(), source));
                                            return {};
                                        }));
    if (scan.diff_id != layer.diff_id)
        return fail(ErrorKind::corrupt, "the layer " + layer.diff_id.to_string() + " has the bytes of another one");
    DBUILD_TRY(publish(made.path(), layer.diff_id, std::move(scan.contents), known));
    return use(layer.diff_id, known);
}

Result<cache::oci::LayerScan> LayerFolders::take(const ByteSource& blob) {
    DBUILD_TRY_ASSIGN(const auto made, TemporaryFolder::create(root_));
    DBUILD_TRY_ASSIGN(auto scan, unpack_into(made.path(), blob));
    auto& known = known_->at(scan.diff_id);
    const std::lock_guard lock(known.mutex);
    DBUILD_TRY(publish(made.path(), scan.diff_id, scan.contents, known));
    return scan;
}

Result<UnpackedLayer> LayerFolders::adopt(const fs::path& upper, const Digest& diff_id, TableOfContents contents) {
    auto& known = known_->at(diff_id);
    const std::lock_guard lock(known.mutex);
    DBUILD_TRY_ASSIGN(const auto made, TemporaryFolder::create(root_));
    DBUILD_TRY(make_directories(made.path() / "layer"));
    DBUILD_TRY(move_to(upper, made.path() / "layer" / "files"));
    DBUILD_TRY(publish(made.path(), diff_id, std::move(contents), known));
    return use(diff_id, known);
}

/// In: made — holds layer/files. What is in it and not wanted goes with it.
Status LayerFolders::publish(const fs::path& made, const Digest& diff_id, TableOfContents contents,
                             Layer& layer) const {
    const auto folder = made / "layer", final_folder = folder_of(diff_id);
    DBUILD_TRY(write_file(folder / "contents", cache::oci::encode(contents)));
    DBUILD_TRY(write_file(folder / "size", std::to_string(bytes_of_files(contents))));
    // Another process may be here with the same layer, and have found the same damaged folder.
    DBUILD_TRY_ASSIGN(const auto lock, FileLock::acquire(root_ / "boot"));
    if (!layer.contents) layer.contents = load(final_folder);
    if (layer.contents) return {};
    std::error_code ignored;
    if (fs::exists(final_folder, ignored)) DBUILD_TRY(move_away(final_folder, made));
    DBUILD_TRY(move_to(folder, final_folder));
    layer.contents = std::make_shared<const TableOfContents>(std::move(contents));
    return {};
}

Result<std::uint64_t> unpacked_bytes(const fs::path& root) {
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(root));
    std::uint64_t bytes = 0;
    for (const auto& path : paths)
        if (is_layer(path)) bytes += size_of(path).value_or(0);
    return bytes;
}

UnpackedLayer LayerFolders::use(const Digest& diff_id, Layer& layer) const {
    const auto folder = folder_of(diff_id);
    if (const auto now = std::chrono::steady_clock::now(); now - layer.touched >= k_touch_interval) {
        std::error_code ignored; // it only goes earlier then
        fs::last_write_time(folder / "contents", fs::file_time_type::clock::now(), ignored);
        layer.touched = now;
    }
    return {folder / "files", layer.contents};
}

void LayerFolders::prune() {
    const auto away = TemporaryFolder::create(root_); // deleted last, without the lock
    const Fd lock = std::move(lock_);
    if (!away || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return;
    struct Candidate {
        fs::file_time_type used;
        std::uint64_t size = 0;
        fs::path path;
    };
    std::vector<Candidate> candidates;
    std::uint64_t total = 0;
    const auto paths = list_folder(root_);
    for (const auto& path : paths ? *paths : std::vector<fs::path>()) {
        const auto size = is_layer(path) ? size_of(path) : std::nullopt;
        std::error_code ignored;
        if (size) {
            candidates.push_back({fs::last_write_time(path / "contents", ignored), *size, path});
            total += *size;
        } else if (path != away->path() && (is_layer(path) || is_temporary(path))) {
            (void)move_away(path, away->path());
        }
    }
    std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
    for (const auto& candidate : candidates) {
        if (total <= max_bytes_) break;
        if (move_away(candidate.path, away->path())) total -= candidate.size;
    }
}

} // namespace dbuild::executors::runtime
