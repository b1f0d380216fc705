// SPDX-License-Identifier: Apache-2.0
// The files that a pile of layers holds, for COPY --from and for looking up accounts: which layer has the bytes of a
// path, and reading those of many paths with one pass over each layer that has some. Nothing is unpacked; what was read
// lies in one nameless scratch file.
#pragma once

#include "executors/executor.hpp"
#include "executors/in_process/copy.hpp"

#include <map>
#include <memory>
#include <span>

namespace dbuild::executors::in_process {

class LayerFiles {
public:
    /// Puts one more layer on top. In: blob — by which it can be read.
    void apply(const Digest& blob, const cache::oci::TableOfContents& contents);

    const cache::oci::FileTree& tree() const { return tree_; }

    /// The entry at a path of tree(), in which files that are names of one inode share their link group. It has no body
    /// yet.
    CopiedEntry entry(const std::string& path) const;

    /// Gets the bytes of a file piece by piece, with all those of the paths asked for that are names of it.
    using NamesSink = std::function<Status(std::span<CopiedEntry* const> names, std::string_view bytes)>;
    /// Hands out the bytes of the files that are not empty, layer by layer. Errors: what read_layer and the sink fail
    /// with; corrupt.
    Status read(std::span<CopiedEntry* const> files, const LayerReader& read_layer, const NamesSink& sink) const;

    /// Gives those entries their bodies. Errors: as read(); unavailable — the scratch file.
    Status load(std::span<CopiedEntry* const> files, const LayerReader& read_layer) const;

private:
    struct Origin {
        std::size_t layer = 0; // index into blobs_
        std::string path;      // in that layer
        friend auto operator<=>(const Origin&, const Origin&) = default;
    };
    std::vector<Digest> blobs_;
    cache::oci::FileTree tree_;
    std::map<std::string, Origin, std::less<>> origins_; // of files; also of paths that a later layer removed
    std::map<Origin, int> names_;                        // how many paths ever had this origin
};

} // namespace dbuild::executors::in_process
