// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/git_sources.hpp"

#include "orchestrator/git_ssh.hpp"

#include <filesystem>
#include <sstream>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

/// As BuildKit runs it: no configuration but the repository's, no questions, and no other repository from the
/// environment.
const std::vector<std::string> k_environment = {"-u",
                                                "GIT_DIR",
                                                "-u",
                                                "GIT_WORK_TREE",
                                                "-u",
                                                "GIT_INDEX_FILE",
                                                "HOME=/dev/null",
                                                "LC_ALL=C",
                                                "GIT_CONFIG_NOSYSTEM=1",
                                                "GIT_CONFIG_GLOBAL=/dev/null",
                                                "GIT_TERMINAL_PROMPT=0"};
const std::vector<std::string> k_settings = {"-c", "advice.detachedHead=false", "-c", "http.lowSpeedLimit=1",
                                             "-c", "http.lowSpeedTime=60"}; // bytes a second, seconds

std::string last_line(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

/// Of the lines of ls-remote, the one that a checkout of the reference would take: the reference itself, else the
/// branch, else the tag, and of that what it points to.
std::optional<std::pair<std::string, std::string>> choose(const std::string& lines, const std::string& reference) {
    std::map<std::string, std::string> commits; // by full name
    std::istringstream input(lines);
    for (std::string commit, name; input >> commit >> name;) commits.emplace(name, commit);
    for (const auto& name : {reference, "refs/heads/" + reference, "refs/tags/" + reference, "refs/" + reference}) {
        if (const auto peeled = commits.find(name + "^{}"); peeled != commits.end())
            return std::pair(peeled->second, name);
        if (const auto found = commits.find(name); found != commits.end()) return std::pair(found->second, name);
    }
    return std::nullopt;
}

} // namespace

/// Out: what it wrote to standard output. Errors: unsupported — it failed, or is not installed; interrupted.
Result<std::string> GitSources::git(std::vector<std::string> arguments) {
    ProcessOptions options{{"env"}};
    const auto add = [&words = options.arguments](const std::vector<std::string>& more) {
        words.insert(words.end(), more.begin(), more.end());
    };
    add(k_environment);
    if (const auto ssh = ssh_environment(ssh_agents_)) add(*ssh);
    add({"git"});
    add(k_settings);
    add(arguments);
    std::string output, errors;
    ++processes_started_;
    const auto ended = run_process(
        options, [&](std::string_view bytes) { output += bytes; }, [&](std::string_view bytes) { errors += bytes; },
        is_cancelled_);
    if (!ended && ended.error().kind == ErrorKind::interrupted) return fail(ended.error());
    if (!ended) return fail(ErrorKind::unsupported, "ADD of a git repository: " + ended.error().message);
    if (ended->exit_status == 0) return output;
    return fail(ErrorKind::unsupported, "ADD of a git repository: git failed: " + last_line(errors));
}

Result<GitSources::Resolved> GitSources::resolve(const GitUrl& url) {
    if (is_commit(url.reference)) return Resolved{url.reference, url.reference};
    const auto remembered_as = url.remote + "\n" + url.reference;
    if (const auto known = resolved_.find(remembered_as); known != resolved_.end()) return known->second;
    const auto reference = url.reference.empty() ? "HEAD" : url.reference;
    DBUILD_TRY_ASSIGN(const auto lines, git({"ls-remote", "--", url.remote, reference, reference + "^{}"}));
    const auto chosen = choose(lines, reference);
    if (!chosen) return fail(ErrorKind::not_found, "repository " + url.remote + " does not contain ref " + reference);
    return resolved_.emplace(remembered_as, Resolved{chosen->first, chosen->second}).first->second;
}

Result<std::string> GitSources::commit_of(const GitUrl& url) {
    if (url.is_over_ssh) DBUILD_TRY(ssh_environment(ssh_agents_)); // else docker buildx says what is missing
    DBUILD_TRY_ASSIGN(auto resolved, resolve(url));
    if (resolved.commit.starts_with(url.checksum)) return std::move(resolved.commit);
    return fail(ErrorKind::step_failed, "expected checksum to match " + url.checksum + ", got " + resolved.commit);
}

/// Only that commit, where the remote can give a single one; else all that it has.
Status GitSources::fetch(const GitUrl& url, const Resolved& wanted, const std::string& folder) {
    DBUILD_TRY(git({"init", "-q", "--template=", folder}));
    DBUILD_TRY(git({"-C", folder, "remote", "add", "origin", url.remote}));
    if (git({"-C", folder, "fetch", "-q", "--depth=1", "--no-tags", "origin", wanted.name})) return {};
    auto fetched = git({"-C", folder, "fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"});
    if (!fetched) return fail(std::move(fetched).error());
    return {};
}

Result<GitCheckout*> GitSources::checkout(const GitUrl& url) {
    DBUILD_TRY_ASSIGN(const auto wanted, resolve(url));
    auto& known = checkouts_[url.remote + "\n" + wanted.commit + (url.keeps_git_dir ? " git" : "") +
                             (url.has_submodules ? " sub" : "")];
    if (known) return known.get();
    DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-git"));
    const auto files = folder.path() / "files";
    DBUILD_TRY(fetch(url, wanted, files.string()));
    if (const auto done = git({"-C", files.string(), "checkout", "-q", "--detach", wanted.commit}); !done) {
        if (is_commit(url.reference)) return fail(done.error());
        return fail(ErrorKind::transient, url.remote + " moved " + wanted.name + " while it was fetched");
    }
    std::error_code error;
    if (url.has_submodules && fs::exists(files / ".gitmodules", error))
        DBUILD_TRY(git({"-C", files.string(), "submodule", "-q", "update", "--init", "--recursive", "--depth=1"}));
    if (!url.keeps_git_dir) fs::remove_all(files / ".git", error);
    if (error)
        return fail(ErrorKind::unavailable, "cannot remove " + (files / ".git").string() + ": " + error.message());
    DBUILD_TRY_ASSIGN(auto tree, cache::context::ContextTree::open(files, nullptr, nullptr));
    known = std::make_unique<GitCheckout>(GitCheckout{std::move(folder), std::move(tree)});
    return known.get();
}

} // namespace dbuild::orchestrator
