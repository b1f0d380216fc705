// SPDX-License-Identifier: Apache-2.0
// What main builds once and hands to a build: options as the command line gave them, and the long-lived parts.
#pragma once

#include "cache/store/index.hpp"
#include "cache/store/layer_store.hpp"
#include "executors/executor.hpp"
#include "orchestrator/engine_client.hpp"
#include "orchestrator/progress/reporter.hpp"

#include <atomic>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

struct BuildOptions {
    std::filesystem::path context = ".";
    std::filesystem::path dockerfile; // empty: Dockerfile in the context
    std::vector<std::string> tags;
    std::map<std::string, std::string> build_arguments;
    std::string target;
    std::map<std::string, std::string> labels;
    bool ignores_cache = false;               // --no-cache
    std::vector<std::string> uncached_stages; // --no-cache-filter, in lower case
    std::vector<std::string> secrets;         // --secret, as given
    std::vector<std::string> ssh_agents;      // --ssh, as given
    std::filesystem::path image_id_file;
    bool is_quiet = false; // -q: only the image ID, on standard output
    std::string scope;     // empty: from the first tag, else the context's folder
    std::filesystem::path report;
    std::vector<std::string> original_arguments; // after "build", as docker buildx build would take them
};

/// Borrowed by everything that builds; owned by the command.
struct Parts {
    cache::store::Index* index = nullptr;
    cache::store::LayerStore* layers = nullptr;
    executors::Executor* executor = nullptr;
    EngineClient* engine = nullptr;
    progress::Reporter* reporter = nullptr;
    const std::atomic<bool>* cancelled = nullptr; // set by a signal
};

} // namespace dbuild::orchestrator
