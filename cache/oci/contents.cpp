// SPDX-License-Identifier: Apache-2.0
// Everything of layer_tar.hpp that follows from tables of contents alone: content ID, stored form, merged trees,
// selections.
#include "cache/oci/layer_tar.hpp"

#include "cache/oci/path_walk.hpp"
#include "dockerfile_parser/dockerignore.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace dbuild::cache::oci {
namespace {

// Changing what follows changes every content ID: raise the version, and the golden values in the tests with it.
constexpr std::string_view k_content_schema = "dbuild content 1";
constexpr std::string_view k_contents_magic = "dbuild toc 1\n";
constexpr std::size_t k_usual_attribute_bytes =
    128; // those of a file without extended attributes, and the name's length

class Encoder {
public:
    explicit Encoder(std::size_t expected_bytes = 0) { bytes_.reserve(expected_bytes); }
    void number(std::uint64_t value) {
        char raw[8];
        for (int i = 0; i < 8; ++i) raw[i] = static_cast<char>(value >> 8 * i & 0xff);
        bytes_.append(raw, sizeof raw);
    }
    void text(std::string_view value) {
        number(value.size());
        bytes_ += value;
    }
    void digest(const Digest& value) {
        bytes_.append(reinterpret_cast<const char*>(value.bytes().data()), Digest::k_size);
    }
    std::string take() { return std::move(bytes_); }
    const std::string& bytes() const { return bytes_; }

private:
    std::string bytes_;
};

class Decoder {
public:
    explicit Decoder(std::string_view bytes) : rest_(bytes) {}
    std::uint64_t number() {
        const auto raw = take(8);
        std::uint64_t value = 0;
        for (std::size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(raw[i]);
        return value;
    }
    std::string text() {
        const auto size = number();
        return std::string(take(size));
    }
    Digest digest() {
        std::array<std::uint8_t, Digest::k_size> raw{};
        const auto bytes = take(raw.size());
        if (bytes.size() == raw.size()) std::memcpy(raw.data(), bytes.data(), raw.size());
        return Digest(raw);
    }
    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }

private:
    std::string_view take(std::uint64_t size) {
        if (size > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest_;
    bool failed_ = false;
};

/// All of an entry but its path and time.
void encode_attributes(Encoder& out, const LayerEntry& entry) {
    out.number(static_cast<std::uint64_t>(entry.type));
    out.number(entry.mode);
    out.number(entry.uid);
    out.number(entry.gid);
    out.number(entry.size);
    out.number(entry.xattrs.size());
    for (const auto& [name, value] : entry.xattrs) {
        out.text(name);
        out.text(value);
    }
    out.text(entry.link_target);
    out.number(entry.device_major);
    out.number(entry.device_minor);
    out.digest(entry.content);
}

using dockerfile_parser::has_wildcard;

bool is_below(std::string_view path, std::string_view folder) {
    if (folder.empty()) return !path.empty();
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

/// Everything at and below `path`, with names relative to it. The entry itself counts under the name "".
void encode_subtree(Encoder& out, const FileTree& tree, const std::string& path) {
    const auto add = [&](std::string_view name, LayerEntry entry) {
        out.text(name);
        // A hard link is the file that it shares; one that points outside of the selection would else change with that
        // path.
        if (entry.type == EntryType::hard_link)
            if (const auto* target = tree.find(entry.link_target)) entry = *target;
        encode_attributes(out, entry);
    };
    if (const auto* self = tree.find(path)) add("", *self);
    const auto& entries = tree.entries();
    for (auto it = entries.upper_bound(path); it != entries.end() && (path.empty() || it->first.starts_with(path));
         ++it)
        if (is_below(it->first, path))
            add(std::string_view(it->first).substr(path.empty() ? 0 : path.size() + 1), it->second);
}

} // namespace

Digest content_id(const TableOfContents& contents, TimePolicy policy, RunInterval interval) {
    std::vector<const LayerEntry*> sorted;
    for (const auto& entry : contents.entries) sorted.push_back(&entry);
    // Stable: of two entries for one path the later one wins in the file system, so their order is content.
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->path < b->path; });
    Encoder out;
    out.text(k_content_schema);
    for (const auto* entry : sorted) {
        out.text(entry->path);
        encode_attributes(out, *entry);
        const bool is_accident = policy == TimePolicy::ignored || (entry->mtime_seconds >= interval.first_second &&
                                                                   entry->mtime_seconds <= interval.last_second);
        out.number(is_accident ? 0 : 1);
        if (!is_accident) out.number(static_cast<std::uint64_t>(entry->mtime_seconds));
    }
    return sha256(out.bytes());
}

std::string encode(const TableOfContents& contents) {
    Encoder out;
    out.text(k_contents_magic);
    out.number(contents.entries.size());
    for (const auto& entry : contents.entries) {
        out.text(entry.path);
        encode_attributes(out, entry);
        out.number(static_cast<std::uint64_t>(entry.mtime_seconds));
    }
    return out.take();
}

Result<TableOfContents> decode_contents(std::string_view bytes) {
    const auto damaged = [] { return fail(ErrorKind::corrupt, "table of contents: damaged or of another version"); };
    Decoder in(bytes);
    if (in.text() != k_contents_magic) return damaged();
    const auto count = in.number();
    if (count > bytes.size()) return damaged(); // an entry has more than one byte
    TableOfContents contents;
    bool is_right = true;
    const auto small_number = [&] {
        const auto value = in.number();
        is_right = is_right && value <= std::numeric_limits<std::uint32_t>::max();
        return static_cast<std::uint32_t>(value);
    };
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        LayerEntry entry;
        entry.path = in.text();
        const auto type = in.number();
        if (type > static_cast<std::uint64_t>(EntryType::fifo)) return damaged();
        entry.type = static_cast<EntryType>(type);
        entry.mode = small_number();
        entry.uid = in.number();
        entry.gid = in.number();
        entry.size = in.number();
        for (auto left = in.number(); left > 0 && !in.failed(); --left) {
            auto name = in.text();
            is_right = is_right && (entry.xattrs.empty() || entry.xattrs.rbegin()->first < name);
            entry.xattrs[std::move(name)] = in.text();
        }
        entry.link_target = in.text();
        entry.device_major = small_number();
        entry.device_minor = small_number();
        entry.content = in.digest();
        entry.mtime_seconds = static_cast<std::int64_t>(in.number());
        contents.entries.push_back(std::move(entry));
    }
    if (in.failed() || !in.at_end() || !is_right) return damaged();
    return contents;
}

void FileTree::remove_below(const std::string& path) {
    for (auto it = entries_.upper_bound(path); it != entries_.end() && (path.empty() || it->first.starts_with(path));)
        it = is_below(it->first, path) ? entries_.erase(it) : std::next(it);
}

void FileTree::apply(const TableOfContents& layer) {
    // Whiteouts speak of the layers below only, wherever they stand in the tar.
    for (const auto& entry : layer.entries) {
        if (!entry.is_whiteout()) continue;
        const auto slash = entry.path.rfind('/');
        const auto folder = slash == entry.path.npos ? std::string() : entry.path.substr(0, slash);
        if (entry.is_opaque_marker()) {
            remove_below(folder);
            continue;
        }
        const auto name = entry.path.substr((slash == entry.path.npos ? 0 : slash + 1) + 4);
        const auto hidden = folder.empty() ? name : folder + "/" + name;
        remove_below(hidden);
        entries_.erase(hidden);
    }
    for (const auto& entry : layer.entries) {
        if (entry.is_whiteout()) continue;
        if (entry.type != EntryType::directory) remove_below(entry.path);
        auto made = entry;
        // A hard link is what it links to now: a later layer may remove or replace the first name, but not these bytes.
        if (entry.type == EntryType::hard_link)
            if (const auto* target = find(entry.link_target)) {
                made = *target;
                made.path = entry.path;
            }
        entries_.insert_or_assign(entry.path, std::move(made));
    }
}

const LayerEntry* FileTree::find(std::string_view path) const {
    const auto found = entries_.find(path);
    return found == entries_.end() ? nullptr : &found->second;
}

Result<std::string> FileTree::resolve(std::string_view path) const {
    return follow_links(clean_path(path), [&](const std::string& next) -> Result<std::optional<std::string>> {
        if (const auto* entry = find(next)) {
            if (entry->type != EntryType::symlink) return std::nullopt;
            return entry->link_target;
        }
        const auto below = entries_.lower_bound(next + "/"); // a tar may leave out parent folders
        if (below != entries_.end() && below->first.starts_with(next + "/")) return std::nullopt;
        return fail(ErrorKind::not_found, "\"/" + clean_path(path) + "\": not found");
    });
}

void SubtreeHasher::add(std::string_view name, const LayerEntry& entry) {
    Encoder out(name.size() + k_usual_attribute_bytes);
    out.text(name);
    encode_attributes(out, entry);
    hasher_.update(out.bytes());
}

bool is_walked_before(std::string_view a, std::string_view b) {
    const auto rank = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<unsigned char>(c)) + 1; };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [&](char x, char y) { return rank(x) < rank(y); });
}

Result<std::vector<SelectedPath>> select(const FileTree& tree, std::string_view source) {
    const auto wanted = clean_path(source);
    std::vector<SelectedPath> selected;
    if (!has_wildcard(source)) {
        DBUILD_TRY_ASSIGN(auto path, tree.resolve(wanted));
        selected.push_back({wanted, std::move(path)});
        return selected;
    }
    DBUILD_TRY(dockerfile_parser::match_path(wanted, "")); // a malformed pattern is an error also in an empty tree
    // Links in the folders before the first wildcard are followed; the wildcards themselves do not walk through links.
    const auto begin = dockerfile_parser::find_pattern(wanted);
    const auto written = begin == 0 ? std::string() : wanted.substr(0, begin - 1);
    const auto pattern = wanted.substr(begin);
    DBUILD_TRY_ASSIGN(const auto folder, tree.resolve(written));
    const auto& entries = tree.entries();
    const auto prefix = folder.empty() ? std::string() : folder + "/";
    for (auto it = entries.lower_bound(prefix); it != entries.end() && it->first.starts_with(prefix); ++it) {
        const auto name = std::string_view(it->first).substr(prefix.size());
        DBUILD_TRY_ASSIGN(const bool matches, dockerfile_parser::match_path(pattern, name));
        if (!matches) continue;
        DBUILD_TRY_ASSIGN(auto target, tree.resolve(it->first));
        selected.push_back(
            {written.empty() ? std::string(name) : written + "/" + std::string(name), std::move(target)});
    }
    std::sort(selected.begin(), selected.end(),
              [](const auto& a, const auto& b) { return is_walked_before(a.named, b.named); });
    return selected;
}

Result<Digest> selection_digest(const FileTree& tree, std::string_view source) {
    DBUILD_TRY_ASSIGN(auto selected, select(tree, source));
    // Digests are of paths in the order of their bytes.
    std::sort(selected.begin(), selected.end(), [](const auto& a, const auto& b) { return a.named < b.named; });
    Encoder out;
    out.text("dbuild selection 1");
    for (const auto& [named, path] : selected) {
        if (has_wildcard(source)) out.text(named);
        encode_subtree(out, tree, path);
    }
    return sha256(out.bytes());
}

} // namespace dbuild::cache::oci
