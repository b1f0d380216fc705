// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/remote_files.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;

TEST_SUITE_BEGIN("orchestrator/remote_files");

TEST_CASE("an http source is a URL that is no git repository") {
    CHECK(is_http_source("http://h/a"));
    CHECK(is_http_source("https://h/a.git.tgz"));
    CHECK(is_http_source("https://h"));
    CHECK(!is_http_source("https://h/a.git"));
    CHECK(!is_http_source("https://h/a.git#main"));
    CHECK(!is_http_source("https://h/a.git?ref=main"));
    CHECK(!is_http_source("ftp://h/a"));
    CHECK(!is_http_source("git@h:a"));
    CHECK(!is_http_source("http:/h/a"));
}

TEST_CASE("a URL's file is called as the last part of its path") {
    CHECK(http_file_name("http://h/a/b.txt") == "b.txt");
    CHECK(http_file_name("http://h/a/b.txt?c=/d#/e") == "b.txt");
    CHECK(http_file_name("http://h/a%20b%2") == "a b%2");
    CHECK(http_file_name("http://h/folder/") == "folder");
    CHECK(http_file_name("http://h/") == "__unnamed__");
    CHECK(http_file_name("http://h") == "__unnamed__");
    CHECK(http_file_name("http://h?x=/y") == "__unnamed__");
}

TEST_CASE("a name never leads out of the destination") {
    CHECK(http_file_name("http://h/..") == "__unnamed__");
    CHECK(http_file_name("http://h/%2e%2e") == "__unnamed__");
    CHECK(http_file_name("http://h/a%2f..%2f..%2fb") == "b");
}

TEST_CASE("a server that cannot be reached is left to docker buildx") {
    const auto folder = TempDir::create("dbuild-test").value();
    RemoteFiles files(folder.path());
    const auto content = files.content_of("http://127.0.0.1:1/x", std::nullopt);
    REQUIRE(!content);
    CHECK(content.error().kind == ErrorKind::unsupported);
}

TEST_CASE("a checksum that is given is the content, without a question") {
    RemoteFiles files("/nonexistent");
    const auto digest = sha256("x");
    CHECK(files.content_of("http://127.0.0.1:1/x", digest).value() == digest);
}

TEST_SUITE_END();
