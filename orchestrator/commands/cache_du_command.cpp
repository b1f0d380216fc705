// SPDX-License-Identifier: Apache-2.0
// `dbuild cache du`: what the cache takes, which scope holds how much of it, and what the engine holds beside it.
#include "orchestrator/commands/cache_verbs.hpp"

#include "cache/store/catalog.hpp"
#include "cache/store/prune.hpp"
#include "cache/store/records.hpp"
#include "executors/runtime/runtime_executor.hpp"
#include "orchestrator/engine_client.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <map>
#include <set>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {
namespace {

/// What the packed layers of a scope take, compressed: each one's part of the packs that it needs.
struct ScopeUse {
    std::set<Digest> layers;
    std::uint64_t alone = 0, shared = 0; // bytes
};

std::map<Digest, std::uint64_t> stored_layer_bytes(const std::vector<store::CatalogPack>& packs,
                                                   const std::vector<store::CatalogLayer>& layers) {
    std::map<Digest, double> ratio;
    for (const auto& pack : packs)
        ratio[pack.name] = static_cast<double>(pack.bytes) /
                           static_cast<double>(std::max({pack.raw_bytes, pack.needed_bytes, std::uint64_t{1}}));
    std::map<Digest, std::uint64_t> bytes;
    for (const auto& layer : layers) {
        double sum = 0;
        for (const auto& need : layer.needs) sum += ratio[need.pack] * static_cast<double>(need.raw_bytes);
        bytes[layer.diff_id] = static_cast<std::uint64_t>(sum);
    }
    return bytes;
}

std::map<std::string, ScopeUse> uses_of_scopes(const std::vector<store::RecordedStep>& steps,
                                               const std::map<Digest, std::uint64_t>& stored) {
    std::map<std::string, ScopeUse> scopes;
    std::map<Digest, std::set<std::string>> users;
    for (const auto& step : steps)
        for (const auto& scope : step.scopes) {
            scopes[scope].layers.insert(step.diff_id);
            users[step.diff_id].insert(scope);
        }
    for (auto& [name, use] : scopes)
        for (const auto& layer : use.layers) {
            const auto found = stored.find(layer);
            if (found != stored.end()) (users[layer].size() == 1 ? use.alone : use.shared) += found->second;
        }
    return scopes;
}

/// Holds nothing where no engine answers: the cache is there without one.
std::optional<EngineUsage> usage_of_engine() {
    const auto config = read_docker_config();
    if (!config) return std::nullopt;
    auto address = find_engine_address(*config);
    if (!address) return std::nullopt;
    const auto usage = EngineClient(std::move(*address)).usage();
    return usage ? std::optional(*usage) : std::nullopt;
}

} // namespace

Status show_usage(const store::LayerStore& layers, const CacheOptions& options) {
    auto& catalog = layers.catalog();
    DBUILD_TRY_ASSIGN(auto records, store::Records::open(layers.root()));
    DBUILD_TRY_ASSIGN(const auto packs, catalog.packs());
    DBUILD_TRY_ASSIGN(const auto stored, catalog.layers());
    DBUILD_TRY_ASSIGN(const auto steps, records.steps());
    DBUILD_TRY_ASSIGN(const auto total, store::stored_bytes(layers.root()));
    std::uint64_t pack_bytes = 0, raw_bytes = 0, tar_bytes = 0;
    for (const auto& pack : packs) {
        pack_bytes += pack.bytes;
        raw_bytes += pack.raw_bytes;
    }
    for (const auto& layer : stored) tar_bytes += layer.tar_bytes;
    const auto scopes = uses_of_scopes(steps, stored_layer_bytes(packs, stored));
    DBUILD_TRY_ASSIGN(const auto index_bytes, catalog.index_bytes());
    DBUILD_TRY_ASSIGN(const auto runtime,
                      executors::runtime::folder_use(layers.root() / executors::runtime::k_runtime_folder));
    const auto in_all = total + index_bytes + runtime.unpacked_layers + runtime.cache_mounts;
    const auto limit = store::default_max_bytes(layers.root(), total);
    const auto engine = usage_of_engine();
    if (options.is_json) {
        json::object scope_list;
        json::value engine_use;
        if (engine)
            engine_use = {{"image_bytes", engine->image_bytes}, {"build_cache_bytes", engine->build_cache_bytes}};
        for (const auto& [name, use] : scopes)
            scope_list[name] = {
                {"layers", use.layers.size()}, {"bytes_alone", use.alone}, {"bytes_shared", use.shared}};
        print_json({{"folder", layers.root().string()},
                    {"bytes", in_all},
                    {"index_bytes", index_bytes},
                    {"pack_bytes", pack_bytes},
                    {"base_and_spool_bytes", total - pack_bytes},
                    {"unpacked_layer_bytes", runtime.unpacked_layers},
                    {"cache_mount_bytes", runtime.cache_mounts},
                    {"packs", packs.size()},
                    {"layers", stored.size()},
                    {"layer_tar_bytes", tar_bytes},
                    {"piece_bytes", raw_bytes},
                    {"steps", steps.size()},
                    {"default_max_bytes", limit},
                    {"engine", engine_use},
                    {"scopes", scope_list}});
        return {};
    }
    fmt::print("{}\n", layers.root().string());
    fmt::print("  {:>10}  {} packs: {} layers of {} as tars\n", size_text(pack_bytes), packs.size(), stored.size(),
               size_text(tar_bytes));
    fmt::print("  {:>10}  layers of base images as they came, and layers that are not packed yet\n",
               size_text(total - pack_bytes));
    fmt::print("  {:>10}  index of {} steps\n", size_text(index_bytes), steps.size());
    fmt::print("  {:>10}  layers unpacked for RUNs\n", size_text(runtime.unpacked_layers));
    fmt::print("  {:>10}  cache mounts of RUNs\n", size_text(runtime.cache_mounts));
    fmt::print(
        "  {:>10}  in all; prune keeps {} of layers, of unpacked layers and of cache mounts unless told otherwise\n",
        size_text(in_all), size_text(limit));
    if (engine)
        fmt::print(
            "beside it, which prune does not touch:\n  {:>10}  images of the engine\n  {:>10}  BuildKit's cache\n",
            size_text(engine->image_bytes), size_text(engine->build_cache_bytes));
    if (!scopes.empty()) fmt::print("\n{:>10}  {:>10}  {:>6}  SCOPE\n", "ALONE", "SHARED", "LAYERS");
    for (const auto& [name, use] : scopes)
        fmt::print("{:>10}  {:>10}  {:>6}  {}\n", size_text(use.alone), size_text(use.shared), use.layers.size(), name);
    return {};
}

} // namespace dbuild::orchestrator::commands
