// SPDX-License-Identifier: Apache-2.0
// Base images: what a FROM reference means now, and, once something is built on one, its layers in the store.
// The plan needs one small request; the layers are fetched from the engine when the first build on them needs them.
#pragma once

#include "dockerfile_parser/check.hpp"
#include "orchestrator/parts.hpp"

namespace dbuild::orchestrator {

struct BaseImage {
    std::string reference; // familiar form
    std::string id;        // the engine's
    cache::oci::ImageConfig config;
    std::vector<cache::oci::Descriptor> layers; // as the base's manifest names them; empty until load_base()
    bool is_remembered = false;                 // nobody could be asked
    bool is_of_bake = false; // another target's result: it is in the store, and `reference` names no image
    bool is_known = false;   // the index has it: `config` has a history, `layers` are complete
};

/// Looks up all references together: one request to the engine for one, one or two for several whose IDs are known.
/// Policy (design §4): the engine's own image; else what the registry has now, which one HEAD each tells, all at once:
/// from the store if that has it whole, else by a pull of the engine (neither with --pull=never); else, with one
/// warning, what it was last seen as. With --pull the registries are asked first, and what they have is pulled unless
/// the engine or the store has just that. With --base-ttl and without --pull, what was found so lately is taken without
/// a request, if the store has its layers. Without an engine (parts.engine is null) it is what the references were last
/// seen as, else made up from their names.
/// In: references — familiar form, unique. Out: by reference.
/// Errors: unsupported — the engine has it not, cannot pull it, and it was never seen, or it must pull and cannot:
/// docker buildx may, since it has docker's credentials; unavailable — no engine, never seen; not_found — the same with
/// --pull=never.
Result<std::map<std::string, BaseImage>> find_bases(const Parts& parts, const BuildOptions& options,
                                                    const std::vector<std::string>& references);

/// Makes sure that configuration with history, descriptors, and every layer of the base are in the store.
/// In:     runs_on_it — looks into what comes, because it is about to run steps on the base; null: nobody does.
/// Errors: as the engine's; corrupt — it delivered something else.
Status load_base(const Parts& parts, BaseImage& base, executors::Executor* runs_on_it = nullptr);

/// What a check of the Dockerfile asks of it.
dockerfile_parser::BaseImageFacts facts_of(const cache::oci::ImageConfig& config);

} // namespace dbuild::orchestrator
