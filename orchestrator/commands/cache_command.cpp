// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/cache_command.hpp"

#include "orchestrator/cache_folder.hpp"
#include "orchestrator/commands/cache_verbs.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {
namespace {

struct Verb {
    const char* word;
    const char* summary;
    Status (*run)(const store::LayerStore&, const CacheOptions&);
};

constexpr Verb k_verbs[] = {
    {"du", "what the cache takes, and which scope holds how much of it", show_usage},
    {"ls", "the recorded steps", list_steps},
    {"show", "one step: its layer, its scopes, and what its key was made of", show_step},
    {"verify", "check every stored byte", verify_store},
    {"prune", "evict layers, least recently used first", prune_store},
    {"rebuild-index", "list packs that the index lost", rebuild_store_index},
    {"scopes", "the scopes that remotes publish", list_scopes},
    {"export", "write the whole cache to a file", export_to_file},
    {"import", "add what such a file holds", import_from_file},
};

void declare_options(CLI::App& verb, std::string_view word, CacheOptions& options) {
    verb.add_option("--format", "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->each([&options](const std::string& value) { options.is_json = value == "json"; });
    if (word == "show") verb.add_option("KEY", options.key, "The key, or its first digits")->required();
    if (word == "export" || word == "import") verb.add_option("FILE", options.file, "The file")->required();
    if (word == "scopes")
        verb.add_option("--cache-remote", options.remotes, "The remote; repeatable (default: DBUILD_CACHE_REMOTE)")
            ->allow_extra_args(false)
            ->envname("DBUILD_CACHE_REMOTE")
            ->required();
    if (word == "verify") verb.add_flag("--repair", options.repairs, "Remove what is damaged");
    if (word != "prune") return;
    verb.add_option("--max-size", options.max_size,
                    "Keep at most this much of layers, and as much of unpacked layers and of cache mounts each, e.g. "
                    "20GB (default: the smaller of 20 GB and 10% of the disk)");
    verb.add_option("--max-age", options.max_age, "Evict what was not used for so long, e.g. 30d, with its records");
    verb.add_option("--keep-scope", options.keep_scopes, "Evict nothing that this scope uses; repeatable")
        ->allow_extra_args(false);
    verb.add_flag("--dry-run", options.is_dry_run, "Say what would go");
}

} // namespace

Result<int> run_cache_command(std::span<const std::string> words, const std::atomic<bool>& /*cancelled*/) {
    CLI::App app("dbuild cache: look at the cache, and after it", "dbuild cache");
    app.require_subcommand(1);
    CacheOptions options;
    std::vector<std::pair<CLI::App*, const Verb*>> verbs;
    for (const auto& verb : k_verbs) {
        auto* sub = app.add_subcommand(verb.word, verb.summary);
        declare_options(*sub, verb.word, options);
        verbs.emplace_back(sub, &verb);
    }
    std::vector<std::string> reversed(words.rbegin(), words.rend()); // as CLI11 takes them
    try {
        app.parse(reversed);
    } catch (const CLI::CallForHelp&) {
        fmt::print("{}", app.help());
        return 0;
    } catch (const CLI::ParseError& error) {
        return fail(ErrorKind::usage, std::string("cache: ") + error.what());
    }
    DBUILD_TRY_ASSIGN(const auto layers, store::LayerStore::open(cache_folder()));
    Status done;
    for (const auto& [sub, verb] : verbs)
        if (sub->parsed()) done = verb->run(layers, options);
    for (const auto& warning : layers.take_warnings()) fmt::print(stderr, "warning: {}\n", warning);
    DBUILD_TRY(std::move(done));
    return 0;
}

} // namespace dbuild::orchestrator::commands
