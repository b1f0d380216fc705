// SPDX-License-Identifier: Apache-2.0
// `dbuild cache prune`.
#include "orchestrator/commands/cache_verbs.hpp"

#include "cache/store/prune.hpp"
#include "executors/runtime/runtime_executor.hpp"
#include "support/quantity.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {

Status prune_store(const store::LayerStore& layers, const CacheOptions& options) {
    store::PruneOptions limits;
    limits.keep_scopes = options.keep_scopes;
    limits.is_dry_run = options.is_dry_run;
    if (!options.max_size.empty()) {
        DBUILD_TRY_ASSIGN(limits.max_bytes, parse_byte_count(options.max_size));
    } else if (options.max_age.empty()) {
        DBUILD_TRY_ASSIGN(const auto own_bytes, store::stored_bytes(layers.root()));
        limits.max_bytes = store::default_max_bytes(layers.root(), own_bytes);
    }
    if (!options.max_age.empty()) {
        DBUILD_TRY_ASSIGN(const auto seconds, parse_age_seconds(options.max_age));
        limits.max_age = std::chrono::seconds(seconds);
    }
    DBUILD_TRY_ASSIGN(const auto result, with_progress_bar("packing again", [&](const WorkProgress& progress) {
                          limits.progress = progress;
                          return store::prune(layers, limits);
                      }));
    DBUILD_TRY_ASSIGN(const auto removed_cache_mounts,
                      executors::runtime::prune_folder(layers.root() / executors::runtime::k_runtime_folder,
                                                       {limits.max_bytes, limits.max_age, options.is_dry_run}));
    if (options.is_json) {
        print_json({{"bytes_before", result.bytes_before},
                    {"bytes_after", result.bytes_after},
                    {"evicted_layers", result.evicted_layers},
                    {"evicted_blobs", result.evicted_blobs},
                    {"removed_packs", result.removed_packs},
                    {"repacked_layers", result.repacked_layers},
                    {"removed_records", result.removed_records},
                    {"removed_cache_mounts", removed_cache_mounts},
                    {"dry_run", options.is_dry_run}});
        return {};
    }
    const auto cache_mounts =
        removed_cache_mounts > 0 ? fmt::format(", {} cache mounts deleted", removed_cache_mounts) : std::string();
    fmt::print("{}{} layers and {} base layers evicted, {} records removed{}: {} -> {}\n",
               options.is_dry_run ? "dry run: " : "", result.evicted_layers, result.evicted_blobs,
               result.removed_records, cache_mounts, size_text(result.bytes_before), size_text(result.bytes_after));
    return {};
}

} // namespace dbuild::orchestrator::commands
