// SPDX-License-Identifier: Apache-2.0
// Layers through images of the engine itself, where its classic store (graph drivers) knows neither OCI layouts as
// contexts nor their export: root file systems are loaded as images, the result is saved. Correct, and slow: a save
// writes every layer.
#pragma once

#include "executors/buildx/layer_exchange.hpp"

#include <memory>

namespace dbuild::executors::buildx {

/// What is needed of the engine. Threads: any number of calls at once.
struct EngineImages {
    /// Loads an archive, which yields its bytes and 0 at the end. Errors: besides the engine's, not_found — it leaves
    /// out a layer that the engine lacks.
    std::function<Status(const std::function<std::size_t(char* buffer, std::size_t capacity)>& archive)> load;
    /// Writes an image to a file as the engine archives it.
    std::function<Status(const std::string& name, const std::filesystem::path& archive)> save;
    /// Removes a name, and the image if that was its last one.
    std::function<Status(const std::string& name)> remove;
};

/// In: folder — an existing one of its own. engine — borrowed. Its images are removed with the exchange.
std::unique_ptr<LayerExchange> make_image_exchange(std::filesystem::path folder, const EngineImages& engine);

} // namespace dbuild::executors::buildx
