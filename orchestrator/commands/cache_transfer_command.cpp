// SPDX-License-Identifier: Apache-2.0
// `dbuild cache export` and `dbuild cache import`.
#include "orchestrator/commands/cache_verbs.hpp"

#include "cache/store/transfer.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {
namespace {

Status transfer(Result<store::TransferResult> moved, std::string_view verb, const CacheOptions& options) {
    if (!moved) return fail(std::move(moved).error());
    if (options.is_json)
        print_json(
            {{"packs", moved->packs}, {"blobs", moved->blobs}, {"records", moved->records}, {"bytes", moved->bytes}});
    else
        fmt::print("{}: {} packs, {} base layers, {} records, {}\n", verb, moved->packs, moved->blobs, moved->records,
                   size_text(moved->bytes));
    return {};
}

} // namespace

Status export_to_file(const store::LayerStore& layers, const CacheOptions& options) {
    return transfer(with_progress_bar("exporting",
                                      [&](const WorkProgress& progress) {
                                          return store::export_store(layers, options.file, progress);
                                      }),
                    "exported", options);
}

Status import_from_file(const store::LayerStore& layers, const CacheOptions& options) {
    return transfer(with_progress_bar("importing",
                                      [&](const WorkProgress& progress) {
                                          return store::import_store(layers, options.file, progress);
                                      }),
                    "imported", options);
}

} // namespace dbuild::orchestrator::commands
