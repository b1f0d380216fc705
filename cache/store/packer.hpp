// SPDX-License-Identifier: Apache-2.0
// Packs spooled layers in a thread of its own, while the build goes on: cuts them, looks the pieces up, compresses the
// new ones, and makes pack after pack visible. What goes wrong leaves the layer in the spool.
#pragma once

#include "cache/store/catalog.hpp"
#include "cache/store/lease.hpp"
#include "cache/store/spool.hpp"

#include <memory>

namespace dbuild::cache::store {

struct PackerSettings {
    unsigned compression_threads = 2;
    std::uint64_t pack_bytes = 32u << 20; // when a pack is closed; it may become one block longer
    std::size_t max_old_packs = 12;       // that one layer may refer to: ../reference/storage.md §3.2
};

class Packer {
public:
    /// In: catalog, lease — outlive the packer.
    Packer(std::filesystem::path root, Catalog& catalog, Lease& lease, PackerSettings settings);
    Packer(const Packer&) = delete;
    Packer& operator=(const Packer&) = delete;
    /// As finish().
    ~Packer();

    /// Takes a layer that is being written, or is written. Returns at once.
    void add(std::shared_ptr<SpooledLayer> layer);
    /// Begins what finish() waits for, because no further layer is expected for some time. Returns at once.
    void begin_finish();
    /// Waits until all layers so far are packed, durable and visible.
    /// Errors: the first thing that went wrong; the layers concerned are still in the spool.
    Status finish();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::store
