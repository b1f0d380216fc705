// SPDX-License-Identifier: Apache-2.0
// What main builds once and hands to a build: options as the command line gave them, and the long-lived parts.
#pragma once

#include "cache/remote/remote_url.hpp"
#include "cache/store/index.hpp"
#include "cache/store/layer_store.hpp"
#include "executors/executor.hpp"
#include "orchestrator/engine_client.hpp"
#include "orchestrator/exporters/output.hpp"
#include "orchestrator/progress/reporter.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dbuild::cache::remote {
class Remotes;
}

namespace dbuild::orchestrator {

struct BaseImage;
class SharedContexts;

struct BuildOptions {
    std::filesystem::path context = ".";
    std::filesystem::path dockerfile; // empty: Dockerfile in the context
    std::optional<std::string>
        dockerfile_text; // what `-f -` gave; set before the build, since it can be read only once
    std::vector<std::string> tags;
    std::vector<exporters::Output> outputs; // none: the engine
    std::map<std::string, std::string> build_arguments;
    std::string target;
    std::map<std::string, std::string> labels;
    std::vector<Annotation> annotations;               // --annotation
    std::vector<std::string> platforms;                // --platform, normalized, unique; none: this machine's
    bool ignores_cache = false;                        // --no-cache
    std::vector<std::string> uncached_stages;          // --no-cache-filter, in lower case
    std::optional<std::chrono::nanoseconds> cache_ttl; // --cache-ttl
    std::optional<std::chrono::nanoseconds> base_ttl;  // --base-ttl
    std::map<std::string, std::string> secret_salts;   // --secret-salt, by the secret's id
    std::vector<std::string> secrets;                  // --secret, as given
    std::vector<std::string> ssh_agents;               // --ssh, as given
    bool pulls_bases = false;                          // --pull
    bool never_pulls = false;                          // --pull=never
    std::filesystem::path image_id_file;
    std::filesystem::path metadata_file;
    bool is_quiet = false;                               // -q: only the image ID, on standard output
    std::string scope;                                   // empty: from the first tag, else the context's folder
    std::vector<cache::remote::RemoteUrl> cache_remotes; // --cache-remote, --cache-from, --cache-to
    std::vector<std::string> fallback_scopes;            // --scope-from
    std::chrono::seconds cache_deadline{30};             // for what is left to publish when the build has ended
    std::filesystem::path report;
    /// What other targets of a bake file have made, by the names of contexts. Shared with the targets that read the
    /// same.
    std::map<std::string, std::shared_ptr<const BaseImage>> image_contexts;
    bool keeps_layers = false; // the image's own layers are there afterwards, for a build that stands on it
    std::vector<std::string> docker_arguments; // what docker buildx build is given where it builds instead
};

/// Borrowed by everything that builds; owned by the command.
struct Parts {
    cache::store::Index* index = nullptr;
    cache::store::LayerStore* layers = nullptr;
    executors::Executor* executor = nullptr;   // runs what nobody else can
    EngineClient* engine = nullptr;            // null: only what is remembered of images counts (find_bases)
    cache::remote::Remotes* remotes = nullptr; // null: there are none
    progress::Reporter* reporter = nullptr;
    const std::atomic<bool>* cancelled = nullptr; // set by a signal
    std::filesystem::path cache_folder;           // for stat caches and explanations; empty: none are kept
    SharedContexts* contexts = nullptr;           // null: nobody else builds from the same context
    executors::Executor* runtime = nullptr;       // runs what needs_buildx() leaves; null: `executor` does

    executors::Executor* usable_runtime() const { return runtime && runtime->is_usable() ? runtime : nullptr; }
};

} // namespace dbuild::orchestrator
