// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/key_maker.hpp"

#include "dockerfile_parser/values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;
using parser::MountType;
using parser::StageReference;

/// A RUN sees all variables; their order cannot change what a process does, so the key takes them as a sorted set.
std::vector<std::string> sorted_environment(const StepState& state) {
    std::vector<std::string> entries;
    for (const auto& variable : state.variables()) entries.push_back(variable.name + "=" + variable.value);
    std::sort(entries.begin(), entries.end());
    return entries;
}

/// What a source may be called at the destination; "" of the root.
std::string name_of_source(std::string_view source) {
    const auto path = cache::oci::clean_path(source);
    return path.substr(path.rfind('/') + 1);
}

/// Whoever writes down a default changes nothing.
void add_owner(std::vector<std::string>& fields, const parser::RunMount& mount, std::uint32_t default_mode) {
    fields.push_back(fmt::format("mode={:o}", mount.mode.value_or(default_mode)));
    fields.push_back(fmt::format("uid={}", mount.uid.value_or(0)));
    fields.push_back(fmt::format("gid={}", mount.gid.value_or(0)));
}

/// What the process can see of a mount besides its content. In: salts — by the secret's id.
std::vector<std::string> mount_fields(const MountOperation& operation,
                                      const std::map<std::string, std::string>& salts) {
    const auto& mount = operation.mount;
    std::vector<std::string> fields = {std::string(to_string(mount.type)), operation.target,
                                       mount.is_read_only ? "read-only" : "writable"};
    switch (mount.type) {
    case MountType::bind: break;
    case MountType::tmpfs: fields.push_back(fmt::format("size={}", mount.size_bytes.value_or(0))); break;
    case MountType::cache: {
        // BuildKit leaves an explicit id and its sharing out; so an id can be changed without a rebuild
        const bool is_shared = mount.sharing.empty() || mount.sharing == "shared";
        fields.push_back(operation.cache_id == operation.target && is_shared ? "default" : "explicit");
        if (mount.mode || mount.uid || mount.gid) add_owner(fields, mount, 0755);
        break;
    }
    case MountType::secret:
    case MountType::ssh: // never what they hold
        add_owner(fields, mount, mount.type == MountType::secret ? 0400 : 0600);
        fields.push_back("id=" + operation.secret_id);
        fields.push_back("variable=" + mount.environment_name);
        fields.push_back(mount.is_required ? "required" : "optional");
        if (const auto salt = salts.find(operation.secret_id); salt != salts.end())
            fields.push_back("salt=" + sha256(salt->second).hex());
        break;
    }
    return fields;
}

/// Mounts in the order in which they are made, whatever that of the flags is: folders before what lies below them, then
/// secrets and agents.
std::vector<const MountOperation*> in_order(const std::vector<MountOperation>& mounts) {
    const auto rank = [](const MountOperation* operation) {
        const auto type = operation->mount.type;
        const bool is_last = type == MountType::secret || type == MountType::ssh;
        return std::make_pair(is_last, is_last ? std::string_view() : std::string_view(operation->target));
    };
    std::vector<const MountOperation*> sorted;
    for (const auto& mount : mounts) sorted.push_back(&mount);
    std::stable_sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
    return sorted;
}

bool writes_cache(const ResolvedStep& step, const std::set<std::string>& cache_ids) {
    const auto* run = std::get_if<RunOperation>(&step.operation);
    return run && std::any_of(run->mounts.begin(), run->mounts.end(), [&](const MountOperation& operation) {
               return operation.mount.type == MountType::cache && !operation.mount.is_read_only &&
                      cache_ids.contains(operation.cache_id);
           });
}

std::set<std::string> cache_ids_of(const ResolvedStep& step) {
    std::set<std::string> ids;
    if (const auto* run = std::get_if<RunOperation>(&step.operation))
        for (const auto& operation : run->mounts)
            if (operation.mount.type == MountType::cache) ids.insert(operation.cache_id);
    return ids;
}

/// Octal digits leave nothing of a file's or folder's own mode; symbols change it.
bool is_octal_mode(const std::string& chmod) {
    return !chmod.empty() && chmod.find_first_not_of("01234567") == chmod.npos;
}

/// As in a key. Leading zeros of octal digits say nothing; symbols stand with the number of the rules by which they are
/// read, 2: as BuildKit 0.16 does.
std::string mode_field(const std::string& chmod) {
    if (!is_octal_mode(chmod)) return chmod.empty() ? "" : "symbols 2 " + chmod;
    return chmod.substr(std::min(chmod.find_first_not_of('0'), chmod.size() - 1));
}

Result<Digest> digest_of(const cache::oci::SourceTree& tree, const std::string& source,
                         const cache::oci::CopyFilter& filter, bool ignores_modes) {
    DBUILD_TRY_ASSIGN(auto trees, cache::oci::select_trees(tree, source, filter, 0));
    if (ignores_modes)
        for (auto& selected : trees)
            for (auto& item : selected.items) item.entry.mode = 0;
    return cache::oci::selection_digest(std::move(trees), source);
}

} // namespace

Result<KeyMaker::Source> KeyMaker::source_of(const StageReference& from) {
    if (from.kind == StageReference::Kind::stage) {
        const auto& plan = plans_.at(from.stage_index);
        return Source{*plan.final_chain, plan.layers()};
    }
    const auto& diff_ids = project_.bases.at(from.image).config.diff_ids;
    return Source{cache::Chain::of_base(diff_ids), diff_ids};
}

/// Digest of what a path names in another root file system; remembered, so that a plan reads tables of contents only
/// once. By layers, not by chain: one that was made again may be different under the same link.
Result<Digest> KeyMaker::selection(const StageReference& from, const std::string& path, const Reading& reading) {
    DBUILD_TRY_ASSIGN(const auto source, source_of(from));
    auto remembered_as = path;
    if (!reading.filter.is_plain()) remembered_as += "\n" + reading.filter.to_string();
    if (reading.ignores_modes) remembered_as += "\nwithout modes";
    const auto layers = cache::Chain::of_base(source.layers).digest();
    DBUILD_TRY_ASSIGN(const auto known, parts_.index->find_selection(layers, remembered_as));
    if (known) return *known;
    // An image's table of contents is there once something was built on it; a plan without a build may be the first to
    // ask.
    if (auto* base = project_.base_below(from)) DBUILD_TRY(load_base(parts_, *base));
    cache::oci::FileTree tree;
    for (const auto& diff_id : source.layers) {
        DBUILD_TRY_ASSIGN(const auto contents, parts_.index->find_contents(diff_id));
        if (!contents)
            return fail(ErrorKind::corrupt, "cache index: no table of contents of layer " + diff_id.to_string());
        tree.apply(*contents);
    }
    const auto digest = reading.is_plain()
                            ? cache::oci::selection_digest(tree, path)
                            : digest_of(cache::oci::source_tree_of(tree), path, reading.filter, reading.ignores_modes);
    if (digest) DBUILD_TRY(parts_.index->record_selection(layers, remembered_as, *digest));
    return digest;
}

Result<Digest> KeyMaker::context_selection(const std::string& source, const Reading& reading) {
    auto& context = *project_.context;
    if (reading.is_plain()) return context.source_digest(source);
    return digest_of(cache::context::source_tree_of(context), source, reading.filter, reading.ignores_modes);
}

Result<Digest> KeyMaker::remote_content(const std::string& url, const std::optional<Digest>& checksum) {
    return project_.remote_files->content_of(url, checksum);
}

Result<std::string> KeyMaker::commit_of(const GitUrl& repository) {
    return project_.git_sources->commit_of(repository);
}

/// The nearest earlier step of the same ancestry that may have left something in one of these cache mounts.
std::optional<KeyMaker::Place> KeyMaker::last_writer(const Place& place, const std::set<std::string>& cache_ids) const {
    const auto* plan = place.plan;
    for (std::size_t end = place.step;;) {
        while (end-- > 0)
            if (writes_cache(plan->stage->steps[end], cache_ids)) return Place{plan, end};
        if (plan->stage->base.kind != StageReference::Kind::stage) return std::nullopt;
        plan = &plans_.at(plan->stage->base.stage_index);
        end = plan->steps.size();
    }
}

/// What a mount holds is state that the chain does not show, so a step that reads it depends on who wrote it: the key
/// of that step, "" if there is none.
std::string KeyMaker::cache_state(const Place& place, const std::string& cache_id) const {
    const auto writer = last_writer(place, {cache_id});
    return writer && writer->key() ? writer->key()->digest.to_string() : std::string();
}

/// The keys of the writers would be of no use here: with the state of their caches they hold what was there when they
/// were planned, and an engine that runs a segment again has to find what it found the first time.
Result<std::string> KeyMaker::cache_writers(const PlannedStage& plan, std::size_t step, std::size_t segment_start) {
    std::set<std::string> ids;
    for (const auto& id : cache_ids_of(plan.stage->steps[step])) {
        const auto writer = last_writer({&plan, step}, {id});
        const bool is_in_segment = writer && writer->plan == &plan && writer->step >= segment_start;
        if (writer && !is_in_segment) ids.insert(id);
    }
    if (ids.empty()) return std::string();
    cache::StepKeyBuilder writers("cache writers");
    for (std::optional<Place> place = Place{&plan, segment_start}; (place = last_writer(*place, ids));) {
        DBUILD_TRY(add_run(writers, *place, nullptr));
        ids.merge(cache_ids_of(place->resolved()));
    }
    return writers.finish().digest.hex();
}

Status KeyMaker::add_mount(cache::StepKeyBuilder& key, const MountOperation& operation) {
    key.add("mount", mount_fields(operation, project_.options.secret_salts));
    const auto& path = operation.mount.source;
    if (operation.from) {
        DBUILD_TRY_ASSIGN(const auto digest, selection(*operation.from, path, {}));
        key.add("mount content", digest);
    } else if (operation.mount.type == MountType::bind) {
        DBUILD_TRY_ASSIGN(const auto digest, context_selection(path, {}));
        key.add("mount content", digest);
    }
    return {};
}

/// In: before — the chain below, which goes with the states of cache mounts; null: neither of them counts.
Status KeyMaker::add_run(cache::StepKeyBuilder& key, const Place& place, const cache::Chain* before) {
    const auto& resolved = place.resolved();
    const auto& run = std::get<RunOperation>(resolved.operation);
    if (before) key.add("chain", before->digest());
    key.add("platform", project_.platform_of(place.plan->stage->index));
    key.add("arguments", run.arguments);
    key.add("environment", sorted_environment(resolved.before));
    key.add("directory", resolved.before.working_dir);
    key.add("user", resolved.before.user);
    if (!run.script.empty()) key.add("script", sha256(run.script));
    if (!run.network.empty()) key.add("network", run.network);
    for (const auto* mount : in_order(run.mounts)) {
        if (Status added = add_mount(key, *mount); !added) return fail(resolved.blamed(added.error()));
        if (before && mount->mount.type == MountType::cache)
            key.add("mount state", cache_state(place, mount->cache_id));
    }
    return {};
}

/// With --parents, folders that nobody asked for by name are made as the source has them.
KeyMaker::Reading KeyMaker::reading_of(const CopyOperation& copy) {
    return {copy.filter, is_octal_mode(copy.chmod) && !copy.filter.keeps_parents};
}

Result<KeyedStep> KeyMaker::key_of_copy(const ResolvedStep& step, const CopyOperation& copy,
                                        const cache::Chain& before) {
    cache::StepKeyBuilder key(copy.is_add ? "add" : "copy");
    if (!copy.is_link) key.add("chain", before.digest()); // --link does not see the root file system
    key.add("link", copy.is_link ? "yes" : "no");
    key.add("destination", copy.destination);
    key.add("owner", copy.chown);
    if (copy.unpacks && !copy.chown.empty()) key.add("owner of what archives hold", copy.chown); // as BuildKit 0.25
    key.add("mode", mode_field(copy.chmod));
    if (copy.unpacks_remote) key.add("unpack remote", "yes");
    if (copy.unpacks != copy.is_add) key.add("unpack", copy.unpacks ? "yes" : "no");
    if (!copy.filter.is_plain()) key.add("filter", copy.filter.to_string());
    const Reading reading = reading_of(copy);
    auto repository = copy.repositories.begin();
    for (const auto& source : copy.sources) {
        if (copy.is_add && is_git_source(source)) { // never by which name: a commit is its content
            const auto commit = commit_of(*repository);
            if (!commit) return fail(step.blamed(commit.error()));
            key.add("git commit", *commit);
            key.add("git folder", repository->folder);
            if (repository->keeps_git_dir) key.add("git folder kept", repository->remote);
            if (!repository->has_submodules) key.add("git submodules", "no");
            ++repository;
            continue;
        }
        if (copy.is_add && is_http_source(source)) { // its time does not count, as that of other copies
            const auto content = remote_content(source, copy.checksum);
            if (!content) return fail(step.blamed(content.error()));
            key.add("remote name", http_file_name(source));
            key.add("remote content", *content);
            continue;
        }
        const auto digest = copy.from ? selection(*copy.from, source, reading) : context_selection(source, reading);
        if (!digest) return fail(step.blamed(digest.error()));
        key.add("source name", name_of_source(source));
        key.add("source content", *digest);
    }
    for (const auto& file : copy.files) {
        key.add("file name", file.name);
        key.add("file content", sha256(file.body));
    }
    return KeyedStep{key.finish(), key.ingredients()};
}

Status KeyMaker::check_context_sources(const ResolvedStep& step) {
    const auto check = [&](const std::string& path, const Reading& reading) -> Status {
        const auto digest = context_selection(path, reading); // remembered: the key needs it soon
        if (!digest) return fail(step.blamed(digest.error()));
        return {};
    };
    if (const auto* copy = std::get_if<CopyOperation>(&step.operation); copy && !copy->from)
        for (const auto& source : copy->sources)
            if (!copy->is_add || !dockerfile_parser::is_remote_source(source))
                DBUILD_TRY(check(source, reading_of(*copy)));
    if (const auto* run = std::get_if<RunOperation>(&step.operation))
        for (const auto& mount : run->mounts)
            if (!mount.from && mount.mount.type == MountType::bind) DBUILD_TRY(check(mount.mount.source, {}));
    return {};
}

Result<std::optional<KeyedStep>> KeyMaker::key_of(const PlannedStage& plan, std::size_t step,
                                                  const cache::Chain& before) {
    const auto& resolved = plan.stage->steps[step];
    for (const auto& source : resolved.sources())
        if (source.kind == StageReference::Kind::stage && !plans_.at(source.stage_index).is_complete())
            return std::nullopt;
    if (std::holds_alternative<RunOperation>(resolved.operation)) {
        cache::StepKeyBuilder key("run");
        DBUILD_TRY(add_run(key, {&plan, step}, &before));
        return KeyedStep{key.finish(), key.ingredients()};
    }
    if (const auto* copy = std::get_if<CopyOperation>(&resolved.operation)) return key_of_copy(resolved, *copy, before);
    const auto& workdir = std::get<WorkdirOperation>(resolved.operation);
    cache::StepKeyBuilder key("workdir");
    key.add("chain", before.digest());
    key.add("path", workdir.path);
    key.add("user", resolved.before.user); // owner of new directories
    return KeyedStep{key.finish(), key.ingredients()};
}

} // namespace dbuild::orchestrator
