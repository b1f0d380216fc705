// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/context_files.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <filesystem>

using namespace dbuild;
using namespace dbuild::executors::in_process;
namespace fs = std::filesystem;

namespace {

cache::oci::LayerEntry hashed_as(const std::string& path, std::string_view bytes, std::uint32_t mode = 0644) {
    cache::oci::LayerEntry entry;
    entry.path = path;
    entry.mode = mode;
    entry.size = bytes.size();
    entry.content = sha256(bytes);
    return entry;
}

} // namespace

TEST_SUITE_BEGIN("executors/context_files");

TEST_CASE("names of one inode are one file only if they were so when they were hashed") {
    const auto folder = TempDir::create("dbuild-context").value();
    REQUIRE(write_file(folder.path() / "a", "1"));
    REQUIRE(write_file(folder.path() / "alone", "1"));
    fs::create_hard_link(folder.path() / "a", folder.path() / "b");
    const auto files = ContextFiles::open(folder.path()).value();
    const auto group = [&](cache::oci::LayerEntry entry) { return files.file(std::move(entry)).link_group; };
    CHECK_FALSE(group(hashed_as("a", "1")).empty());
    CHECK(group(hashed_as("a", "1")) == group(hashed_as("b", "1")));
    CHECK(group(hashed_as("a", "1")) != group(hashed_as("b", "2")));
    CHECK(group(hashed_as("a", "1")) != group(hashed_as("b", "1", 0755)));
    CHECK(group(hashed_as("alone", "1")).empty());
}

TEST_SUITE_END();
