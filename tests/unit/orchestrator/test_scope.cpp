// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/scope.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;

namespace {

using Variables = std::map<std::string, std::string>;

PublishedScopes scopes_of(const BuildOptions& options, const Variables& variables) {
    return published_scopes(options, "linux/amd64", [&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string() : found->second;
    });
}

BuildOptions tagged(const std::string& tag) {
    BuildOptions options;
    options.tags = {tag};
    return options;
}

} // namespace

TEST_SUITE("orchestrator/scope") {
    TEST_CASE("without a pipeline it is the image's name, its target and platform") {
        auto options = tagged("registry.example/team/app:1.2");
        CHECK(scopes_of(options, {}).own == "registry.example/team/app@linux/amd64");
        options.target = "test";
        CHECK(scopes_of(options, {}).own == "registry.example/team/app#test@linux/amd64");
        CHECK(scopes_of(options, {}).fallbacks.empty());
        options.scope = "mine";
        CHECK(scopes_of(options, {}).own == "mine#test@linux/amd64");
    }
    TEST_CASE("without a tag it is the folder's name") {
        BuildOptions options;
        options.context = "/some/where/web/";
        CHECK(scopes_of(options, {}).own.ends_with("@linux/amd64"));
        options.context = "/some/where/web";
        CHECK(scopes_of(options, {}).own == "web@linux/amd64");
        CHECK(local_scope(options) == "web");
    }
    TEST_CASE("other scopes are read for the same target, or as they are listed") {
        auto options = tagged("app");
        options.target = "t";
        options.fallback_scopes = {"base", "lib@linux/arm64~next", "app"};
        CHECK(scopes_of(options, {}).fallbacks ==
              std::vector<std::string>{"base#t@linux/amd64", "lib@linux/arm64~next"});
    }
    TEST_CASE("a branch on GitHub writes its own and reads the default one") {
        const auto folder = TempDir::create("dbuild-test").value();
        const auto event = folder.path() / "event.json";
        REQUIRE(write_file(event, R"({"repository": {"default_branch": "main"}})"));
        Variables variables{
            {"GITHUB_ACTIONS", "true"}, {"GITHUB_REF", "refs/heads/feature/x"}, {"GITHUB_EVENT_PATH", event}};
        auto scopes = scopes_of(tagged("app"), variables);
        CHECK(scopes.own == "app@linux/amd64~feature/x");
        CHECK(scopes.fallbacks == std::vector<std::string>{"app@linux/amd64"});
        variables["GITHUB_REF"] = "refs/heads/main";
        scopes = scopes_of(tagged("app"), variables);
        CHECK(scopes.own == "app@linux/amd64");
        CHECK(scopes.fallbacks.empty());
        variables["GITHUB_REF"] = "refs/pull/7/merge";
        variables["GITHUB_BASE_REF"] = "release";
        scopes = scopes_of(tagged("app"), variables);
        CHECK(scopes.own == "app@linux/amd64~pull/7/merge");
        CHECK(scopes.fallbacks == std::vector<std::string>{"app@linux/amd64~release", "app@linux/amd64"});
    }
    TEST_CASE("where GitHub does not say which branch is the default one, each has its own") {
        for (const auto* event : {"/no/such/file", "/dev/null"}) {
            const auto scopes = scopes_of(
                tagged("app"),
                {{"GITHUB_ACTIONS", "true"}, {"GITHUB_REF", "refs/heads/main"}, {"GITHUB_EVENT_PATH", event}});
            CHECK(scopes.own == "app@linux/amd64~main");
            CHECK(scopes.fallbacks == std::vector<std::string>{"app@linux/amd64"});
        }
    }
    TEST_CASE("a merge request on GitLab reads the branch that it is for") {
        Variables variables{{"GITLAB_CI", "true"},
                            {"CI_COMMIT_REF_NAME", "fix"},
                            {"CI_DEFAULT_BRANCH", "main"},
                            {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "next"},
                            {"CI_MERGE_REQUEST_REF_PATH", "refs/merge-requests/5/head"}};
        const auto scopes = scopes_of(tagged("app"), variables);
        CHECK(scopes.own == "app@linux/amd64~merge-requests/5/head");
        CHECK(scopes.fallbacks == std::vector<std::string>{"app@linux/amd64~next", "app@linux/amd64"});
        variables.erase("CI_MERGE_REQUEST_REF_PATH");
        CHECK(scopes_of(tagged("app"), variables).own == "app@linux/amd64~fix");
    }
}
