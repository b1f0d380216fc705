// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/clamped_image.hpp"

#include "cache/oci/time_clamp.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <span>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

constexpr std::string_view k_annotation = "buildkit/rewritten-timestamp"; // of a layer, as BuildKit writes it
constexpr std::int64_t k_end_of_octal = std::int64_t{1} << 33;            // what eleven digits do not hold any more

struct MadeTar {
    Digest diff_id;
    std::filesystem::path path;
};

Result<MadeTar> write_clamped(const Parts& parts, const Digest& diff_id, std::int64_t latest,
                              const std::filesystem::path& folder) {
    MadeTar made{{}, folder / "layer.tar"};
    const Fd fd(::open(made.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + made.path.string());
    Sha256 hasher;
    oci::TimeClamp clamp(latest, [&](std::string_view bytes) {
        hasher.update(bytes);
        return write_all(fd.get(), bytes, made.path);
    });
    DBUILD_TRY(parts.layers->read(diff_id, [&](std::string_view bytes) { return clamp.write(bytes); }));
    DBUILD_TRY(clamp.finish());
    made.diff_id = hasher.finish();
    return made;
}

/// Whether something in the layer is younger. Errors: as Index::find_contents.
Result<bool> is_younger(const Parts& parts, const Digest& diff_id, std::int64_t latest) {
    DBUILD_TRY_ASSIGN(const auto contents, parts.index->find_contents(diff_id));
    return !contents || std::any_of(contents->entries.begin(), contents->entries.end(),
                                    [&](const auto& entry) { return entry.mtime_seconds > latest; });
}

/// The layer that takes the place of another one; the same where that is old enough.
Result<Digest> clamped_layer(const Parts& parts, const Digest& diff_id, std::int64_t latest) {
    const auto date = static_cast<std::uint64_t>(latest); // clamp_times() takes none before 1970
    DBUILD_TRY_ASSIGN(const auto known, parts.index->find_clamped(diff_id, date));
    if (known && parts.layers->has(*known)) return *known;
    DBUILD_TRY_ASSIGN(const bool has_to_change, is_younger(parts, diff_id, latest));
    if (!has_to_change) return diff_id;
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-times"));
    DBUILD_TRY_ASSIGN(const auto made, write_clamped(parts, diff_id, latest, folder.path()));
    DBUILD_TRY_ASSIGN(const auto scan, parts.layers->put_file(made.path, made.diff_id));
    DBUILD_TRY(parts.index->record_layer(scan.diff_id, {scan.size, true}, scan.contents));
    DBUILD_TRY(parts.index->record_clamped(diff_id, date, scan.diff_id));
    return scan.diff_id;
}

} // namespace

Result<AssembledImage> clamp_times(const Parts& parts, AssembledImage image) {
    const auto latest = std::chrono::floor<std::chrono::seconds>(image.epoch->time_since_epoch()).count();
    if (latest < 0 || latest >= k_end_of_octal)
        return fail(ErrorKind::unsupported, fmt::format("rewrite-timestamp to SOURCE_DATE_EPOCH={}", latest));
    const auto own_layers = std::span(image.root.layers).subspan(image.base_layers);
    std::vector<Digest> wanted;
    for (const auto& layer : own_layers) wanted.push_back(layer.diff_id);
    parts.layers->bring(wanted);
    for (auto& layer : own_layers) {
        DBUILD_TRY_ASSIGN(const auto diff_id, clamped_layer(parts, layer.diff_id, latest));
        DBUILD_TRY_ASSIGN(const auto record, parts.index->find_layer(diff_id));
        if (!record) return fail(ErrorKind::corrupt, "cache index: layer " + diff_id.to_string() + " is not recorded");
        const bool is_other = diff_id != layer.diff_id;
        layer = {diff_id, record->size, oci::uncompressed_layer(diff_id, record->size),
                 is_other || layer.is_made_in_process, is_other || layer.is_new};
        layer.descriptor.annotations[std::string(k_annotation)] = std::to_string(latest);
    }
    for (std::size_t i = 0; i < image.root.layers.size(); ++i) image.config.diff_ids[i] = image.root.layers[i].diff_id;
    complete(image);
    return image;
}

} // namespace dbuild::orchestrator::exporters
