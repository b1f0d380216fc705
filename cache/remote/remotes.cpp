// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/remotes.hpp"

#include "cache/remote/directory_backend.hpp"

namespace dbuild::cache::remote {
namespace {

constexpr int k_failures = 3;      // in a row, after which a remote is left alone
constexpr int k_calls_at_once = 8; // of one build: twice what fetches one layer, so that publishing is not shut out

} // namespace

std::unique_ptr<Backend> open_remote(const RemoteUrl& url, TrafficCounters& counters, CancelCheck is_cancelled) {
    const bool is_writable = url.access == Access::read_and_write;
    auto backend = make_directory_backend({url.path, url.max_bytes, is_writable, std::move(is_cancelled)});
    backend = make_counting(make_redacting(std::move(backend), {}), counters);
    if (url.max_requests) backend = make_budgeted(std::move(backend), *url.max_requests);
    return make_limited(make_breaking(make_retrying(std::move(backend), {}), k_failures), k_calls_at_once);
}

Remotes::Remotes(const store::LayerStore& layers, store::Index& index, RemotesOptions options)
    : layers_(layers), index_(index), options_(std::move(options)), remote_layers_(layers) {
    std::vector<PublishTarget> targets;
    for (const auto& url : options_.urls) {
        backends_.push_back(open_remote(url, traffic_, [this] { return is_publishing_over_.load(); }));
        auto& backend = *backends_.back();
        read_scope(backend, url, options_.scope, true, targets);
        for (const auto& scope : options_.fallback_scopes)
            if (scope != options_.scope) read_scope(backend, url, scope, false, targets);
    }
    remote_layers_.set_unread([this] { read_rest(); });
    layers_.set_source(&remote_layers_);
    publisher_ = std::make_unique<Publisher>(layers_, std::move(targets), is_publishing_over_);
}

Remotes::~Remotes() {
    publisher_.reset();
    layers_.set_source(nullptr);
}

void Remotes::read_scope(Backend& backend, const RemoteUrl& url, const std::string& scope, bool is_own,
                         std::vector<PublishTarget>& targets) {
    const bool is_written = is_own && options_.publishes && url.access == Access::read_and_write;
    const auto policy = is_written ? store::Index::OnConflict::replace : store::Index::OnConflict::keep_first;
    PublishTarget target{&backend, scope, url.text, {}, ScopeIndex{}, {}};
    const auto read = [&]() -> Status {
        DBUILD_TRY_ASSIGN(const auto merged, index_.find_merged(url.text, scope, policy));
        DBUILD_TRY_ASSIGN(const auto file, backend.read_index(scope, merged ? merged->version : ""));
        if (!file) return {};
        target.version = file->version;
        if (merged && merged->version == file->version) {
            target.index.reset();
            target.settled = merged->settled;
            unread_.push_back({&backend, scope, url.text});
            return {};
        }
        DBUILD_TRY_ASSIGN(target.index, decode(file->bytes));
        std::vector<store::StepRecord> steps;
        std::vector<store::PublishedLayer> layers;
        std::vector<store::BaseRecord> bases;
        for (const auto& [key, step] : target.index->steps) steps.push_back(step.record);
        for (const auto& [diff_id, layer] : target.index->layers) layers.push_back(layer);
        for (const auto& [id, base] : target.index->bases) bases.push_back(base.record);
        DBUILD_TRY_ASSIGN(const auto added, index_.record_published(steps, layers, bases, policy));
        new_layers_.insert(added.begin(), added.end());
        remote_layers_.add(backend, *target.index);
        return index_.record_merged(url.text, scope, policy, {target.version, {}});
    };
    const auto done = read();
    if (!done) warnings_.push_back("remote cache " + url.text + ": " + done.error().message);
    // A damaged index is replaced; what could not be read, or is a newer dbuild's, is left alone.
    if (is_written && (done || done.error().kind == ErrorKind::corrupt)) targets.push_back(std::move(target));
}

/// Their rows are known; where their layers are is not.
void Remotes::read_rest() {
    for (const auto& unread : unread_) {
        const auto read = [&]() -> Status {
            DBUILD_TRY_ASSIGN(const auto file, unread.backend->read_index(unread.scope, ""));
            if (!file) return {};
            DBUILD_TRY_ASSIGN(const auto index, decode(file->bytes));
            remote_layers_.add(*unread.backend, index);
            return {};
        };
        if (const auto done = read(); !done)
            remote_layers_.add_warning("remote cache " + unread.remote + ": " + done.error().message);
    }
}

void Remotes::finish(std::chrono::milliseconds deadline) {
    publisher_->note_bad_packs(remote_layers_.bad_packs());
    for (const auto& problem : publisher_->finish(deadline)) warnings_.push_back("remote cache " + problem);
    for (const auto& state : publisher_->states()) // costs the next build some time where it cannot be recorded
        (void)index_.record_merged(state.name, state.scope, store::Index::OnConflict::replace,
                                   {state.version, state.settled});
}

std::vector<std::string> Remotes::take_warnings() {
    auto warnings = std::exchange(warnings_, {});
    for (auto& text : remote_layers_.take_warnings()) warnings.push_back(std::move(text));
    return warnings;
}

} // namespace dbuild::cache::remote
