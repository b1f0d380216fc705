// SPDX-License-Identifier: Apache-2.0
// Layers that published indexes know: which can be had, and bringing them. A pack of which much is needed is fetched
// whole and becomes one of the store's own; of others, the blocks that a layer needs are fetched by range.
#pragma once

#include "cache/remote/backend.hpp"
#include "cache/remote/scope_index.hpp"
#include "cache/store/layer_store.hpp"

#include <atomic>
#include <functional>
#include <mutex>

namespace dbuild::cache::remote {

class RemoteLayers final : public store::LayerSource {
public:
    /// In: layers — the store that they are brought to; outlives this.
    explicit RemoteLayers(const store::LayerStore& layers) : layers_(layers) {}

    /// Makes the layers of an index known; what is known already stays. In: backend — outlives this.
    void add(Backend& backend, const ScopeIndex& index);

    /// What adds the layers of indexes that were not read yet: called once, before anything is asked of this.
    void set_unread(std::function<void()> add_rest) { add_rest_ = std::move(add_rest); }

    bool has(const Digest& diff_id) override;
    void bring(std::span<const Digest> diff_ids) override;

    /// What was promised and could not be had: grows when packs have vanished or are damaged.
    std::uint64_t lost_layers() const { return lost_layers_; }
    /// Packs that indexes name and that are gone, or damaged.
    std::set<Digest> bad_packs();
    void add_warning(std::string text);
    std::vector<std::string> take_warnings();

private:
    struct Pack {
        Backend* backend = nullptr;
        ScopeIndex::Pack description;
    };
    struct Layer {
        Digest pack; // with the recipe
        store::PackedLayer record;
    };
    class PartialPack;

    void add_rest();
    std::vector<Layer> known_of(std::span<const Digest> diff_ids);
    /// The packs that a layer needs, without doubles.
    static std::set<Digest> packs_of(const Layer& layer);
    Status adopt_whole(const Digest& name, const Pack& pack);
    Status restore(const Layer& layer);
    void lose(const Layer& layer, const Error& why);
    void check_all_packs();
    void adopt_most_needed(const std::vector<Layer>& wanted);
    bool is_here(const Digest& pack) const;

    const store::LayerStore& layers_;
    std::function<void()> add_rest_; // may be null
    std::once_flag rest_is_added_;
    std::mutex fetching_; // one at a time: what the first brought, the second finds
    std::mutex mutex_;    // of what follows
    std::map<Digest, Pack> packs_;
    std::map<Digest, Layer> known_;
    std::set<Digest> gone_packs_, damaged_packs_;
    std::atomic<std::uint64_t> lost_layers_ = 0;
    std::vector<std::string> warnings_;
};

} // namespace dbuild::cache::remote
