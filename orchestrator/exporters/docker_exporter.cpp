// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/docker_exporter.hpp"

#include "cache/oci/archive_writer.hpp"
#include "cache/oci/reference.hpp"
#include "cache/store/claim.hpp"

#include <algorithm>
#include <set>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

/// A delta leaves out what the engine should have: everything that it made itself, and what an earlier build brought to
/// it.
enum class Extent { delta, whole };

bool is_in_delta(const executors::RootLayer& layer) { return layer.is_new && layer.is_made_in_process; }

/// Loads that begin together make the containerd store slower than one after the other: each writes "index.json" under
/// the same name, and who waits for that name sleeps with the store's database locked. (Docker 26.1.5: twelve images
/// took 28 s.) Out: nothing where no turns can be taken.
Result<std::optional<cache::store::Claim>> wait_for_turn(const Parts& parts) {
    if (parts.engine->image_store() == ImageStore::classic) return std::nullopt;
    auto turn = cache::store::Claim::acquire(parts.layers->root(), sha256("load into " + parts.engine->host()), nullptr,
                                             [&] { return parts.cancelled && *parts.cancelled; });
    if (turn) return std::move(*turn);
    if (turn.error().kind == ErrorKind::interrupted) return fail(std::move(turn).error());
    return std::nullopt;
}

/// The image that has the name until now.
struct Holder {
    EngineImage image;
    std::optional<oci::Descriptor> manifest; // if the engine got it from here, with every blob
};

/// In: name — may be empty. companion — as in ImageToArchive.
Status send(const Parts& parts, const AssembledImage& image, const std::string& name,
            const std::optional<oci::Descriptor>& companion, Extent extent) {
    oci::ImageToArchive content{image.config, image.config_json, image.manifest_json, {}, name};
    content.companion = companion;
    std::vector<Digest> sent;
    for (const auto& layer : image.root.layers) {
        content.layers.push_back(layer.descriptor);
        if (extent == Extent::delta && !is_in_delta(layer))
            content.left_out.insert(layer.descriptor.digest);
        else
            sent.push_back(layer.descriptor.digest);
    }
    parts.layers->bring(sent);
    const auto read_layer = [&](const Digest& blob, const oci::ByteSink& sink) {
        return image.read_layer ? image.read_layer(blob, sink) : parts.layers->read(blob, sink);
    };
    DBUILD_TRY_ASSIGN(const auto turn, wait_for_turn(parts));
    return oci::stream_archive(content, read_layer, [&](const auto& archive) { return parts.engine->load(archive); });
}

/// An engine knows an image by the digest of its manifest (containerd image store) or of its configuration (classic
/// store).
bool is_of(const EngineImage& found, const AssembledImage& image) {
    return found.id == image.manifest_digest.to_string() || found.id == image.config_digest.to_string();
}

/// The image under either of its IDs. The engine's answer to an earlier question says which is the likely one.
Result<std::optional<EngineImage>> find_in_engine(const Parts& parts, const AssembledImage& image) {
    const auto manifest = image.manifest_digest.to_string(), config = image.config_digest.to_string();
    const auto store = parts.engine->image_store();
    DBUILD_TRY_ASSIGN(auto found, parts.engine->find_image(store == ImageStore::classic ? config : manifest));
    if (!found && store == ImageStore::unknown) {
        DBUILD_TRY_ASSIGN(found, parts.engine->find_image(config));
    }
    return found;
}

/// A containerd store that refuses a delta has given the name away by then, to an image that lacks blobs, and finds it
/// by its ID as well. What was brought there whole is not asked about again.
Result<bool> is_whole(const Parts& parts, const AssembledImage& image, const EngineImage& found) {
    if (parts.engine->image_store() == ImageStore::classic) return true;
    DBUILD_TRY_ASSIGN(const auto was_brought, parts.index->find_brought(image.manifest_digest));
    if (was_brought) return true;
    DBUILD_TRY_ASSIGN(const bool is_whole,
                      parts.engine->is_whole(found.id, found.tags.empty() ? std::string() : found.tags.front()));
    if (is_whole) DBUILD_TRY(parts.index->record_brought(image.manifest_digest, image.manifest_json.size()));
    return is_whole;
}

Result<std::optional<Holder>> find_holder(const Parts& parts, const oci::ImageReference& name) {
    DBUILD_TRY_ASSIGN(auto found, parts.engine->find_image(name.familiar()));
    if (!found) return std::nullopt;
    Holder holder{std::move(*found), {}};
    if (const auto digest = Digest::parse(holder.image.id)) {
        DBUILD_TRY_ASSIGN(const auto bytes, parts.index->find_brought(*digest));
        if (bytes) holder.manifest = oci::Descriptor{std::string(oci::k_manifest_type), *digest, *bytes};
    }
    return holder;
}

/// Whether what the delta leaves out is in another image. Blobs stay as long as an image names them. Asking instead
/// takes the engine longer the more images it has.
bool is_rest_of(const AssembledImage& image, const EngineImage& holder) {
    const std::set<Digest> held(holder.config.diff_ids.begin(), holder.config.diff_ids.end());
    const auto& layers = image.root.layers;
    return std::all_of(layers.begin(), layers.end(),
                       [&](const auto& layer) { return is_in_delta(layer) || held.contains(layer.diff_id); });
}

/// As a delta; whole where the engine lacks a layer. It does not always say so: with the snapshots of an image at hand,
/// the containerd store takes it without the blobs (tried, Docker 26.1.5), for instance where BuildKit has them in
/// another compression. In: reference — the name that the image gets; may be null. companion — as in ImageToArchive.
Status load(const Parts& parts, const AssembledImage& image, const oci::ImageReference* reference,
            const std::optional<oci::Descriptor>& companion, const std::optional<Holder>& holder) {
    const auto name = reference ? reference->to_string() : std::string();
    DBUILD_TRY_ASSIGN(const auto was_brought, parts.index->find_brought(image.manifest_digest));
    if (was_brought) DBUILD_TRY(parts.index->forget_brought(image.manifest_digest)); // the engine lost it since
    const Status sent = send(parts, image, name, companion, Extent::delta);
    if (!sent && sent.error().kind != ErrorKind::not_found) return sent;
    if (!sent && reference && holder) (void)parts.engine->tag(holder->image.id, name); // the refused one may have it
    bool is_whole = false;
    if (sent) {
        if (parts.engine->image_store() == ImageStore::unknown) DBUILD_TRY(find_in_engine(parts, image)); // which tells
        if (parts.engine->image_store() == ImageStore::classic) return {};
        is_whole = holder && holder->manifest && is_rest_of(image, holder->image);
        if (!is_whole) {
            const auto familiar = reference ? reference->familiar() : std::string();
            DBUILD_TRY_ASSIGN(is_whole, parts.engine->is_whole(image.manifest_digest.to_string(), familiar));
        }
    }
    if (!is_whole) DBUILD_TRY(send(parts, image, name, companion, Extent::whole));
    return parts.index->record_brought(image.manifest_digest, image.manifest_json.size());
}

/// The image, if the engine has all of it. What was never brought there is not looked for where its name belongs to
/// another image: the question takes the engine about as long as what is new of the image.
Result<std::optional<EngineImage>> find_whole(const Parts& parts, const AssembledImage& image,
                                              const std::optional<Holder>& holder) {
    if (holder && !is_of(holder->image, image) && parts.engine->image_store() == ImageStore::containerd) {
        DBUILD_TRY_ASSIGN(const auto was_brought, parts.index->find_brought(image.manifest_digest));
        if (!was_brought) return std::nullopt;
    }
    auto found = holder && is_of(holder->image, image) ? Result<std::optional<EngineImage>>(holder->image)
                                                       : find_in_engine(parts, image);
    if (!found || !*found) return found;
    DBUILD_TRY_ASSIGN(const bool is_there, is_whole(parts, image, **found));
    if (!is_there) return std::nullopt;
    return found;
}

Result<std::vector<oci::ImageReference>> parse_tags(const std::vector<std::string>& tags) {
    std::vector<oci::ImageReference> references;
    for (const auto& tag : tags) {
        auto reference = oci::ImageReference::parse(tag);
        if (!reference) return fail(ErrorKind::usage, "--tag: " + reference.error().message);
        references.push_back(std::move(*reference));
    }
    return references;
}

} // namespace

Status expect_layers_of(const Parts& parts, const std::vector<std::string>& tags, AssembledImage& image) {
    DBUILD_TRY_ASSIGN(const auto references, parse_tags(tags));
    std::set<Digest> held;
    if (!references.empty()) {
        DBUILD_TRY_ASSIGN(const auto holder, parts.engine->find_image(references.front().familiar()));
        if (holder) held.insert(holder->config.diff_ids.begin(), holder->config.diff_ids.end());
    }
    for (auto& layer : image.root.layers) layer.is_new = layer.is_made_in_process = !held.contains(layer.diff_id);
    return {};
}

Result<ExportedImage> export_to_engine(const Parts& parts, const AssembledImage& image,
                                       const std::vector<std::string>& tags) {
    DBUILD_TRY_ASSIGN(const auto references, parse_tags(tags));
    ExportedImage exported;
    exported.manifest_digest = image.manifest_digest;
    exported.manifest_bytes = image.manifest_json.size();
    exported.config_digest = image.config_digest;
    for (const auto& reference : references) exported.tags.push_back(reference.familiar());
    const auto* name = references.empty() ? nullptr : &references.front();
    std::optional<Holder> holder;
    if (name) {
        DBUILD_TRY_ASSIGN(holder, find_holder(parts, *name));
    }
    DBUILD_TRY_ASSIGN(auto present, find_whole(parts, image, holder));
    if (!present) {
        // The containerd store has layers unpacked for the first image with them, and drops them some time after that
        // has lost its last name (Docker 26.1.5): a container started just then fails. So that image stays, without a
        // name: as the companion of the new one, or because tagging leaves it so.
        const bool has_its_layers = holder && holder->image.config.diff_ids == image.config.diff_ids &&
                                    parts.engine->image_store() != ImageStore::classic;
        if (has_its_layers && !holder->manifest) name = nullptr;
        DBUILD_TRY(load(parts, image, name, has_its_layers ? holder->manifest : std::nullopt, holder));
        exported.was_loaded = true;
        if (parts.engine->image_store() == ImageStore::unknown) {
            DBUILD_TRY_ASSIGN(present, find_in_engine(parts, image));
        } else {
            const bool is_classic = parts.engine->image_store() == ImageStore::classic;
            present.emplace();
            present->id = (is_classic ? image.config_digest : image.manifest_digest).to_string();
            if (name) present->tags.push_back(name->familiar());
        }
        if (!present) return fail(ErrorKind::internal, "engine: the image is not there after it was loaded");
    }
    exported.id = present->id;
    for (const auto& reference : references)
        if (std::find(present->tags.begin(), present->tags.end(), reference.familiar()) == present->tags.end())
            DBUILD_TRY(parts.engine->tag(exported.id, reference.to_string()));
    return exported;
}

} // namespace dbuild::orchestrator::exporters
