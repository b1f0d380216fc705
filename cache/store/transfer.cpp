// SPDX-License-Identifier: Apache-2.0
#include "cache/store/transfer.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/tar_header.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/rebuild.hpp"
#include "cache/store/record_transfer.hpp"
#include "support/compression.hpp"

#include <algorithm>
#include <sys/stat.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::string_view k_first_line = "dbuild store export 2\n";
constexpr std::string_view k_first_line_1 = "dbuild store export 1\n"; // is still read
constexpr std::size_t k_max_records_bytes = std::size_t{1} << 31;

/// Files whose names are digests: packs by their own, blobs by theirs.
struct NamedFile {
    Digest name;
    fs::path path;
};

Result<std::vector<NamedFile>> blobs_of(const fs::path& root) {
    std::vector<NamedFile> blobs;
    DBUILD_TRY_ASSIGN(const auto folders, list_folder(root / "layers"));
    for (const auto& folder : folders) {
        DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
        for (const auto& path : paths)
            if (const auto name = Digest::parse("sha256:" + path.stem().string()); name && path.extension() == ".blob")
                blobs.push_back({*name, path});
    }
    return blobs;
}

Status add_member(TemporaryFile& out, std::string_view name, std::string_view bytes) {
    DBUILD_TRY(out.write(oci::tar_header(name, bytes.size())));
    DBUILD_TRY(out.write(bytes));
    return out.write(oci::tar_padding(bytes.size()));
}

Status add_file(TemporaryFile& out, const NamedFile& file) {
    struct stat status {};
    if (::stat(file.path.c_str(), &status) != 0)
        return fail(ErrorKind::unavailable, "cannot read " + file.path.string());
    auto left = static_cast<std::uint64_t>(status.st_size);
    DBUILD_TRY_ASSIGN(const auto source, file_source(file.path));
    DBUILD_TRY(out.write(oci::tar_header(oci::blob_member(file.name), left)));
    std::string buffer(std::size_t{1} << 18, '\0');
    while (left > 0) {
        DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), static_cast<std::size_t>(
                                                                      std::min<std::uint64_t>(left, buffer.size()))));
        if (count == 0) return fail(ErrorKind::unavailable, "cut off while it was read: " + file.path.string());
        DBUILD_TRY(out.write({buffer.data(), count}));
        left -= count;
    }
    return out.write(oci::tar_padding(static_cast<std::uint64_t>(status.st_size)));
}

/// Out: false — it is there already.
Result<bool> import_pack(const LayerStore& layers, const oci::Archive& archive, const Digest& name) {
    const auto path = pack_path(layers.root(), name);
    if (std::error_code ignored; fs::exists(path, ignored)) return false;
    DBUILD_TRY_ASSIGN(const auto source, archive.blob_source(name));
    DBUILD_TRY(make_directories(path.parent_path()));
    DBUILD_TRY(make_directories(layers.root() / "tmp"));
    DBUILD_TRY_ASSIGN(auto file, TemporaryFile::create(layers.root() / "tmp"));
    std::string buffer(std::size_t{1} << 18, '\0');
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), buffer.size()));
        if (count == 0) break;
        DBUILD_TRY(file.write({buffer.data(), count}));
    }
    DBUILD_TRY(file.commit(path));
    DBUILD_TRY(adopt_pack(layers, path)); // checks it
    return true;
}

} // namespace

Result<TransferResult> export_store(const LayerStore& layers, const fs::path& file, const WorkProgress& progress) {
    DBUILD_TRY(layers.flush());
    TransferResult result;
    DBUILD_TRY_ASSIGN(auto database, Database::open(layers.root()));
    DBUILD_TRY_ASSIGN(const auto records, encode_records(database));
    result.records = records.count;
    DBUILD_TRY_ASSIGN(const auto packed_records, zstd_compress(records.bytes));
    DBUILD_TRY_ASSIGN(const auto packs, layers.catalog().packs()); // in the order in which they were made
    DBUILD_TRY_ASSIGN(const auto blobs, blobs_of(layers.root()));
    std::string list(k_first_line);
    for (const auto& pack : packs) list += "pack " + pack.name.to_string() + "\n";
    for (const auto& blob : blobs) list += "blob " + blob.name.to_string() + "\n";
    const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    DBUILD_TRY_ASSIGN(auto out, TemporaryFile::create(folder));
    DBUILD_TRY(add_member(out, "dbuild-store", list));
    DBUILD_TRY(add_member(out, "records", packed_records));
    std::uint64_t done = 0;
    const auto add = [&](const NamedFile& member) {
        if (progress) progress(done++, packs.size() + blobs.size());
        return add_file(out, member);
    };
    for (const auto& pack : packs) DBUILD_TRY(add({pack.name, pack_path(layers.root(), pack.name)}));
    for (const auto& blob : blobs) DBUILD_TRY(add(blob));
    DBUILD_TRY(out.write(std::string(oci::k_tar_end_bytes, '\0')));
    result.packs = packs.size();
    result.blobs = blobs.size();
    DBUILD_TRY(out.commit(folder / file.filename()));
    std::error_code ignored;
    result.bytes = fs::file_size(file, ignored);
    return result;
}

Result<TransferResult> import_store(const LayerStore& layers, const fs::path& file, const WorkProgress& progress) {
    TransferResult result;
    DBUILD_TRY_ASSIGN(const auto archive, oci::Archive::open(file));
    const auto list = archive.read_file("dbuild-store");
    const auto format = list && list->starts_with(k_first_line_1) ? ExportFormat::first : ExportFormat::second;
    if (!list || (format == ExportFormat::second && !list->starts_with(k_first_line)))
        return fail(ErrorKind::corrupt, file.string() + " is no export of this format");
    const auto names = std::string_view(*list).substr(k_first_line.size());
    const auto count = static_cast<std::uint64_t>(std::count(names.begin(), names.end(), '\n'));
    std::uint64_t done = 0;
    for (auto rest = names; !rest.empty();) {
        if (progress) progress(done++, count);
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        DBUILD_TRY_ASSIGN(const auto name, Digest::parse(line.size() > 5 ? line.substr(5) : line));
        if (line.starts_with("pack ")) {
            DBUILD_TRY_ASSIGN(const bool is_new, import_pack(layers, archive, name));
            result.packs += is_new;
        } else if (!layers.has(name)) {
            DBUILD_TRY_ASSIGN(const auto source, archive.blob_source(name));
            DBUILD_TRY(layers.put_blob(source, name));
            ++result.blobs;
        }
    }
    DBUILD_TRY_ASSIGN(const auto packed_records, archive.read_file("records"));
    DBUILD_TRY_ASSIGN(const auto records, zstd_decompress(packed_records, k_max_records_bytes));
    DBUILD_TRY_ASSIGN(auto database, Database::open(layers.root()));
    DBUILD_TRY_ASSIGN(result.records, decode_records(records, format, database));
    std::error_code ignored;
    result.bytes = fs::file_size(file, ignored);
    return result;
}

} // namespace dbuild::cache::store
