// SPDX-License-Identifier: Apache-2.0
// Publishes what a build finished, in a thread of its own while the build goes on: packs first, then the scope's index.
// What was published stays, whatever becomes of the build.
#pragma once

#include "cache/remote/backend.hpp"
#include "cache/remote/scope_index.hpp"
#include "cache/store/layer_store.hpp"

#include <atomic>
#include <chrono>
#include <memory>

namespace dbuild::cache::remote {

/// Where a build publishes to.
struct PublishTarget {
    Backend* backend = nullptr; // borrowed
    std::string scope;
    std::string name;                // of the remote, for messages
    std::string version;             // of the index as it was read; empty: there was none
    std::optional<ScopeIndex> index; // nothing: that version's rows were merged before, and nobody has read it again
    std::optional<Digest> settled;   // of an earlier PublishedState of that version
};

/// What a target's index is known to hold.
struct PublishedState {
    std::string scope, name;       // of the target
    std::string version;           // all of whose rows the store's own index has
    std::optional<Digest> settled; // stands for the steps and images that the build used, and for the hour: they are
                                   // published, so another build of the same need not even read the index
};

struct PublisherSettings {
    std::chrono::milliseconds interval{
        10'000}; // between two publications during a build: a kill loses no more than that
    std::uint64_t max_index_bytes = 32u << 20; // of rows, before compression
    int attempts = 50;                         // to replace an index that others replace as well
};

class Publisher {
public:
    /// In: layers, is_cancelled — outlive the publisher, which sets the latter when its time is over: for backends, so
    /// that they give up what they are writing.
    Publisher(const store::LayerStore& layers, std::vector<PublishTarget> targets, std::atomic<bool>& is_cancelled,
              PublisherSettings settings = {});
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;
    /// Ends at once; what is on its way is given up.
    ~Publisher();

    /// A step was made. In: replaces — an older result of that key is no good any more, or was not wanted.
    void note_made(const Digest& key, bool replaces);
    /// Steps that the build is made of, and the images below it.
    void note_used(const std::vector<Digest>& keys);
    void note_base(const std::string& id);
    /// Packs that the indexes name in vain.
    void note_bad_packs(const std::set<Digest>& packs);

    /// Publishes what is left; after the deadline what can still be named without another pack. Out: what went wrong.
    std::vector<std::string> finish(std::chrono::milliseconds deadline);
    /// After finish(): of the targets that news were looked for in, without trouble.
    std::vector<PublishedState> states() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::remote
