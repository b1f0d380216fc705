// SPDX-License-Identifier: Apache-2.0
// Layers for tests: entries, and the tar that holds them in that order, however strange.
#pragma once

#include "cache/oci/tar_header.hpp"
#include "executors/in_process/layer_writer.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbuild::executors::runtime {

struct MadeEntry {
    cache::oci::LayerEntry entry;
    std::string bytes;
};

inline MadeEntry special(std::string path, cache::oci::EntryType type, std::string target = {}) {
    MadeEntry made;
    made.entry.path = std::move(path);
    made.entry.type = type;
    made.entry.mode = type == cache::oci::EntryType::symlink ? 0777 : 0755;
    made.entry.mtime_seconds = 1577934245;
    made.entry.link_target = std::move(target);
    return made;
}
inline MadeEntry folder(std::string path) { return special(std::move(path), cache::oci::EntryType::directory); }
inline MadeEntry link_to(std::string path, std::string target) {
    return special(std::move(path), cache::oci::EntryType::symlink, std::move(target));
}
inline MadeEntry hard_link(std::string path, std::string target) {
    return special(std::move(path), cache::oci::EntryType::hard_link, std::move(target));
}
inline MadeEntry file(std::string path, std::string bytes = {}) {
    auto made = special(std::move(path), cache::oci::EntryType::file);
    made.entry.size = bytes.size();
    made.entry.content = sha256(bytes);
    made.bytes = std::move(bytes);
    return made;
}

inline std::string tar_of(const std::vector<MadeEntry>& entries) {
    std::string tar;
    for (const auto& [entry, bytes] : entries)
        tar += in_process::layer_header(entry) + bytes + cache::oci::tar_padding(bytes.size());
    return tar + std::string(cache::oci::k_tar_end_bytes, '\0');
}

} // namespace dbuild::executors::runtime
