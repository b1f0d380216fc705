// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/overlay.hpp"

#include "support/files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr std::size_t k_max_lowers = 500; // the kernel's

/// A mount's options must fit into one page, so lower folders get short names: "500:499:…", links beside one another,
/// to which the working directory makes them relative.
Result<std::string> link_lowers(const fs::path& folder, std::span<const fs::path> lowers) {
    DBUILD_TRY(make_directories(folder / "empty"));
    std::string names;
    std::error_code error;
    for (std::size_t i = lowers.size(); i-- > 0 && !error;) {
        fs::create_directory_symlink(lowers[i], folder / std::to_string(i), error);
        names += std::to_string(i) + ":";
    }
    if (error) return fail(ErrorKind::unavailable, "cannot link to a layer's folder: " + error.message());
    return names + "empty"; // there must be two where nothing is written, and one below a stage from scratch
}

} // namespace

Status enter_private_mounts() {
    if (::unshare(CLONE_NEWNS | CLONE_FS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail(ErrorKind::unsupported, fmt::format("no mount namespace: {}", std::strerror(errno)));
    return {};
}

Result<fs::path> mount_overlay(const fs::path& folder, std::span<const fs::path> lowers, OverlayChanges changes) {
    if (lowers.size() >= k_max_lowers)
        return fail(ErrorKind::unsupported, fmt::format("overlayfs takes {} layers at most", k_max_lowers));
    const auto merged = folder / "merged", lower = folder / "lower";
    DBUILD_TRY(make_directories(merged));
    DBUILD_TRY_ASSIGN(const auto names, link_lowers(lower, lowers));
    // A copy-up that leaves data or names in a lower folder would make a layer that says less than the truth.
    auto options = "index=off,metacopy=off,redirect_dir=nofollow,lowerdir=" + names;
    if (changes == OverlayChanges::kept_in_upper) {
        DBUILD_TRY(make_directories(folder / "upper"));
        DBUILD_TRY(make_directories(folder / "work"));
        options += ",upperdir=../upper,workdir=../work";
    }
    if (::chdir(lower.c_str()) != 0) return fail(ErrorKind::unavailable, "cannot enter " + lower.string());
    const auto mount = [&](const std::string& with) {
        return ::mount("overlay", merged.c_str(), "overlay", 0, with.c_str()) == 0;
    };
    // Nothing of it is used after a crash, so nothing needs to be synced (LayerFolders). Kernels before 5.10 insist.
    if (!mount(options + ",volatile") && !mount(options))
        return fail(ErrorKind::unsupported, fmt::format("overlayfs on {}: {}", folder.string(), std::strerror(errno)));
    return merged;
}

Status unmount_overlay(const fs::path& folder) {
    if (::chdir("/") != 0 || ::umount2((folder / "merged").c_str(), 0) != 0)
        return fail(ErrorKind::unavailable,
                    fmt::format("cannot unmount {}: {}", (folder / "merged").string(), std::strerror(errno)));
    return {};
}

} // namespace dbuild::executors::runtime
