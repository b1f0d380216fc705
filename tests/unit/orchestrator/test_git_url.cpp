// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/git_url.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;

TEST_SUITE_BEGIN("orchestrator/git_url");

TEST_CASE("a web URL is a repository if its path ends in .git, every other scheme is one") {
    CHECK(is_git_source("https://host/a.git"));
    CHECK(is_git_source("http://host/a.git#main:sub"));
    CHECK(is_git_source("https://host/a.git?branch=x"));
    CHECK(is_git_source("git://host/a"));
    CHECK(is_git_source("git@host:a"));
    CHECK_FALSE(is_git_source("https://host/a.tgz"));
    CHECK_FALSE(is_git_source("github.com/a/b.git"));
}

TEST_CASE("a fragment is a reference and a folder, which stays inside the repository") {
    const auto url = GitUrl::parse("https://host/a.git#feature/x:../sub//deep/");
    REQUIRE(url);
    CHECK(url->remote == "https://host/a.git");
    CHECK(url->reference == "feature/x");
    CHECK(url->folder == "sub/deep");
    CHECK(url->has_submodules);
    CHECK_FALSE(url->keeps_git_dir);
    CHECK(GitUrl::parse("git://host/a")->reference.empty());
    CHECK(GitUrl::parse("git://host/a#:sub")->folder == "sub");
}

TEST_CASE("a query says the same in fields") {
    const auto url =
        GitUrl::parse("https://host/a.git?branch=a%2Fb&subdir=sub&keep-git-dir&submodules=false&checksum=abc");
    REQUIRE(url);
    CHECK(url->remote == "https://host/a.git");
    CHECK(url->reference == "refs/heads/a/b");
    CHECK(url->folder == "sub");
    CHECK(url->checksum == "abc");
    CHECK(url->keeps_git_dir);
    CHECK_FALSE(url->has_submodules);
    CHECK(GitUrl::parse("https://host/a.git?tag=v1#:x")->reference == "refs/tags/v1");
    CHECK(GitUrl::parse("https://host/a.git?ref=main#main")->reference == "main");
}

TEST_CASE("over ssh a user may stand before the host, as scp and as a URL have it") {
    const auto by_scp = GitUrl::parse("git@host:me/a.git#v1:sub").value();
    CHECK(by_scp.is_over_ssh);
    CHECK(by_scp.remote == "git@host:me/a.git");
    CHECK(by_scp.reference == "v1");
    CHECK(by_scp.folder == "sub");
    const auto by_url = GitUrl::parse("ssh://git@host:22/me/a?branch=b").value();
    CHECK(by_url.is_over_ssh);
    CHECK(by_url.remote == "ssh://git@host:22/me/a");
    CHECK_FALSE(GitUrl::parse("git://host/a.git")->is_over_ssh);
}

TEST_CASE("what contradicts itself is an error, what dbuild cannot do goes to docker buildx") {
    for (const auto* source :
         {"https://host/a.git?ref=a#b", "https://host/a.git?tag=a&branch=a", "https://host/a.git?submodules=x",
          "https://host/a.git?ref=", "https://host/a.git#-x", "https://host/a.git?ref=--upload-pack=x"})
        CHECK_MESSAGE(GitUrl::parse(source).error().kind == ErrorKind::invalid_dockerfile, source);
    for (const auto* source : {"ssh://user:word@host/a", "https://user@host/a.git", "https://user:word@host/a.git",
                               "ftp://host/a.git", "https://host/a.git?mtime=commit", "https://host/a.git#main:a*"})
        CHECK_MESSAGE(GitUrl::parse(source).error().kind == ErrorKind::unsupported, source);
}

TEST_CASE("a commit is a whole digest in lower case") {
    CHECK(is_commit(std::string(40, 'a')));
    CHECK(is_commit(std::string(64, '0')));
    CHECK_FALSE(is_commit(std::string(39, 'a')));
    CHECK_FALSE(is_commit(std::string(40, 'A')));
}

TEST_SUITE_END();
