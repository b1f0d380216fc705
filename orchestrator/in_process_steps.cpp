// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/in_process_steps.hpp"

#include "dockerfile_parser/glob.hpp"
#include "dockerfile_parser/values.hpp"
#include "executors/in_process/archive.hpp"
#include "executors/in_process/pending_layer.hpp"
#include "orchestrator/assemble.hpp"
#include "orchestrator/root_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace dbuild::orchestrator {
namespace {

namespace oci = cache::oci;
using cache::oci::base_name;
using cache::oci::EntryType;
using dockerfile_parser::StageReference;
using executors::LayerReader;
using namespace executors::in_process;

constexpr std::uint64_t k_max_account_bytes = 10 << 20; // BuildKit's limit

/// A link that stands in a folder that a wildcard matches must lead somewhere; it is copied as it is all the same.
/// Source: BuildKit's contenthash, which makes a digest of the target of every link that a wildcard comes to.
template <class Leads>
Status check_links(const oci::SelectedTree& selected, std::string_view source, const Leads& leads_somewhere) {
    if (!dockerfile_parser::has_wildcard(source) || selected.is_link) return {};
    for (const auto& item : selected.items)
        if (item.entry.type == EntryType::symlink && !leads_somewhere(item.entry.path))
            return fail(ErrorKind::not_found, "\"/" + item.entry.path + "\": not found");
    return {};
}

BodyReader read_from_start(const std::shared_ptr<const Fd>& file) {
    return [file](const oci::ByteSink& sink) -> Status {
        std::string buffer(std::size_t{1} << 17, '\0');
        for (off_t offset = 0;;) {
            const auto count = ::pread(file->get(), buffer.data(), buffer.size(), offset);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0)
                return fail(ErrorKind::unavailable,
                            std::string("cannot read a temporary file: ") + std::strerror(errno));
            if (count == 0) return {};
            DBUILD_TRY(sink({buffer.data(), static_cast<std::size_t>(count)}));
            offset += count;
        }
    };
}

/// The files of a stage or an image as far as it has results.
Result<LayerFiles> files_of(const Parts& parts, const Project& project, const Planner& planner,
                            const StageReference& from, std::size_t count) {
    DBUILD_TRY_ASSIGN(const auto layers, root_layers(parts, project, planner, from));
    return open_root_files(*parts.index, std::span(layers).first(std::min(count, layers.size())));
}

} // namespace

bool can_make_in_process(const ResolvedStep& step) {
    if (std::holds_alternative<WorkdirOperation>(step.operation)) return true;
    const auto* copy = std::get_if<CopyOperation>(&step.operation);
    if (!copy) return false;
    const auto is_plain = [](const auto& file) { return file.name.find('/') == file.name.npos; };
    return std::all_of(copy->files.begin(), copy->files.end(), is_plain);
}

bool must_make_in_process(const ResolvedStep& step) {
    const auto* copy = std::get_if<CopyOperation>(&step.operation);
    if (!copy) return false;
    const auto mode = ModeChange::parse(copy->chmod);
    const bool is_remote =
        copy->is_add && std::any_of(copy->sources.begin(), copy->sources.end(), dockerfile_parser::is_remote_source);
    const bool may_own_archives = copy->unpacks && !copy->chown.empty(); // before BuildKit 0.25 they kept their owners
    const bool has_symbols = !copy->chmod.empty() && mode && mode->is_symbolic();
    return is_remote || may_own_archives || !copy->filter.is_plain() || has_symbols;
}

Status InProcessStep::add_folder_source(const oci::SourceTree& tree, const std::string& source,
                                        const CopyOperation& copy, const ContextFiles& files) {
    DBUILD_TRY_ASSIGN(auto trees, oci::select_trees(tree, source, copy.filter, now_));
    for (auto& selected : trees) {
        DBUILD_TRY(check_links(selected, source, [&](const auto& path) { return files.leads_somewhere(path); }));
        CopySource copied{base_name(selected.named), {}};
        if (const auto& top = selected.items.front().entry; copy.unpacks && top.type == EntryType::file) {
            DBUILD_TRY_ASSIGN(auto file, files.open_file(top.path));
            DBUILD_TRY_ASSIGN(const bool is_unpacked, is_archive(file));
            if (is_unpacked) copied.archive = std::make_shared<const Fd>(std::move(file));
        }
        for (auto& [entry, is_on_the_way] : selected.items) {
            entry.xattrs.clear(); // BuildKit's client does not send them
            const bool is_file = entry.type == EntryType::file;
            copied.entries.push_back(is_file ? files.file(std::move(entry))
                                             : CopiedEntry{std::move(entry), {}, {}, is_on_the_way});
        }
        request_.sources.push_back(std::move(copied));
    }
    return {};
}

Status InProcessStep::add_git_source(const Project& project, const GitUrl& url, const CopyOperation& copy) {
    DBUILD_TRY_ASSIGN(auto* checkout, project.git_sources->checkout(url));
    DBUILD_TRY_ASSIGN(const auto files, ContextFiles::open(checkout->files()));
    DBUILD_TRY(add_folder_source(cache::context::source_tree_of(checkout->tree), url.folder, copy, files));
    auto& source = request_.sources.back();
    if (source.entries.front().entry.type != EntryType::directory)
        return fail(ErrorKind::step_failed, "subdir is not a folder: " + url.folder);
    source.becomes_destination = true;
    for (auto& copied : source.entries) {
        auto& mode = copied.entry.mode;
        if (copied.entry.type != EntryType::symlink) mode = (mode & 0700) | (mode & 0500) >> 3 | (mode & 0500) >> 6;
    }
    return {};
}

Status InProcessStep::add_remote_source(const Project& project, const std::string& url, const CopyOperation& copy) {
    DBUILD_TRY_ASSIGN(const auto fetched, project.remote_files->fetch(url, copy.checksum));
    CopiedEntry file;
    file.entry.path = http_file_name(url);
    file.entry.mode = 0600;
    file.entry.size = fetched.size;
    file.entry.content = fetched.content;
    file.entry.mtime_seconds = fetched.mtime_seconds;
    file.body = read_from_start(fetched.bytes);
    CopySource source{file.entry.path, {std::move(file)}};
    if (copy.unpacks_remote) {
        DBUILD_TRY_ASSIGN(const bool is_unpacked, is_archive(*fetched.bytes));
        if (is_unpacked) source.archive = fetched.bytes;
    }
    request_.sources.push_back(std::move(source));
    return {};
}

Status InProcessStep::add_layer_source(const std::string& source, const oci::CopyFilter& filter) {
    const auto& tree = from_->tree();
    DBUILD_TRY_ASSIGN(auto trees, oci::select_trees(oci::source_tree_of(tree), source, filter, now_));
    for (auto& selected : trees) {
        DBUILD_TRY(check_links(selected, source, [&](const auto& path) { return tree.resolve(path).has_value(); }));
        CopySource copied{base_name(selected.named), {}};
        for (auto& [entry, is_on_the_way] : selected.items) {
            const bool is_file = entry.type == EntryType::file;
            copied.entries.push_back(is_file ? from_->entry(entry.path)
                                             : CopiedEntry{std::move(entry), {}, {}, is_on_the_way});
        }
        request_.sources.push_back(std::move(copied));
    }
    return {};
}

void InProcessStep::add_heredoc(const dockerfile_parser::Heredoc& heredoc) {
    CopiedEntry file;
    file.entry.path = heredoc.name;
    file.entry.mode = 0644;
    file.entry.size = heredoc.body.size();
    file.entry.content = sha256(heredoc.body);
    file.entry.mtime_seconds = now_;
    file.body = [body = heredoc.body](const oci::ByteSink& sink) { return sink(body); };
    request_.sources.push_back({heredoc.name, {std::move(file)}});
}

void InProcessStep::start() {
    started_ = std::chrono::system_clock::now();
    now_ = std::chrono::floor<std::chrono::seconds>(started_).time_since_epoch().count();
}

Result<InProcessStep> InProcessStep::prepare_mount(const Project& project, const std::string& source,
                                                   const std::string& destination) {
    InProcessStep made;
    made.start();
    made.request_.destination = destination;
    DBUILD_TRY_ASSIGN(const auto files, ContextFiles::open(project.options.context));
    DBUILD_TRY(made.add_folder_source(cache::context::source_tree_of(*project.context), source, {}, files));
    return made;
}

Result<InProcessStep> InProcessStep::prepare(const Parts& parts, const Project& project, const Planner& planner,
                                             int stage, std::size_t index) {
    InProcessStep made;
    const auto& plan = planner.planned(stage);
    const auto& step = *plan.steps[index].step;
    made.start();
    const auto* copy = std::get_if<CopyOperation>(&step.operation);
    made.is_link_ = copy && copy->is_link;
    if (!made.is_link_) { // which does not see the root file system
        std::size_t below = plan.base_layers.size();
        for (std::size_t i = 0; i < index; ++i) below += plan.steps[i].record ? 1 : 0;
        DBUILD_TRY_ASSIGN(made.root_, files_of(parts, project, planner, StageReference::to_stage(stage), below));
        made.has_accounts_ = below > 0;
    }
    if (!copy) {
        made.is_workdir_ = true;
        made.owner_text_ = step.before.user;
        made.request_.destination = std::get<WorkdirOperation>(step.operation).path;
        return made;
    }
    made.owner_text_ = copy->chown;
    made.request_.destination = copy->destination;
    if (!copy->chmod.empty()) {
        auto mode = ModeChange::parse(copy->chmod);
        if (!mode) {
            auto error = std::move(mode).error();
            error.where = step.instruction->where;
            return fail(std::move(error));
        }
        made.request_.mode = std::move(*mode);
    }
    Status added;
    if (copy->from) {
        DBUILD_TRY_ASSIGN(made.from_, files_of(parts, project, planner, *copy->from, SIZE_MAX));
        for (const auto& source : copy->sources)
            if (added) added = made.add_layer_source(source, copy->filter);
    } else if (!copy->sources.empty()) {
        DBUILD_TRY_ASSIGN(const auto files, ContextFiles::open(project.options.context));
        const auto context = cache::context::source_tree_of(*project.context);
        auto repository = copy->repositories.begin();
        for (const auto& source : copy->sources) {
            if (!added) break;
            if (copy->is_add && is_git_source(source))
                added = made.add_git_source(project, *repository++, *copy);
            else if (copy->is_add && is_http_source(source))
                added = made.add_remote_source(project, source, *copy);
            else
                added = made.add_folder_source(context, source, *copy, files);
        }
    }
    if (!added) {
        auto error = std::move(added).error();
        if (!error.where) error.where = step.instruction->where;
        return fail(std::move(error));
    }
    for (const auto& heredoc : copy->files) made.add_heredoc(heredoc);
    return made;
}

/// The text of a file of the root file system; "" if there is none.
Result<std::string> InProcessStep::account_file(const std::string& path, const LayerReader& read_layer) const {
    const auto resolved = root_.tree().resolve(path);
    if (!resolved) return std::string();
    const auto* entry = root_.tree().find(*resolved);
    if (!entry || entry->type != EntryType::file || entry->size > k_max_account_bytes) return std::string();
    auto file = root_.entry(*resolved);
    CopiedEntry* wanted[] = {&file};
    DBUILD_TRY(root_.load(wanted, read_layer));
    std::string text;
    if (file.body)
        DBUILD_TRY(file.body([&](std::string_view bytes) -> Status {
            text += bytes;
            return {};
        }));
    return text;
}

Result<std::optional<Owner>> InProcessStep::owner(const LayerReader& read_layer) const {
    if (owner_text_.empty()) return std::nullopt;
    const auto text = OwnerText::parse(owner_text_);
    if (!has_accounts_ && (text.needs_passwd || text.needs_group))
        return fail(ErrorKind::step_failed,
                    "no accounts to look up " + owner_text_ + ": invalid user index: -1"); // BuildKit's words
    std::string passwd, groups;
    if (text.needs_passwd) {
        DBUILD_TRY_ASSIGN(passwd, account_file("etc/passwd", read_layer));
    }
    if (text.needs_group) {
        DBUILD_TRY_ASSIGN(groups, account_file("etc/group", read_layer));
    }
    return text.look_up(passwd, groups);
}

Result<PendingLayer> InProcessStep::make(const LayerReader& read_layer) {
    DBUILD_TRY_ASSIGN(request_.owner, owner(read_layer));
    PendingLayer layer(root_.tree(), now_);
    if (is_workdir_) {
        DBUILD_TRY(make_working_directory(request_.destination, request_.owner.value_or(Owner{}), layer));
    } else {
        std::vector<CopiedEntry*> files;
        if (from_)
            for (auto& source : request_.sources)
                for (auto& copied : source.entries) files.push_back(&copied);
        if (from_) DBUILD_TRY(from_->load(files, read_layer));
        const auto read_existing = [&](const std::string& name) -> Result<BodyReader> {
            auto file = root_.entry(name);
            CopiedEntry* wanted[] = {&file};
            DBUILD_TRY(root_.load(wanted, read_layer));
            return file.body;
        };
        DBUILD_TRY(copy(request_, layer, read_existing));
    }
    return layer;
}

Status InProcessStep::send(const oci::EntrySink& sink) {
    DBUILD_TRY_ASSIGN(const auto layer, make(nullptr));
    return layer.send(sink);
}

Result<executors::MadeLayer> InProcessStep::run(const LayerReader& read_layer, const std::filesystem::path& path) {
    DBUILD_TRY_ASSIGN(const auto layer, make(read_layer));
    DBUILD_TRY_ASSIGN(const auto written, layer.write(path));
    return executors::MadeLayer{written.diff_id, path, started_, std::chrono::system_clock::now()};
}

} // namespace dbuild::orchestrator
