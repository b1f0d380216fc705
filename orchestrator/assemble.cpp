// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/assemble.hpp"

#include "cache/remote/remotes.hpp"
#include "orchestrator/image_history.hpp"

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;
namespace oci = cache::oci;

/// The stages from the one that starts at an image (or scratch) up to `stage`.
std::vector<const PlannedStage*> ancestry(const Planner& planner, int stage) {
    std::vector<const PlannedStage*> chain;
    for (;;) {
        const auto& plan = planner.planned(stage);
        chain.insert(chain.begin(), &plan);
        if (plan.stage->base.kind != parser::StageReference::Kind::stage) return chain;
        stage = plan.stage->base.stage_index;
    }
}

} // namespace

Result<std::vector<executors::RootLayer>> root_layers(const Parts& parts, const Project& project,
                                                      const Planner& planner, const parser::StageReference& source) {
    const auto* base = project.base_below(source);
    const bool is_stage = source.kind == parser::StageReference::Kind::stage;
    const auto diff_ids = is_stage ? planner.planned(source.stage_index).layers() : base->config.diff_ids;
    const auto made_now = planner.made_layers();
    std::vector<executors::RootLayer> layers;
    for (const auto& diff_id : diff_ids) {
        DBUILD_TRY_ASSIGN(const auto layer, parts.index->find_layer(diff_id));
        if (!layer) return fail(ErrorKind::corrupt, "cache index: layer " + diff_id.to_string() + " is not recorded");
        const bool is_of_base = base && layers.size() < base->layers.size();
        auto descriptor = is_of_base ? base->layers[layers.size()] : oci::uncompressed_layer(diff_id, layer->size);
        layers.push_back({diff_id, layer->size, std::move(descriptor)});
        if (is_of_base && !base->is_of_bake) continue;
        layers.back().is_new = made_now.contains(diff_id) || (parts.remotes && parts.remotes->is_new_here(diff_id));
        layers.back().is_made_in_process = layer->is_made_in_process;
    }
    return layers;
}

void complete(AssembledImage& image) {
    image.config_json = image.config.to_json();
    image.config_digest = sha256(image.config_json);
    oci::Manifest manifest;
    manifest.config = {std::string(oci::k_config_type), image.config_digest, image.config_json.size()};
    for (const auto& layer : image.root.layers) manifest.layers.push_back(layer.descriptor);
    manifest.annotations = select(image.annotations, Annotation::Level::manifest, image.config.platform());
    image.manifest_json = manifest.to_json();
    image.manifest_digest = sha256(image.manifest_json);
}

Result<AssembledImage> assemble(const Parts& parts, const Project& project, const Planner& planner, int stage) {
    AssembledImage image;
    DBUILD_TRY_ASSIGN(image.root.layers, root_layers(parts, project, planner, parser::StageReference::to_stage(stage)));
    const auto stages = ancestry(planner, stage);
    image.config = stages.back()->stage->final.config;
    image.config.created.clear();
    if (const auto* base = project.base_below(stages.front()->stage->base)) {
        image.config.created = base->config.created;
        image.config.diff_ids = base->config.diff_ids;
        image.config.history = base->config.history;
        image.base_layers = base->config.diff_ids.size();
    }
    image.epoch = project.epoch;
    append_history(stages, *project.dockerfile, project.epoch, image.config);
    for (const auto& [name, value] : project.options.labels) image.config.labels[name] = value;
    image.root.config = stages.back()->stage->final.config;
    image.annotations = project.options.annotations;
    complete(image);
    return image;
}

} // namespace dbuild::orchestrator
