// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/revision.hpp"

#include "support/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

struct Answer {
    int exit_status = 0;
    std::string text, said; // standard output and error
};

Result<Answer> ask_git(const fs::path& folder, std::vector<std::string> arguments) {
    Answer answer;
    ProcessOptions process;
    process.arguments = {"git", "-C", folder.string()};
    process.arguments.insert(process.arguments.end(), arguments.begin(), arguments.end());
    DBUILD_TRY_ASSIGN(const auto result, run_process(
                                             process, [&](std::string_view bytes) { answer.text += bytes; },
                                             [&](std::string_view bytes) { answer.said += bytes; }));
    answer.exit_status = result.exit_status;
    return answer;
}

Result<std::string> expect_answer(Result<Answer> answer) {
    if (!answer) return fail(std::move(answer).error());
    if (answer->exit_status == 0) return std::move(answer->text);
    return fail(ErrorKind::usage, "git: " + answer->said.substr(0, answer->said.find('\n')));
}

/// In: list — names below `root`, each with a zero byte behind it.
void add_paths(const std::string& list, const fs::path& root, std::vector<std::string>& paths) {
    for (std::size_t at = 0; at < list.size();) {
        const auto end = std::min(list.find('\0', at), list.size());
        paths.push_back((root / list.substr(at, end - at)).string());
        at = end + 1;
    }
}

} // namespace

Result<Revision> Revision::open(const std::string& name) {
    Revision revision;
    DBUILD_TRY_ASSIGN(auto root, expect_answer(ask_git(".", {"rev-parse", "--show-toplevel"})));
    while (root.ends_with('\n')) root.pop_back();
    revision.root_ = root;
    auto commit =
        expect_answer(ask_git(root, {"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"}));
    if (!commit && commit.error().kind == ErrorKind::usage)
        return fail(ErrorKind::usage, fmt::format("--since: \"{}\" is no commit of {}", name, root));
    if (!commit) return fail(std::move(commit).error());
    while (commit->ends_with('\n')) commit->pop_back();
    revision.name_ = *commit;
    auto untracked = std::async(std::launch::async, [&] {
        return expect_answer(ask_git(root, {"ls-files", "--others", "--exclude-standard", "-z"}));
    });
    auto tracked = expect_answer(
        ask_git(root, {"diff", "--name-only", "--no-renames", "--no-ext-diff", "--no-relative", "-z", *commit, "--"}));
    const auto others = untracked.get();
    if (!tracked) return fail(std::move(tracked).error());
    if (!others) return fail(others.error());
    add_paths(*tracked, revision.root_, revision.changed_);
    add_paths(*others, revision.root_, revision.changed_);
    std::sort(revision.changed_.begin(), revision.changed_.end());
    return revision;
}

std::string Revision::absolute(const fs::path& path) {
    std::error_code error;
    const auto whole = fs::absolute(path).lexically_normal();
    const auto folder = fs::weakly_canonical(whole.parent_path(), error);
    return error ? whole.string() : (folder / whole.filename()).string();
}

bool Revision::is_changed(const fs::path& path) const {
    return std::binary_search(changed_.begin(), changed_.end(), absolute(path));
}

Result<std::optional<std::string>> Revision::read(const fs::path& path) const {
    const auto below = fs::path(absolute(path)).lexically_relative(root_).string();
    DBUILD_TRY_ASSIGN(auto answer, ask_git(root_, {"cat-file", "blob", name_ + ":" + below}));
    if (answer.exit_status != 0) return std::nullopt;
    return std::move(answer.text);
}

} // namespace dbuild::orchestrator
