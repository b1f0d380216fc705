// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/step_operation.hpp"

#include "cache/oci/layer_tar.hpp"
#include "orchestrator/remote_files.hpp"

#include <filesystem>

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;
using cache::oci::base_name;

Result<std::string> expand(std::string_view word, const OperationInputs& inputs) {
    return parser::expand_word(word, inputs.lookup, inputs.escape);
}

Result<MountOperation> resolve_mount(const std::string& written, std::string_view source,
                                     const OperationInputs& inputs) {
    MountOperation operation;
    operation.written = written;
    DBUILD_TRY_ASSIGN(operation.mount, parser::parse_run_mount(written, inputs.lookup, inputs.escape));
    auto& mount = operation.mount;
    const bool has_path = mount.type != parser::MountType::secret && mount.type != parser::MountType::ssh;
    if (!mount.target.empty() || has_path) operation.target = join_path(inputs.working_dir, mount.target);
    if (operation.target == "/") return fail(ErrorKind::invalid_dockerfile, "invalid mount target \"/\"");
    if (mount.type == parser::MountType::cache) operation.cache_id = mount.id.empty() ? operation.target : mount.id;
    if (mount.type == parser::MountType::secret) {
        operation.secret_id = !mount.id.empty()       ? mount.id
                              : !mount.source.empty() ? mount.source
                                                      : base_name(mount.target);
        if (operation.target.empty() && mount.environment_name.empty())
            operation.target = "/run/secrets/" + base_name(operation.secret_id);
    }
    if (mount.type == parser::MountType::ssh) operation.secret_id = mount.id.empty() ? "default" : mount.id;
    if (!mount.from.empty()) {
        DBUILD_TRY_ASSIGN(operation.from, inputs.next_source());
        // The executor gives the source another name, in this very text.
        if (source.find(written) == std::string::npos)
            return fail(ErrorKind::unsupported, "RUN --mount=" + written + ", written with escapes");
    }
    if (mount.source.find_first_of("*?[\\") != std::string::npos)
        return fail(ErrorKind::unsupported, "RUN --mount with wildcard characters in its source");
    return operation;
}

Status set_commit(GitUrl& url, const parser::CopyInstruction& copy, const OperationInputs& inputs) {
    DBUILD_TRY_ASSIGN(auto commit, expand(copy.checksum, inputs));
    if (!url.checksum.empty() && url.checksum != commit)
        return fail(ErrorKind::invalid_dockerfile, "checksum conflict: " + url.checksum + " and " + commit);
    url.checksum = std::move(commit);
    return {};
}

Result<Digest> checksum_of(const parser::CopyInstruction& copy, const std::vector<std::string>& sources,
                           const OperationInputs& inputs) {
    const auto invalid = [](std::string why) { return fail(ErrorKind::invalid_dockerfile, std::move(why)); };
    if (sources.size() != 1) return invalid("checksum can't be specified for multiple sources");
    if (!is_http_source(sources.front())) return invalid("checksum can't be specified for non-HTTP(S) sources");
    DBUILD_TRY_ASSIGN(const auto text, expand(copy.checksum, inputs));
    auto digest = Digest::parse(text);
    if (!digest) return invalid("invalid checksum digest format: " + text);
    return *digest;
}

bool names_directory(std::string_view path) { return path.ends_with('/') || path == "." || path.ends_with("/."); }

/// The command of a RUN with here-documents: they follow the line, or are the command. A script is to become a file.
void add_heredocs(const parser::RunInstruction& run, std::string& line, RunOperation& operation) {
    if (!run.is_heredoc_alone) {
        for (const auto& heredoc : run.heredocs) line += "\n" + heredoc.raw_body + heredoc.name; // the shell strips
        return;
    }
    const auto& heredoc = run.heredocs.front();
    if (heredoc.raw_body.starts_with("#!")) { // as written: behind tabs it is a comment of the shell, as in BuildKit
        operation.script = heredoc.body;
        line = "/dev/pipes/" + heredoc.name;
    } else {
        line = heredoc.body;
    }
}

} // namespace

std::string join_path(const std::string& folder, std::string_view path) {
    const std::filesystem::path joined =
        std::filesystem::path(path).is_absolute() ? std::filesystem::path(path) : std::filesystem::path(folder) / path;
    std::string text = joined.lexically_normal().string();
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
}

std::vector<std::string> command_words(const parser::CommandLine& command, const std::vector<std::string>& shell) {
    if (command.is_exec_form) return command.words;
    auto words = shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : shell;
    words.push_back(command.words.empty() ? std::string() : command.words.front());
    return words;
}

Result<RunOperation> resolve_run(const parser::RunInstruction& run, std::string_view source,
                                 const OperationInputs& inputs) {
    if (!run.devices.empty()) return fail(ErrorKind::unsupported, "RUN --device");
    if (!run.network.empty() && run.network != "default" && run.network != "none")
        return fail(ErrorKind::unsupported, "RUN --network=" + run.network);
    if (!run.security.empty() && run.security != "sandbox")
        return fail(ErrorKind::unsupported, "RUN --security=" + run.security);
    RunOperation operation;
    if (run.network == "none") operation.network = run.network;
    for (const auto& mount : run.mounts) {
        DBUILD_TRY_ASSIGN(auto resolved, resolve_mount(mount, source, inputs));
        operation.mounts.push_back(std::move(resolved));
    }
    auto command = run.command;
    if (!run.heredocs.empty()) add_heredocs(run, command.words.front(), operation);
    operation.arguments = command_words(command, inputs.shell);
    return operation;
}

Result<CopyOperation> resolve_copy(const parser::CopyInstruction& copy, const OperationInputs& inputs) {
    CopyOperation operation;
    operation.is_add = copy.is_add;
    operation.filter = {copy.parents, copy.excludes};
    operation.unpacks = copy.unpack.value_or(copy.is_add);
    operation.unpacks_remote = copy.unpack.value_or(false);
    for (const auto& word : copy.sources) {
        DBUILD_TRY_ASSIGN(auto source, expand(word, inputs));
        operation.sources.push_back(std::move(source));
    }
    for (const auto& source : operation.sources) {
        if (!copy.is_add || !is_git_source(source)) continue;
        DBUILD_TRY_ASSIGN(auto url, GitUrl::parse(source));
        url.keeps_git_dir = url.keeps_git_dir || copy.keep_git_dir;
        operation.repositories.push_back(std::move(url));
    }
    if (!copy.checksum.empty() && operation.repositories.size() == 1 && operation.sources.size() == 1) {
        DBUILD_TRY(set_commit(operation.repositories.front(), copy, inputs));
    } else if (!copy.checksum.empty()) {
        DBUILD_TRY_ASSIGN(operation.checksum, checksum_of(copy, operation.sources, inputs));
    }
    for (const auto& heredoc : copy.heredocs) {
        operation.files.push_back(heredoc);
        if (heredoc.expands) {
            DBUILD_TRY_ASSIGN(operation.files.back().body, parser::expand_heredoc(heredoc.body, inputs.lookup));
        }
    }
    DBUILD_TRY_ASSIGN(operation.chown, expand(copy.chown, inputs));
    DBUILD_TRY_ASSIGN(operation.chmod, expand(copy.chmod, inputs));
    DBUILD_TRY_ASSIGN(const auto destination, expand(copy.destination, inputs));
    operation.destination = join_path(inputs.working_dir, destination);
    if (names_directory(destination) && operation.destination != "/") operation.destination += '/';
    operation.is_link = copy.link && copy.chmod.empty(); // BuildKit ignores --link beside --chmod
    if (!copy.from.empty()) {
        DBUILD_TRY_ASSIGN(operation.from, inputs.next_source());
    }
    return operation;
}

} // namespace dbuild::orchestrator
