// SPDX-License-Identifier: Apache-2.0
// `dbuild cache verify` and `dbuild cache rebuild-index`: whether the store is sound, and an index that was lost.
#include "orchestrator/commands/cache_verbs.hpp"

#include "cache/store/rebuild.hpp"
#include "cache/store/verify.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {

Status verify_store(const store::LayerStore& layers, const CacheOptions& options) {
    const auto repair = options.repairs ? store::Repair::yes : store::Repair::no;
    DBUILD_TRY_ASSIGN(const auto result, with_progress_bar("verifying", [&](const WorkProgress& progress) {
                          return store::verify(layers, repair, progress);
                      }));
    if (options.is_json) {
        json::array problems;
        for (const auto& problem : result.problems) problems.push_back(json::value(problem));
        print_json({{"packs", result.packs},
                    {"layers", result.layers},
                    {"blobs", result.blobs},
                    {"unlisted_packs", result.unlisted_packs},
                    {"problems", problems},
                    {"repaired", options.repairs}});
    } else {
        for (const auto& problem : result.problems) fmt::print("{}\n", problem);
        fmt::print("{} packs, {} layers and {} base layers checked, {} problems{}\n", result.packs, result.layers,
                   result.blobs, result.problems.size(),
                   options.repairs && !result.problems.empty() ? ": what is damaged was removed" : "");
        if (result.unlisted_packs > 0)
            fmt::print("{} packs are not in the index: \"dbuild cache rebuild-index\" lists them\n",
                       result.unlisted_packs);
    }
    if (result.problems.empty() || options.repairs) return {};
    return fail(ErrorKind::corrupt,
                "cache verify: the store is damaged; --repair removes what is, and it is made again when needed");
}

Status rebuild_store_index(const store::LayerStore& layers, const CacheOptions& options) {
    DBUILD_TRY_ASSIGN(const auto result, with_progress_bar("rebuilding", [&](const WorkProgress& progress) {
                          return store::rebuild_index(layers, progress);
                      }));
    if (options.is_json)
        print_json({{"packs", result.packs}, {"layers", result.layers}, {"damaged_packs", result.damaged_packs}});
    else
        fmt::print("{} packs listed again, {} damaged ones removed; {} layers in all\n", result.packs,
                   result.damaged_packs, result.layers);
    return {};
}

} // namespace dbuild::orchestrator::commands
