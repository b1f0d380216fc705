// SPDX-License-Identifier: Apache-2.0
// The first word chooses the command; what a command does with its words is tested with the command.
#include "orchestrator/command_table.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace dbuild;
using namespace dbuild::orchestrator;

namespace {

std::string usage_error(const std::vector<std::string>& words) {
    const std::atomic<bool> cancelled = false;
    const auto status = run_command_line(words, cancelled);
    REQUIRE_FALSE(status);
    CHECK(status.error().kind == ErrorKind::usage);
    return status.error().message;
}

} // namespace

TEST_SUITE("orchestrator/command_table") {
    TEST_CASE("words are unique and each has a summary") {
        std::vector<std::string_view> words;
        for (const auto& command : command_table()) {
            words.push_back(command.word);
            CHECK_FALSE(command.summary.empty());
        }
        std::sort(words.begin(), words.end());
        CHECK(std::adjacent_find(words.begin(), words.end()) == words.end());
    }
    TEST_CASE("the command's word is taken off, and without one it is a build") {
        CHECK(usage_error({"build", "--nonsense", "."}).find("--nonsense") != std::string::npos);
        CHECK(usage_error({"plan"}).find("PATH is missing") != std::string::npos);
        CHECK(usage_error({}).find("PATH is missing") != std::string::npos);
        CHECK(usage_error({"/no/such/folder"}).find("/no/such/folder") != std::string::npos);
        CHECK(usage_error({"plan", "/no/plan"}).find("\"/no/plan\"") != std::string::npos);
    }
}
