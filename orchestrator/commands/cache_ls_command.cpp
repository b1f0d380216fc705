// SPDX-License-Identifier: Apache-2.0
// `dbuild cache ls` and `dbuild cache show`: the recorded steps, and one of them.
#include "orchestrator/commands/cache_verbs.hpp"

#include "cache/store/records.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {
namespace {

constexpr std::size_t k_short_digits = 12; // of a key, in lists

json::object as_json(const store::RecordedStep& step, bool is_stored) {
    json::array scopes;
    for (const auto& scope : step.scopes) scopes.push_back(json::value(scope));
    return {{"key", step.key.to_string()},
            {"diff_id", step.diff_id.to_string()},
            {"content_id", step.content_id.to_string()},
            {"created", step.created},
            {"wall_ms", step.wall_ms},
            {"layer_bytes", step.layer_bytes},
            {"stored", is_stored},
            {"last_used", step.used},
            {"scopes", scopes}};
}

} // namespace

Status list_steps(const store::LayerStore& layers, const CacheOptions& options) {
    DBUILD_TRY_ASSIGN(auto records, store::Records::open(layers.root()));
    DBUILD_TRY_ASSIGN(auto steps, records.steps());
    std::sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.created < b.created; });
    json::array list;
    if (!options.is_json)
        fmt::print("{:<12}  {:<20}  {:>9}  {:>10}  {:<6}  SCOPES\n", "KEY", "CREATED", "SECONDS", "LAYER", "STORED");
    for (const auto& step : steps) {
        const bool is_stored = layers.has(step.diff_id);
        if (options.is_json)
            list.push_back(as_json(step, is_stored));
        else
            fmt::print("{:<12}  {:<20}  {:>9.1f}  {:>10}  {:<6}  {}\n", step.key.hex().substr(0, k_short_digits),
                       step.created.substr(0, 19) + "Z", step.wall_ms / 1000, size_text(step.layer_bytes),
                       is_stored ? "yes" : "no", fmt::join(step.scopes, " "));
    }
    if (options.is_json) print_json(list);
    return {};
}

Status show_step(const store::LayerStore& layers, const CacheOptions& options) {
    DBUILD_TRY_ASSIGN(auto records, store::Records::open(layers.root()));
    DBUILD_TRY_ASSIGN(const auto step, records.find_step(options.key));
    if (!step)
        return fail(ErrorKind::not_found,
                    "cache show: no step, or more than one, has a key that begins with " + options.key);
    const bool is_stored = layers.has(step->diff_id);
    if (options.is_json) {
        auto object = as_json(*step, is_stored);
        object["ingredients"] = step->ingredients;
        print_json(object);
        return {};
    }
    fmt::print("key         {}\nlayer       {} ({}, {})\ncontent     {}\ncreated     {}\ntook        {:.1f} s\nscopes  "
               "    {}\n\n{}",
               step->key.to_string(), step->diff_id.to_string(), size_text(step->layer_bytes),
               is_stored ? "stored" : "not stored", step->content_id.to_string(), step->created, step->wall_ms / 1000,
               fmt::join(step->scopes, " "), step->ingredients);
    return {};
}

} // namespace dbuild::orchestrator::commands
