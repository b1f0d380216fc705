// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/layer_writer.hpp"

#include "cache/oci/tar_header.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <memory>

namespace dbuild::executors::in_process {
namespace {

using cache::oci::EntryType;
using cache::oci::LayerEntry;

constexpr std::size_t k_block_bytes = 512;
constexpr std::size_t k_name_bytes = 100, k_prefix_bytes = 155;
constexpr std::string_view k_capability = "security.capability";

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string only_ascii(std::string_view text) {
    std::string kept;
    std::copy_if(text.begin(), text.end(), std::back_inserter(kept),
                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    return kept;
}

/// A field of n bytes holds n - 1 octal digits.
bool fits_octal(std::size_t bytes, std::int64_t value) {
    return value >= 0 && value < std::int64_t{1} << ((bytes - 1) * 3);
}

/// Where a long name is cut for USTAR: the length of its prefix, or nothing when it cannot be.
std::size_t ustar_prefix(std::string_view name) {
    if (name.size() <= k_name_bytes || !is_ascii(name)) return 0;
    auto searched = name.size();
    if (searched > k_prefix_bytes + 1)
        searched = k_prefix_bytes + 1;
    else if (name.back() == '/')
        --searched;
    const auto slash = name.substr(0, searched).rfind('/');
    if (slash == name.npos || slash == 0) return 0;
    const auto rest = name.size() - slash - 1;
    return rest > k_name_bytes || rest == 0 || slash > k_prefix_bytes ? 0 : slash;
}

/// One 512-byte header. Fields that do not fit are cut or zero: a PAX record then holds the value.
class Block {
public:
    void text(std::size_t at, std::size_t bytes, std::string_view value) {
        std::copy_n(value.begin(), std::min(bytes, value.size()), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
        if (value.size() > bytes && bytes_[at + bytes - 1] == '/') { // else some readers take the file for a directory
            auto end = at + bytes;
            while (end > at && bytes_[end - 1] == '/') --end;
            bytes_[end] = '\0';
        }
    }
    void octal(std::size_t at, std::size_t bytes, std::int64_t value) {
        text(at, bytes, fmt::format("{:0{}o}", fits_octal(bytes, value) ? value : 0, bytes - 1));
    }
    void type(char flag) { bytes_[156] = flag; }
    std::string finish() {
        text(257, 8, std::string_view("ustar\00000", 8));
        std::memset(bytes_.data() + 148, ' ', 8);
        unsigned sum = 0;
        for (const char c : bytes_) sum += static_cast<unsigned char>(c);
        octal(148, 7, sum);
        bytes_[154] = '\0';
        return std::string(bytes_.data(), bytes_.size());
    }

private:
    std::array<char, k_block_bytes> bytes_{};
};

/// "LENGTH key=value\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
    const auto rest = key.size() + value.size() + 3;
    auto size = rest + std::to_string(rest).size();
    if (rest + std::to_string(size).size() != size) size = rest + std::to_string(size).size();
    return fmt::format("{} {}={}\n", size, key, value);
}

char type_flag(EntryType type) {
    switch (type) {
    case EntryType::file: return '0';
    case EntryType::hard_link: return '1';
    case EntryType::symlink: return '2';
    case EntryType::character_device: return '3';
    case EntryType::block_device: return '4';
    case EntryType::directory: return '5';
    case EntryType::fifo: break;
    }
    return '6';
}

/// The member that holds the PAX records of the next one.
std::string pax_member(std::string_view name, const std::map<std::string, std::string>& records) {
    std::string data;
    for (const auto& [key, value] : records) data += pax_record(key, value);
    const auto slash = name.rfind('/');
    const auto file = slash == name.npos ? name : name.substr(slash + 1);
    auto member = slash == name.npos ? std::string() : std::string(name.substr(0, slash + 1));
    member += "PaxHeaders.0";
    if (!file.empty()) member += "/" + std::string(file);
    member = only_ascii(member).substr(0, k_name_bytes);
    while (member.ends_with('/')) member.pop_back();
    Block block;
    block.type('x');
    block.text(0, k_name_bytes, member);
    for (const std::size_t at : {100U, 108U, 116U}) block.octal(at, 8, 0);
    block.octal(124, 12, static_cast<std::int64_t>(data.size()));
    block.octal(136, 12, 0);
    return block.finish() + data + cache::oci::tar_padding(data.size());
}

} // namespace

std::string layer_header(const LayerEntry& entry) {
    const auto name = entry.path + (entry.type == EntryType::directory ? "/" : "");
    const bool has_link = entry.type == EntryType::symlink || entry.type == EntryType::hard_link;
    const auto link = has_link ? std::string_view(entry.link_target) : std::string_view();
    const auto size = entry.type == EntryType::file ? static_cast<std::int64_t>(entry.size) : 0;
    const auto uid = static_cast<std::int64_t>(entry.uid), gid = static_cast<std::int64_t>(entry.gid);
    const auto prefix = ustar_prefix(name);

    std::map<std::string, std::string> records; // needed ones, and those that go with them
    bool fits_ustar = true;
    if (name.size() > k_name_bytes || !is_ascii(name)) {
        records["path"] = name;
        fits_ustar = prefix > 0;
    }
    const auto need = [&](const char* key, std::string value) {
        records[key] = std::move(value);
        fits_ustar = false;
    };
    if (link.size() > k_name_bytes || !is_ascii(link)) need("linkpath", std::string(link));
    if (!fits_octal(8, uid)) need("uid", std::to_string(uid));
    if (!fits_octal(8, gid)) need("gid", std::to_string(gid));
    if (!fits_octal(12, size)) need("size", std::to_string(size));
    if (!fits_octal(12, entry.mtime_seconds)) need("mtime", std::to_string(entry.mtime_seconds));
    if (const auto found = entry.xattrs.find(std::string(k_capability)); found != entry.xattrs.end())
        need("SCHILY.xattr.security.capability", found->second);

    Block block;
    block.type(type_flag(entry.type));
    if (fits_ustar) {
        block.text(0, k_name_bytes, prefix ? std::string_view(name).substr(prefix + 1) : std::string_view(name));
        block.text(345, k_prefix_bytes, std::string_view(name).substr(0, prefix));
        block.text(157, k_name_bytes, link);
    } else {
        block.text(0, k_name_bytes, only_ascii(name));
        block.text(157, k_name_bytes, only_ascii(link));
    }
    block.octal(100, 8, entry.type == EntryType::symlink ? 0777 : static_cast<std::int64_t>(entry.mode));
    block.octal(108, 8, uid);
    block.octal(116, 8, gid);
    block.octal(124, 12, size);
    block.octal(136, 12, entry.mtime_seconds);
    block.octal(329, 8, entry.device_major);
    block.octal(337, 8, entry.device_minor);
    return (fits_ustar ? "" : pax_member(name, records)) + block.finish();
}

Result<LayerEntry> read_body(LayerEntry entry, const BodyReader& body, const cache::oci::ByteSink& sink) {
    static const Digest empty = sha256({});
    if (entry.type == EntryType::hard_link) { // whose other fields are those of its target
        entry.size = 0;
        entry.content = {};
        entry.device_major = entry.device_minor = 0;
    }
    if (entry.type != EntryType::file) return entry;
    if (entry.size == 0) {
        entry.content = empty;
        return entry;
    }
    Sha256 hasher;
    std::uint64_t left = entry.size;
    const auto changed = [&] {
        return fail(ErrorKind::transient, "a file changed while it was copied: " + entry.path);
    };
    DBUILD_TRY(body([&](std::string_view bytes) -> Status {
        if (bytes.size() > left) return changed();
        left -= bytes.size();
        hasher.update(bytes);
        return sink(bytes);
    }));
    const auto content = hasher.finish();
    if (left > 0 || (!entry.content.is_zero() && content != entry.content)) return changed();
    entry.content = content;
    return entry;
}

Result<LayerWriter> LayerWriter::create(const std::filesystem::path& path) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open())
        return fail(ErrorKind::unavailable, "cannot create " + path.string() + ": " + std::strerror(errno));
    return LayerWriter(BackgroundSink([fd = std::make_shared<Fd>(std::move(fd)), path = path.string()](
                                          std::string_view bytes) { return write_all(fd->get(), bytes, path); }));
}

Status LayerWriter::write(std::string_view bytes) {
    hasher_.update(bytes);
    size_ += bytes.size();
    return file_.write(bytes);
}

Result<LayerEntry> LayerWriter::add(LayerEntry entry, const BodyReader& body) {
    DBUILD_TRY(write(layer_header(entry)));
    DBUILD_TRY_ASSIGN(auto added,
                      read_body(std::move(entry), body, [&](std::string_view bytes) { return write(bytes); }));
    if (added.type == EntryType::file) DBUILD_TRY(write(cache::oci::tar_padding(added.size)));
    return added;
}

Result<LayerWriter::Written> LayerWriter::finish() {
    DBUILD_TRY(write(std::string(cache::oci::k_tar_end_bytes, '\0')));
    DBUILD_TRY(file_.finish());
    return Written{hasher_.finish(), size_};
}

} // namespace dbuild::executors::in_process
