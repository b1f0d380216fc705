// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/cache_command.hpp"

#include "cache/remote/remotes.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/prune.hpp"
#include "cache/store/rebuild.hpp"
#include "cache/store/records.hpp"
#include "cache/store/transfer.hpp"
#include "cache/store/verify.hpp"
#include "orchestrator/cache_folder.hpp"
#include "orchestrator/engine_client.hpp"
#include "support/quantity.hpp"
#include "support/time.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include <map>
#include <set>
#include <unistd.h>

namespace json = boost::json;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {
namespace {

constexpr std::size_t k_short_digits = 12; // of a key, in lists

struct Options {
    bool is_json = false;
    std::string key, file, max_size, max_age;
    std::vector<std::string> keep_scopes, remotes;
    bool repairs = false, is_dry_run = false;
};

std::string size_text(std::uint64_t bytes) {
    static constexpr std::array<std::string_view, 5> k_units{"B", "kB", "MB", "GB", "TB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1000 && unit + 1 < k_units.size(); ++unit) value /= 1000;
    return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, k_units[unit]);
}

void print_json(const json::value& value) { fmt::print("{}\n", json::serialize(value)); }

/// A line that rewrites itself, on a terminal only.
class ProgressLine {
public:
    explicit ProgressLine(std::string_view what) : what_(what), is_shown_(::isatty(STDERR_FILENO) != 0) {}
    ~ProgressLine() {
        if (is_shown_) fmt::print(stderr, "\r\033[K");
    }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    std::function<void(std::size_t, std::size_t)> callback() {
        return [this](std::size_t done, std::size_t all) {
            if (is_shown_) fmt::print(stderr, "\r\033[K{} {} of {}", what_, done, all);
        };
    }

private:
    std::string_view what_;
    bool is_shown_;
};

/// What the packed layers of a scope take, compressed: each one's part of the packs that it needs.
struct ScopeUse {
    std::set<Digest> layers;
    std::uint64_t alone = 0, shared = 0; // bytes
};

std::map<Digest, std::uint64_t> stored_layer_bytes(const std::vector<store::CatalogPack>& packs,
                                                   const std::vector<store::CatalogLayer>& layers) {
    std::map<Digest, double> ratio;
    for (const auto& pack : packs)
        ratio[pack.name] = static_cast<double>(pack.bytes) /
                           static_cast<double>(std::max({pack.raw_bytes, pack.needed_bytes, std::uint64_t{1}}));
    std::map<Digest, std::uint64_t> bytes;
    for (const auto& layer : layers) {
        double sum = 0;
        for (const auto& need : layer.needs) sum += ratio[need.pack] * static_cast<double>(need.raw_bytes);
        bytes[layer.diff_id] = static_cast<std::uint64_t>(sum);
    }
    return bytes;
}

std::map<std::string, ScopeUse> uses_of_scopes(const std::vector<store::RecordedStep>& steps,
                                               const std::map<Digest, std::uint64_t>& stored) {
    std::map<std::string, ScopeUse> scopes;
    std::map<Digest, std::set<std::string>> users;
    for (const auto& step : steps)
        for (const auto& scope : step.scopes) {
            scopes[scope].layers.insert(step.diff_id);
            users[step.diff_id].insert(scope);
        }
    for (auto& [name, use] : scopes)
        for (const auto& layer : use.layers) {
            const auto found = stored.find(layer);
            if (found != stored.end()) (users[layer].size() == 1 ? use.alone : use.shared) += found->second;
        }
    return scopes;
}

/// Holds nothing where no engine answers: the cache is there without one.
std::optional<EngineUsage> usage_of_engine() {
    const auto config = read_docker_config();
    if (!config) return std::nullopt;
    auto address = find_engine_address(*config);
    if (!address) return std::nullopt;
    const auto usage = EngineClient(std::move(*address)).usage();
    return usage ? std::optional(*usage) : std::nullopt;
}

Status show_usage(const store::LayerStore& layers, const Options& options) {
    auto& catalog = layers.catalog();
    DBUILD_TRY_ASSIGN(auto records, store::Records::open(layers.root()));
    DBUILD_TRY_ASSIGN(const auto packs, catalog.packs());
    DBUILD_TRY_ASSIGN(const auto stored, catalog.layers());
    DBUILD_TRY_ASSIGN(const auto steps, records.steps());
    DBUILD_TRY_ASSIGN(const auto total, store::stored_bytes(layers.root()));
    std::uint64_t pack_bytes = 0, raw_bytes = 0, tar_bytes = 0;
    for (const auto& pack : packs) {
        pack_bytes += pack.bytes;
        raw_bytes += pack.raw_bytes;
    }
    for (const auto& layer : stored) tar_bytes += layer.tar_bytes;
    const auto scopes = uses_of_scopes(steps, stored_layer_bytes(packs, stored));
    DBUILD_TRY_ASSIGN(const auto index_bytes, catalog.index_bytes());
    const auto limit = store::default_max_bytes(layers.root(), total);
    const auto engine = usage_of_engine();
    if (options.is_json) {
        json::object scope_list;
        json::value engine_use;
        if (engine)
            engine_use = {{"image_bytes", engine->image_bytes}, {"build_cache_bytes", engine->build_cache_bytes}};
        for (const auto& [name, use] : scopes)
            scope_list[name] = {
                {"layers", use.layers.size()}, {"bytes_alone", use.alone}, {"bytes_shared", use.shared}};
        print_json({{"folder", layers.root().string()},
                    {"bytes", total + index_bytes},
                    {"index_bytes", index_bytes},
                    {"pack_bytes", pack_bytes},
                    {"base_and_spool_bytes", total - pack_bytes},
                    {"packs", packs.size()},
                    {"layers", stored.size()},
                    {"layer_tar_bytes", tar_bytes},
                    {"piece_bytes", raw_bytes},
                    {"steps", steps.size()},
                    {"default_max_bytes", limit},
                    {"engine", engine_use},
                    {"scopes", scope_list}});
        return {};
    }
    fmt::print("{}\n", layers.root().string());
    fmt::print("  {:>10}  {} packs: {} layers of {} as tars\n", size_text(pack_bytes), packs.size(), stored.size(),
               size_text(tar_bytes));
    fmt::print("  {:>10}  layers of base images as they came, and layers that are not packed yet\n",
               size_text(total - pack_bytes));
    fmt::print("  {:>10}  index of {} steps\n", size_text(index_bytes), steps.size());
    fmt::print("  {:>10}  in all; prune keeps {} unless told otherwise\n", size_text(total + index_bytes),
               size_text(limit));
    if (engine)
        fmt::print("beside it, which prune does not touch:\n  {:>10}  images of the engine\n  {:>10}  BuildKit's cache\n",
                   size_text(engine->image_bytes), size_text(engine->build_cache_bytes));
    if (!scopes.empty()) fmt::print("\n{:>10}  {:>10}  {:>6}  SCOPE\n", "ALONE", "SHARED", "LAYERS");
    for (const auto& [name, use] : scopes)
        fmt::print("{:>10}  {:>10}  {:>6}  {}\n", size_text(use.alone), size_text(use.shared), use.layers.size(), name);
    return {};
}

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

Status list_steps(const store::LayerStore& layers, const Options& options) {
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

Status show_step(const store::LayerStore& layers, const Options& options) {
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

/// Errors: corrupt — something is damaged, and was not repaired.
Status verify_store(const store::LayerStore& layers, const Options& options) {
    ProgressLine line("verifying");
    DBUILD_TRY_ASSIGN(const auto result,
                      store::verify(layers, options.repairs ? store::Repair::yes : store::Repair::no, line.callback()));
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

Status prune_store(const store::LayerStore& layers, const Options& options) {
    store::PruneOptions limits;
    limits.keep_scopes = options.keep_scopes;
    limits.is_dry_run = options.is_dry_run;
    if (!options.max_size.empty()) {
        DBUILD_TRY_ASSIGN(limits.max_bytes, parse_byte_count(options.max_size));
    } else if (options.max_age.empty()) {
        DBUILD_TRY_ASSIGN(const auto own_bytes, store::stored_bytes(layers.root()));
        limits.max_bytes = store::default_max_bytes(layers.root(), own_bytes);
    }
    if (!options.max_age.empty()) {
        DBUILD_TRY_ASSIGN(const auto seconds, parse_age_seconds(options.max_age));
        limits.max_age = std::chrono::seconds(seconds);
    }
    DBUILD_TRY_ASSIGN(const auto result, store::prune(layers, limits));
    if (options.is_json) {
        print_json({{"bytes_before", result.bytes_before},
                    {"bytes_after", result.bytes_after},
                    {"evicted_layers", result.evicted_layers},
                    {"evicted_blobs", result.evicted_blobs},
                    {"removed_packs", result.removed_packs},
                    {"repacked_layers", result.repacked_layers},
                    {"removed_records", result.removed_records},
                    {"dry_run", options.is_dry_run}});
        return {};
    }
    fmt::print("{}{} layers and {} base layers evicted, {} records removed: {} -> {}\n",
               options.is_dry_run ? "dry run: " : "", result.evicted_layers, result.evicted_blobs,
               result.removed_records, size_text(result.bytes_before), size_text(result.bytes_after));
    return {};
}

Status rebuild_store_index(const store::LayerStore& layers, const Options& options) {
    ProgressLine line("reading layers");
    DBUILD_TRY_ASSIGN(const auto result, store::rebuild_index(layers, line.callback()));
    if (options.is_json)
        print_json({{"packs", result.packs}, {"layers", result.layers}, {"damaged_packs", result.damaged_packs}});
    else
        fmt::print("{} packs listed again, {} damaged ones removed; {} layers in all\n", result.packs,
                   result.damaged_packs, result.layers);
    return {};
}

Status transfer(Result<store::TransferResult> moved, std::string_view verb, const Options& options) {
    if (!moved) return fail(std::move(moved).error());
    if (options.is_json)
        print_json(
            {{"packs", moved->packs}, {"blobs", moved->blobs}, {"records", moved->records}, {"bytes", moved->bytes}});
    else
        fmt::print("{}: {} packs, {} base layers, {} records, {}\n", verb, moved->packs, moved->blobs, moved->records,
                   size_text(moved->bytes));
    return {};
}

/// What the remotes publish: all that one has to look at before it says which scope to read.
Status list_scopes(const store::LayerStore&, const Options& options) {
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
            DBUILD_TRY_ASSIGN(const auto file, backend->read_index(scope.name));
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

struct Verb {
    const char* word;
    const char* summary;
    Status (*run)(const store::LayerStore&, const Options&);
};

constexpr Verb k_verbs[] = {
    {"du", "what the cache takes, and which scope holds how much of it", show_usage},
    {"ls", "the recorded steps", list_steps},
    {"show", "one step: its layer, its scopes, and what its key was made of", show_step},
    {"verify", "check every stored byte", verify_store},
    {"prune", "evict layers, least recently used first", prune_store},
    {"rebuild-index", "list packs that the index lost", rebuild_store_index},
    {"scopes", "the scopes that remotes publish", list_scopes},
    {"export", "write the whole cache to a file",
     [](const store::LayerStore& layers, const Options& options) {
         return transfer(store::export_store(layers, options.file), "exported", options);
     }},
    {"import", "add what such a file holds",
     [](const store::LayerStore& layers, const Options& options) {
         return transfer(store::import_store(layers, options.file), "imported", options);
     }},
};

void declare_options(CLI::App& verb, std::string_view word, Options& options) {
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
                    "Keep at most this much, e.g. 20GB (default: the smaller of 20 GB and 10% of the disk)");
    verb.add_option("--max-age", options.max_age, "Evict what was not used for so long, e.g. 30d, with its records");
    verb.add_option("--keep-scope", options.keep_scopes, "Evict nothing that this scope uses; repeatable")
        ->allow_extra_args(false);
    verb.add_flag("--dry-run", options.is_dry_run, "Say what would go");
}

} // namespace

Result<int> run_cache_command(std::span<const std::string> words, const std::atomic<bool>& /*cancelled*/) {
    CLI::App app("dbuild cache: look at the cache, and after it", "dbuild cache");
    app.require_subcommand(1);
    Options options;
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
