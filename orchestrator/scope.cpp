// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/scope.hpp"

#include "cache/oci/reference.hpp"
#include "support/files.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace fs = std::filesystem;
namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

using Environment = std::function<std::string(const char*)>;

std::string scope_without_target(const BuildOptions& options) {
    if (!options.scope.empty()) return options.scope;
    std::string scope;
    if (!options.tags.empty()) {
        const auto reference = cache::oci::ImageReference::parse(options.tags.front());
        if (reference) scope = reference->familiar().substr(0, reference->familiar().rfind(':'));
    }
    if (scope.empty()) scope = fs::absolute(options.context).lexically_normal().filename().string();
    return scope;
}

/// What a CI service says about the branch; all empty elsewhere.
struct Branches {
    std::string present; // or the change, or the tag
    std::string base;    // that a change is for
    std::string standard;
};

std::string without_prefix(std::string text, std::string_view prefix) {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

/// The event's description is the only place where GitHub says which branch is the default one.
std::string default_branch_of_event(const fs::path& file) {
    const auto text = read_file(file);
    if (!text) return {};
    boost::system::error_code error;
    const auto event = json::parse(*text, error);
    if (error) return {};
    const auto branch = event.find_pointer("/repository/default_branch", error);
    return branch && branch->is_string() ? std::string(branch->as_string()) : std::string();
}

Branches branches(const Environment& environment) {
    if (environment("GITHUB_ACTIONS") == "true") {
        const auto reference = without_prefix(environment("GITHUB_REF"), "refs/");
        return {without_prefix(reference, "heads/"), environment("GITHUB_BASE_REF"),
                default_branch_of_event(environment("GITHUB_EVENT_PATH"))};
    }
    if (environment("GITLAB_CI") == "true") {
        const auto change = without_prefix(environment("CI_MERGE_REQUEST_REF_PATH"), "refs/");
        return {change.empty() ? environment("CI_COMMIT_REF_NAME") : change,
                environment("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"), environment("CI_DEFAULT_BRANCH")};
    }
    return {};
}

} // namespace

std::string local_scope(const BuildOptions& options) {
    const auto scope = scope_without_target(options);
    return !options.scope.empty() || options.target.empty() ? scope : scope + "/" + options.target;
}

PublishedScopes published_scopes(const BuildOptions& options, const std::string& platform,
                                 const Environment& environment) {
    const auto found = branches(environment);
    const auto name = [&](const std::string& scope, const std::string& branch) {
        const auto target = options.target.empty() ? "" : "#" + options.target;
        const auto suffix = branch.empty() || branch == found.standard ? "" : "~" + branch;
        return scope + target + "@" + platform + suffix;
    };
    const auto scope = scope_without_target(options);
    PublishedScopes scopes{name(scope, found.present), {}};
    const auto add = [&](std::string fallback) {
        if (fallback == scopes.own) return;
        if (std::find(scopes.fallbacks.begin(), scopes.fallbacks.end(), fallback) == scopes.fallbacks.end())
            scopes.fallbacks.push_back(std::move(fallback));
    };
    if (!found.base.empty()) add(name(scope, found.base));
    add(name(scope, ""));
    for (const auto& other : options.fallback_scopes) // a name as `dbuild cache scopes` prints it is taken as it is
        add(other.find('@') == other.npos ? name(other, "") : other);
    return scopes;
}

} // namespace dbuild::orchestrator
