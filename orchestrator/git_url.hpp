// SPDX-License-Identifier: Apache-2.0
// What ADD makes of a git repository's URL: where it is, which commit, and what of it. Pure; asking and fetching is
// git_sources.hpp's business.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>

namespace dbuild::orchestrator {

struct GitUrl {
    std::string remote;    // as git takes it, without fragment and query
    std::string reference; // branch, tag, full reference or commit; empty: the remote's HEAD
    std::string folder;    // of the repository, clean; empty: all of it
    std::string checksum;  // the commit that it must be, or the beginning of it; empty: any
    bool is_over_ssh = false;
    bool keeps_git_dir = false;
    bool has_submodules = true;

    /// In:     source — one that is_git_source(): "…/a.git#reference:folder" or "…/a.git?branch=…&folder=…"; for ssh
    ///         "user@host:path…" or "ssh://user@host/path…".
    /// Errors: invalid_dockerfile — fields that contradict one another; unsupported — a user where it is not for ssh,
    ///         a password, fields that are not known here: docker buildx has its own ways there.
    /// Source: BuildKit's util/gitutil ParseGitRef, with the queries of its current version.
    static Result<GitUrl> parse(std::string_view source);
};

/// In: source — of an ADD that dockerfile_parser::is_remote_source(). A web URL names a repository if its path ends in
/// ".git".
bool is_git_source(std::string_view source);

bool is_commit(std::string_view reference); // 40 or 64 lower-case hexadecimal digits

} // namespace dbuild::orchestrator
