// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/workspace.hpp"

#include "executors/runtime/oci_runtime.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr std::string_view k_prefix = "run-";
constexpr int k_attempts = 10;

/// Nothing: somebody else has it, or has removed it.
std::optional<Fd> try_lock(const fs::path& path) {
    Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open() || ::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
    struct stat opened {
    }, named{};
    const bool is_there = ::fstat(folder.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
                          opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
    if (!is_there) return std::nullopt;
    return folder;
}

} // namespace

Workspace::~Workspace() {
    std::error_code ignored; // the next process goes on
    fs::remove_all(path, ignored);
}

Result<std::shared_ptr<Workspace>> Workspace::create(const fs::path& root) {
    for (int attempt = 0; attempt < k_attempts; ++attempt) {
        auto path = (root / fmt::format("{}XXXXXX", k_prefix)).string();
        if (!::mkdtemp(path.data()))
            return fail(ErrorKind::unavailable, fmt::format("cannot make a folder in {}", root.string()));
        // Until it is locked, another process may take it for a dead one's.
        if (auto lock = try_lock(path)) return std::make_shared<Workspace>(path, std::move(*lock));
    }
    return fail(ErrorKind::unavailable, fmt::format("cannot lock a folder in {}", root.string()));
}

Status Workspace::remove_abandoned(const fs::path& root) {
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(root));
    for (const auto& path : paths) {
        if (!path.filename().string().starts_with(k_prefix)) continue;
        auto lock = try_lock(path);
        if (!lock) continue;
        end_abandoned_container(path);
        const Workspace removed(path, std::move(*lock));
    }
    return {};
}

} // namespace dbuild::executors::runtime
