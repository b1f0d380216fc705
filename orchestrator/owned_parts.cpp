// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/owned_parts.hpp"

#include "executors/buildx/buildx_executor.hpp"
#include "orchestrator/cache_folder.hpp"

namespace dbuild::orchestrator {
namespace {

/// A cache that cannot be used must not fail a build: docker buildx makes it without one.
template <class T>
Result<T> without_cache(Result<T> opened) {
    if (!opened) opened.error().kind = ErrorKind::unsupported;
    return opened;
}

executors::buildx::EngineImages images_of(EngineClient& engine) {
    return {
        .load = [&engine](const auto& archive) { return engine.load(archive); },
        .save = [&engine](const auto& name, const auto& archive) { return engine.save(name, archive); },
        .remove = [&engine](const auto& name) { return engine.remove(name); },
    };
}

} // namespace

Parts OwnedParts::borrow(progress::Reporter& reporter, const std::atomic<bool>& cancelled) {
    const bool is_kept = !index.is_private(); // else its warning is enough
    return {&index,        &layers,      executor.get(), engine.get(),
            remotes.get(), &reporter,    &cancelled,     is_kept ? layers.root() : std::filesystem::path(),
            nullptr,       runtime.get()};
}

Result<OwnedParts> open_parts(const DockerConfig& config, EngineAddress address) {
    const auto folder = cache_folder();
    DBUILD_TRY_ASSIGN(auto index, without_cache(cache::store::Index::open(folder)));
    DBUILD_TRY_ASSIGN(auto layers, without_cache(cache::store::LayerStore::open(
                                       folder, cache::store::LayerStore::IndexOpening::when_needed)));
    auto engine = std::make_unique<EngineClient>(std::move(address));
    auto executor = executors::buildx::make_buildx_executor(images_of(*engine), config.plugin_folders);
    return OwnedParts{std::move(index), std::move(layers), std::move(engine), std::move(executor), nullptr, nullptr};
}

Result<OwnedParts> open_parts() {
    DBUILD_TRY_ASSIGN(const auto config, read_docker_config());
    DBUILD_TRY_ASSIGN(auto address, find_engine_address(config));
    share_with_children(address, config);
    return open_parts(config, std::move(address));
}

} // namespace dbuild::orchestrator
