// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/base_images.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/image_copy.hpp"
#include "cache/oci/registry_image.hpp"
#include "cache/store/catalog.hpp"
#include "orchestrator/registry_digests.hpp"
#include "orchestrator/registry_settings.hpp"
#include "orchestrator/saved_base.hpp"
#include "orchestrator/store_target.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

std::string platform_of(const oci::ImageConfig& config) {
    return config.os + "/" + config.architecture + (config.variant.empty() ? "" : "/" + config.variant);
}

Status apply_record(const cache::store::BaseRecord& record, BaseImage& base) {
    DBUILD_TRY_ASSIGN(base.config, oci::ImageConfig::parse(record.config));
    DBUILD_TRY_ASSIGN(const auto manifest, oci::Manifest::parse(record.manifest));
    base.layers = manifest.layers;
    base.is_known = true;
    return {};
}

/// What the index knows of an image ID; nothing if it was never built on.
Result<std::optional<BaseImage>> known_base(const Parts& parts, const std::string& reference, const std::string& id) {
    DBUILD_TRY_ASSIGN(const auto record, parts.index->find_base(id));
    if (!record) return std::nullopt;
    BaseImage base{reference, id, {}, {}};
    DBUILD_TRY(apply_record(*record, base));
    return base;
}

Result<std::optional<BaseImage>> pinned_base(const Parts& parts, const std::string& reference) {
    DBUILD_TRY_ASSIGN(const auto id, parts.index->find_pin(reference));
    if (!id) return std::nullopt;
    return known_base(parts, reference, *id);
}

/// What the reference was last seen as, with a warning. Errors: problem — it never was.
Result<BaseImage> remembered_base(const Parts& parts, const std::string& reference, const Error& problem) {
    DBUILD_TRY_ASSIGN(auto pinned, pinned_base(parts, reference));
    if (!pinned) return fail(problem);
    parts.reporter->warning(
        fmt::format("{}: using {} as it was last seen ({})", reference, pinned->id, problem.message));
    pinned->is_remembered = true;
    return std::move(*pinned);
}

Result<BaseImage> engine_base(const Parts& parts, const std::string& reference, EngineImage image) {
    DBUILD_TRY_ASSIGN(auto known, known_base(parts, reference, image.id));
    return known ? std::move(*known) : BaseImage{reference, std::move(image.id), std::move(image.config), {}};
}

/// Errors: unsupported — docker buildx may do it, since it has docker's credentials.
Status pull(const Parts& parts, const std::string& reference) {
    parts.reporter->note("pulling " + reference);
    if (const auto pulled = parts.engine->pull(reference); !pulled)
        return fail(ErrorKind::unsupported, pulled.error().message);
    return {};
}

/// An image that the engine does not have.
Result<BaseImage> absent_base(const Parts& parts, const std::string& reference, bool may_pull) {
    Error problem{ErrorKind::not_found, "neither engine nor cache has the image " + reference, {}, {}};
    if (may_pull) {
        Result<std::optional<EngineImage>> found = std::nullopt;
        if (const auto pulled = pull(parts, reference); pulled)
            found = parts.engine->find_image(reference);
        else
            found = fail(pulled.error());
        if (found && *found) return engine_base(parts, reference, std::move(**found));
        if (!found) problem = std::move(found).error();
    }
    return remembered_base(parts, reference, problem);
}

/// In: runs_on_it — as load_base has it.
Result<oci::LayerScan> scan_stored(const Parts& parts, const Digest& blob, executors::Executor* runs_on_it) {
    oci::LayerScan scan;
    const auto scan_by = [&](executors::Executor* looks_into_it) {
        return oci::pull_what_is_pushed([&](const oci::ByteSink& sink) { return parts.layers->read(blob, sink); },
                                        [&](const oci::ByteSource& source) -> Status {
                                            DBUILD_TRY_ASSIGN(scan, looks_into_it ? looks_into_it->look_into(source)
                                                                                  : oci::scan_layer(source));
                                            return {};
                                        });
    };
    if (runs_on_it && scan_by(runs_on_it)) return scan;
    if (Status scanned = scan_by(nullptr); !scanned)
        return fail(std::move(scanned).error().with("while reading layer " + blob.to_string()));
    return scan;
}

Status record_scan(const Parts& parts, const BaseImage& base, std::size_t layer, const oci::LayerScan& scan) {
    const auto& diff_id = base.config.diff_ids[layer];
    if (scan.diff_id != diff_id)
        return fail(ErrorKind::corrupt,
                    base.reference + ": layer " + diff_id.to_string() + " has other bytes than its name says");
    DBUILD_TRY(parts.index->record_layer(diff_id, {scan.size, false}, scan.contents));
    return parts.index->record_unpacked(base.layers[layer].digest, diff_id);
}

/// Of layers that were fetched, but never looked into (dbuild pull): what they hold. Also of one whose diff_id is known
/// from another image: steps of both have the same keys, so both have to have its bytes.
Status record_contents(const Parts& parts, const BaseImage& base, executors::Executor* runs_on_it) {
    for (std::size_t i = 0; i < base.layers.size(); ++i) {
        const auto &diff_id = base.config.diff_ids[i], &blob = base.layers[i].digest;
        DBUILD_TRY_ASSIGN(const auto known, parts.index->find_layer(diff_id));
        DBUILD_TRY_ASSIGN(const bool is_checked, parts.index->has_unpacked(blob, diff_id));
        if (known && (is_checked || blob == diff_id)) continue;
        const auto scan = scan_stored(parts, blob, runs_on_it);
        if (!scan) return fail(Error(scan.error()).with("of " + base.reference));
        DBUILD_TRY(record_scan(parts, base, i, *scan));
    }
    return {};
}

bool has_all_layers(const Parts& parts, const BaseImage& base) {
    return std::all_of(base.layers.begin(), base.layers.end(),
                       [&](const oci::Descriptor& layer) { return parts.layers->has(layer.digest); });
}

/// Errors: not_found — the engine cannot save it whole; corrupt — it delivered something else; as the engine's.
Status load_from_engine(const Parts& parts, BaseImage& base, executors::Executor* runs_on_it) {
    DBUILD_TRY_ASSIGN(const auto saved, save_into_store(parts, base, runs_on_it));
    DBUILD_TRY_ASSIGN(auto manifest, oci::read_platform_manifest(*saved.texts, platform_of(base.config)));
    DBUILD_TRY_ASSIGN(const auto image, oci::Manifest::parse(manifest.bytes));
    DBUILD_TRY_ASSIGN(auto config, oci::read_config(*saved.texts, image.config));
    const cache::store::BaseRecord record{base.id, std::move(config), std::move(manifest.bytes)};
    DBUILD_TRY(apply_record(record, base));
    if (base.layers.size() != base.config.diff_ids.size())
        return fail(ErrorKind::corrupt, "engine: " + base.reference + " has other layers than its configuration says");
    for (std::size_t i = 0; i < base.layers.size(); ++i)
        if (const auto scan = saved.scans.find(base.layers[i].digest); scan != saved.scans.end())
            DBUILD_TRY(record_scan(parts, base, i, scan->second));
    if (!has_all_layers(parts, base))
        return fail(ErrorKind::not_found, "the engine left out layers of " + base.reference);
    DBUILD_TRY(record_contents(parts, base, nullptr)); // of what `runs_on_it` has seen, and refused
    return parts.index->record_base(record);
}

/// An engine that pulls an image leaves out what it has unpacked for another one, and cannot save the image whole then.
/// (Seen on Docker 26.1.5.) Errors: unsupported — the registry does not give it either: docker builds on what it has
/// unpacked.
/// In: problem — what is wrong with what the engine gives.
Status load_from_registry(const Parts& parts, BaseImage& base, executors::Executor* runs_on_it, const Error& problem) {
    const auto load = [&]() -> Status {
        DBUILD_TRY_ASSIGN(auto settings, read_registry_settings(*parts.cancelled));
        oci::Registries registries(std::move(settings));
        DBUILD_TRY_ASSIGN(auto name, oci::ImageReference::parse(base.reference));
        name.digest = base.id;
        const auto source = oci::make_registry_source(registries, std::move(name));
        DBUILD_TRY(pull_into_store(*source, platform_of(base.config), base.reference, *parts.index, *parts.layers));
        DBUILD_TRY_ASSIGN(auto known, known_base(parts, base.reference, base.id));
        if (!known) return fail(ErrorKind::corrupt, "the registry has another image");
        base = std::move(*known);
        return record_contents(parts, base, runs_on_it);
    };
    if (const Status loaded = load(); !loaded)
        return fail(ErrorKind::unsupported, fmt::format("the engine cannot save {} whole ({}), and {}", base.reference,
                                                        problem.message, loaded.error().message));
    return {};
}

/// An image whose layers are all in the store: nobody else has to have it.
Result<std::optional<BaseImage>> whole_base(const Parts& parts, const std::string& reference, const std::string& id) {
    DBUILD_TRY_ASSIGN(auto known, known_base(parts, reference, id));
    if (known && !has_all_layers(parts, *known)) known.reset();
    return known;
}

/// What was found within the time to live; nothing where somebody has to be asked.
Result<std::optional<BaseImage>> found_lately(const Parts& parts, std::chrono::nanoseconds time_to_live,
                                              const std::string& reference) {
    const auto age = std::chrono::floor<std::chrono::seconds>(time_to_live).count();
    DBUILD_TRY_ASSIGN(const auto id,
                      parts.index->find_pin(reference, std::max(cache::store::unix_seconds() - age, std::int64_t{1})));
    if (!id) return std::nullopt;
    return whole_base(parts, reference, *id); // the engine may have forgotten that image
}

using Bases = std::map<std::string, BaseImage>; // by reference

/// For --pull: has the engine ask its registries again, save for what a HEAD says to be what the engine or the store
/// has. What the store has goes to `bases`.
Status pull_moved_bases(const Parts& parts, const std::vector<std::string>& references, Bases& bases) {
    const auto digests = registry_digests(references, *parts.cancelled);
    const auto ids = parts.engine->find_image_ids(references);
    for (const auto& reference : references) {
        if (const auto digest = digests.find(reference); digest != digests.end()) {
            const bool is_engines = ids && ids->contains(reference) && ids->at(reference) == digest->second;
            if (is_engines) continue;
            DBUILD_TRY_ASSIGN(auto known, whole_base(parts, reference, digest->second));
            if (known) bases.emplace(reference, std::move(*known));
            if (known) continue;
        }
        DBUILD_TRY(pull(parts, reference));
    }
    return {};
}

/// Of images that the engine lacks: those that a HEAD says to be what the store has. Without a memory of a name there
/// is nothing to ask for.
Status take_from_store(const Parts& parts, const std::vector<std::string>& absent, Bases& bases) {
    std::vector<std::string> seen;
    for (const auto& reference : absent) {
        DBUILD_TRY_ASSIGN(const auto pin, parts.index->find_pin(reference));
        if (pin) seen.push_back(reference);
    }
    for (const auto& [reference, digest] : registry_digests(seen, *parts.cancelled)) {
        DBUILD_TRY_ASSIGN(auto known, whole_base(parts, reference, digest));
        if (known) bases.emplace(reference, std::move(*known));
    }
    return {};
}

/// Out: absent — the references that the engine has no image of.
Status take_from_engine(const Parts& parts, const std::vector<std::string>& references, Bases& bases,
                        std::vector<std::string>& absent) {
    if (references.size() > 1) {
        if (auto ids = parts.engine->find_image_ids(references)) // otherwise each one says what is wrong
            for (const auto& [reference, id] : *ids) {
                DBUILD_TRY_ASSIGN(auto known, known_base(parts, reference, id));
                if (known) bases.emplace(reference, std::move(*known));
            }
    }
    for (const auto& reference : references) {
        if (bases.contains(reference)) continue;
        auto found = parts.engine->find_image(reference);
        if (found && !*found) {
            absent.push_back(reference);
            continue;
        }
        DBUILD_TRY_ASSIGN(auto base, found ? engine_base(parts, reference, std::move(**found))
                                           : remembered_base(parts, reference, found.error()));
        bases.emplace(reference, std::move(base));
    }
    return {};
}

/// Nobody is asked: what a name was last seen to mean. One that was never seen stands for itself.
Result<Bases> remembered_bases(const Parts& parts, const std::vector<std::string>& references) {
    Bases bases;
    for (const auto& reference : references) {
        DBUILD_TRY_ASSIGN(auto pinned, pinned_base(parts, reference));
        BaseImage unknown{reference, {}, {}, {}};
        const auto platform = native_platform();
        unknown.config.os = platform.substr(0, platform.find('/'));
        unknown.config.architecture = platform.substr(platform.find('/') + 1);
        unknown.config.diff_ids = {sha256(reference)};
        bases.emplace(reference, pinned ? std::move(*pinned) : std::move(unknown));
    }
    return bases;
}

} // namespace

Result<std::map<std::string, BaseImage>> find_bases(const Parts& parts, const BuildOptions& options,
                                                    const std::vector<std::string>& references) {
    if (!parts.engine) return remembered_bases(parts, references);
    Bases bases;
    const auto unknown = [&] {
        std::vector<std::string> names;
        std::copy_if(references.begin(), references.end(), std::back_inserter(names),
                     [&](const auto& reference) { return !bases.contains(reference); });
        return names;
    };
    if (options.base_ttl && !options.pulls_bases) {
        for (const auto& reference : references) {
            DBUILD_TRY_ASSIGN(auto known, found_lately(parts, *options.base_ttl, reference));
            if (known) bases.emplace(reference, std::move(*known));
        }
    }
    const auto asked = unknown();
    if (options.pulls_bases) DBUILD_TRY(pull_moved_bases(parts, asked, bases));
    std::vector<std::string> absent;
    DBUILD_TRY(take_from_engine(parts, unknown(), bases, absent));
    if (!options.never_pulls) DBUILD_TRY(take_from_store(parts, absent, bases));
    for (const auto& reference : unknown()) {
        DBUILD_TRY_ASSIGN(auto base, absent_base(parts, reference, !options.never_pulls));
        bases.emplace(reference, std::move(base));
    }
    for (const auto& reference : asked)
        if (const auto& base = bases.at(reference); options.base_ttl && !base.is_remembered)
            DBUILD_TRY(parts.index->record_answer(reference, base.id));
    return bases;
}

Status load_base(const Parts& parts, BaseImage& base, executors::Executor* runs_on_it) {
    if (base.is_of_bake && has_all_layers(parts, base)) return {};
    if (base.is_of_bake) return fail(ErrorKind::corrupt, base.reference + " has lost a layer since it was built");
    if (base.is_known && has_all_layers(parts, base)) {
        DBUILD_TRY(record_contents(parts, base, runs_on_it));
    } else {
        Status loaded = load_from_engine(parts, base, runs_on_it);
        const auto is_over = [](const Error& error) {
            return error.kind == ErrorKind::interrupted || error.kind == ErrorKind::no_space;
        };
        if (!loaded && !is_over(loaded.error())) loaded = load_from_registry(parts, base, runs_on_it, loaded.error());
        DBUILD_TRY(std::move(loaded));
    }
    return parts.index->record_pin(base.reference, base.id);
}

dockerfile_parser::BaseImageFacts facts_of(const oci::ImageConfig& config) {
    dockerfile_parser::BaseImageFacts facts{{}, config.os + "/" + config.architecture};
    for (const std::string& entry : config.env) {
        const auto equals = std::min(entry.find('='), entry.size());
        facts.environment.emplace(entry.substr(0, equals), entry.substr(std::min(equals + 1, entry.size())));
    }
    return facts;
}

} // namespace dbuild::orchestrator
