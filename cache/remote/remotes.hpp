// SPDX-License-Identifier: Apache-2.0
// All remotes of a build: reads what they publish of the build's scopes before anything is planned, brings layers from
// them, publishes to them. Their trouble costs warnings, never the build.
#pragma once

#include "cache/remote/publisher.hpp"
#include "cache/remote/remote_layers.hpp"
#include "cache/remote/remote_url.hpp"
#include "cache/remote/wrappers.hpp"
#include "cache/store/index.hpp"
#include "support/process.hpp"

namespace dbuild::cache::remote {

struct RemotesOptions {
    std::vector<RemoteUrl> urls;
    std::string scope;                        // that is read first, and the only one that is written
    std::vector<std::string> fallback_scopes; // that are read after it
    bool publishes = true;                    // to those that may be written
};

class Remotes {
public:
    /// Reads the scopes' indexes and merges them into the store's; one that was merged before and has not changed is
    /// read only when a layer has to be had from it, or something published to it. Of two results for one key, that of
    /// a scope which this build also writes wins over the store's own, so that all machines come to the same image;
    /// else the store's. In: layers, index — outlive this.
    Remotes(const store::LayerStore& layers, store::Index& index, RemotesOptions options);
    Remotes(const Remotes&) = delete;
    Remotes& operator=(const Remotes&) = delete;
    /// Ends at once; see finish().
    ~Remotes();

    /// Whether the layer became known by what was read just now: no engine of this machine has it.
    bool is_new_here(const Digest& diff_id) const { return new_layers_.contains(diff_id); }
    /// What was promised and could not be had, so far.
    std::uint64_t lost_layers() const { return remote_layers_.lost_layers(); }

    Publisher& publisher() { return *publisher_; }
    /// Publishes what is left, as Publisher::finish.
    void finish(std::chrono::milliseconds deadline);

    const TrafficCounters& traffic() const { return traffic_; }
    /// What went wrong without stopping anybody, since the last call.
    std::vector<std::string> take_warnings();

private:
    struct UnreadScope {
        Backend* backend = nullptr;
        std::string scope, remote; // the latter for messages
    };
    void read_rest();
    void read_scope(Backend& backend, const RemoteUrl& url, const std::string& scope, bool is_own,
                    std::vector<PublishTarget>& targets);

    const store::LayerStore& layers_;
    store::Index& index_;
    RemotesOptions options_;
    TrafficCounters traffic_;
    std::atomic<bool> is_publishing_over_ = false;
    std::vector<std::unique_ptr<Backend>> backends_;
    RemoteLayers remote_layers_;
    std::vector<UnreadScope> unread_; // whose rows the store's index has already
    std::set<Digest> new_layers_;
    std::vector<std::string> warnings_;
    std::unique_ptr<Publisher> publisher_;
};

/// The backend that a URL names, wrapped. In: counters — outlive it; is_cancelled — may be null.
std::unique_ptr<Backend> open_remote(const RemoteUrl& url, TrafficCounters& counters, CancelCheck is_cancelled);

} // namespace dbuild::cache::remote
