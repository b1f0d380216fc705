// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/buildx_program.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

using dbuild::executors::buildx::buildx_program;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

TEST_CASE("buildx is the plugin that docker finds first") {
    const auto work = dbuild::TempDir::create("dbuild-test-plugins").value();
    const auto first = work.path() / "first", second = work.path() / "second";
    for (const auto& folder : {first, second}) REQUIRE(dbuild::make_directories(folder));
    const auto add = [](const fs::path& folder, fs::perms mode) {
        REQUIRE(dbuild::write_file(folder / "docker-buildx", "#!/bin/sh\n"));
        fs::permissions(folder / "docker-buildx", mode);
    };
    add(second, fs::perms::owner_all);
    CHECK(buildx_program({first, second}) == Words{(second / "docker-buildx").string(), "buildx"});
    add(first, fs::perms::owner_read);
    CHECK(buildx_program({first, second}) == Words{"docker", "buildx"}); // docker says what is wrong with it
    fs::permissions(first / "docker-buildx", fs::perms::owner_all);
    CHECK(buildx_program({first, second}) == Words{(first / "docker-buildx").string(), "buildx"});
}
