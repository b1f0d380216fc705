// SPDX-License-Identifier: Apache-2.0
// What the verbs of `dbuild cache` share: their options, and how they print. Each verb prints its result to standard
// output.
#pragma once

#include "cache/store/layer_store.hpp"
#include "support/result.hpp"
#include "support/work_progress.hpp"

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator::commands {

/// Of all verbs; which verb takes which, says cache_command.cpp.
struct CacheOptions {
    bool is_json = false;
    std::string key, file, max_size, max_age; // as written
    std::vector<std::string> keep_scopes, remotes;
    bool repairs = false, is_dry_run = false;
};

Status show_usage(const cache::store::LayerStore& layers, const CacheOptions& options);
Status list_steps(const cache::store::LayerStore& layers, const CacheOptions& options);
Status show_step(const cache::store::LayerStore& layers, const CacheOptions& options);
/// Errors: corrupt — something is damaged, and was not repaired.
Status verify_store(const cache::store::LayerStore& layers, const CacheOptions& options);
Status rebuild_store_index(const cache::store::LayerStore& layers, const CacheOptions& options);
Status prune_store(const cache::store::LayerStore& layers, const CacheOptions& options);
/// What the remotes publish: all that one has to look at before it says which scope to read.
Status list_scopes(const cache::store::LayerStore& layers, const CacheOptions& options);
Status export_to_file(const cache::store::LayerStore& layers, const CacheOptions& options);
Status import_from_file(const cache::store::LayerStore& layers, const CacheOptions& options);

/// "1.5 MB", in powers of 1000.
std::string size_text(std::uint64_t bytes);
void print_json(const boost::json::value& value);

/// "verifying [########            ] 40%", without a line end.
std::string bar_text(std::string_view what, std::uint64_t percent);

/// A line that rewrites itself while it lives, on a terminal only.
class ProgressBar {
public:
    explicit ProgressBar(std::string_view what);
    /// Wipes it out.
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    WorkProgress callback();

private:
    std::string_view what_;
    bool is_shown_;
    std::uint64_t percent_ = 0; // as it is shown
};

/// Does `work`, which is given a WorkProgress, behind a bar that is gone when the result is there to be printed.
template <class Work>
auto with_progress_bar(std::string_view what, const Work& work) {
    ProgressBar bar(what);
    return work(bar.callback());
}

} // namespace dbuild::orchestrator::commands
