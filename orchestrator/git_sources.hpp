// SPDX-License-Identifier: Apache-2.0
// Git repositories that ADD names, through the git program: which commit a reference means now, and its files. Nothing
// of the user's git configuration counts, since it could change the files; nothing is kept between builds. Source:
// BuildKit's git source, ../reference/buildkit-semantics.md §5.1, §5.4.
#pragma once

#include "cache/context/context_tree.hpp"
#include "orchestrator/git_url.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace dbuild::orchestrator {

/// The files of a commit. Modes are those that a umask of 022 gives, whatever this process's own is.
struct GitCheckout {
    TempDir folder;
    cache::context::ContextTree tree;
    std::filesystem::path files() const { return folder.path() / "files"; }
};

/// One for a build. Threads: one caller at a time.
class GitSources {
public:
    /// In: ssh_agents — the values of --ssh, for repositories over ssh.
    GitSources(CancelCheck is_cancelled, std::vector<std::string> ssh_agents)
        : is_cancelled_(std::move(is_cancelled)), ssh_agents_(std::move(ssh_agents)) {}

    /// The commit that the URL means; the remote is asked once in a build, and not at all for a commit.
    /// Errors:  not_found — no such reference; step_failed — the checksum is another one; unsupported — the remote
    /// cannot be
    ///          reached from here, or there is no git, so that docker buildx may try; interrupted.
    Result<std::string> commit_of(const GitUrl& url);

    /// Its files, which live as long as this object. Errors: as commit_of; transient — the reference moved meanwhile.
    Result<GitCheckout*> checkout(const GitUrl& url);

    int processes_started() const { return processes_started_; }

private:
    struct Resolved {
        std::string commit, name; // name: by which the remote gives it
    };
    Result<Resolved> resolve(const GitUrl& url);
    Status fetch(const GitUrl& url, const Resolved& wanted, const std::string& folder);
    Result<std::string> git(std::vector<std::string> arguments);

    CancelCheck is_cancelled_;
    std::vector<std::string> ssh_agents_;
    std::map<std::string, Resolved> resolved_;                      // by remote and reference
    std::map<std::string, std::unique_ptr<GitCheckout>> checkouts_; // by remote, commit and what is kept
    int processes_started_ = 0;
};

} // namespace dbuild::orchestrator
