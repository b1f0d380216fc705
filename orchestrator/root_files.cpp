// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/root_files.hpp"

namespace dbuild::orchestrator {

Result<executors::in_process::LayerFiles> open_root_files(cache::store::Index& index,
                                                          std::span<const executors::RootLayer> layers) {
    executors::in_process::LayerFiles files;
    for (const auto& layer : layers) {
        DBUILD_TRY_ASSIGN(const auto contents, index.find_contents(layer.diff_id));
        if (!contents)
            return fail(ErrorKind::corrupt, "cache index: no table of contents of layer " + layer.diff_id.to_string());
        files.apply(layer.descriptor.digest, *contents);
    }
    return files;
}

} // namespace dbuild::orchestrator
