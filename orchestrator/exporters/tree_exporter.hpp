// SPDX-License-Identifier: Apache-2.0
// The files of an image, without the image: --output type=local, which puts them into a folder, and type=tar.
// Source: BuildKit's exporter/local and exporter/tar, fsutil's WriteTar.
#pragma once

#include "orchestrator/assemble.hpp"

#include <filesystem>

namespace dbuild::orchestrator::exporters {

enum class TreeForm { folder, tar };

/// In:     path — of the folder, merged with what it holds (folder_writer.hpp), or of the tar, which appears when it is
/// whole; "-":
///         standard output. With SOURCE_DATE_EPOCH all files get that time.
/// Errors: not_found, corrupt — a layer is not in the store; unavailable — disk.
Status export_tree(const Parts& parts, const AssembledImage& image, TreeForm form, const std::filesystem::path& path);

} // namespace dbuild::orchestrator::exporters
