// SPDX-License-Identifier: Apache-2.0
// `dbuild cache scopes`.
#include "orchestrator/commands/cache_verbs.hpp"

#include "cache/remote/remotes.hpp"
#include "support/time.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {

Status list_scopes(const store::LayerStore&, const CacheOptions& options) {
    namespace remote = cache::remote;
    json::array list;
    constexpr auto k_columns = "{:<40}  {:>6}  {:>10}  {:<20}  {}\n";
    if (!options.is_json) fmt::print(k_columns, "SCOPE", "STEPS", "LAYERS", "PUBLISHED", "REMOTE");
    for (const auto& text : options.remotes) {
        DBUILD_TRY_ASSIGN(auto url, remote::parse_remote_url(text));
        url.access = remote::Access::read_only; // looking is no use
        remote::TrafficCounters traffic;
        const auto backend = remote::open_remote(url, traffic, nullptr);
        DBUILD_TRY_ASSIGN(auto scopes, backend->list_scopes());
        std::sort(scopes.begin(), scopes.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
        for (const auto& scope : scopes) {
            DBUILD_TRY_ASSIGN(const auto file, backend->read_index(scope.name, ""));
            const auto index = file ? remote::decode(file->bytes) : Result<remote::ScopeIndex>(remote::ScopeIndex());
            std::uint64_t bytes = 0;
            if (index)
                for (const auto& [diff_id, layer] : index->layers) bytes += layer.size;
            const auto steps = index ? std::to_string(index->steps.size()) : "damaged";
            const auto published = format_rfc3339_seconds(Instant(std::chrono::seconds(scope.written)));
            if (options.is_json)
                list.push_back(json::object{{"scope", scope.name},
                                            {"remote", url.text},
                                            {"steps", index ? json::value(index->steps.size()) : json::value(nullptr)},
                                            {"layer_bytes", bytes},
                                            {"index_bytes", scope.index_bytes},
                                            {"published", published}});
            else
                fmt::print(k_columns, scope.name, steps, size_text(bytes), published, url.text);
        }
    }
    if (options.is_json) print_json(list);
    return {};
}

} // namespace dbuild::orchestrator::commands
