// SPDX-License-Identifier: Apache-2.0
#include "cache/context/context_view.hpp"

#include "cache/context/file_hasher.hpp"
#include "cache/oci/path_walk.hpp"
#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/glob.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <utility>

namespace fs = std::filesystem;

namespace dbuild::cache::context {
namespace {

using dockerfile_parser::has_wildcard;

std::string joined(const std::string& folder, const std::string& name) {
    if (folder.empty() || name.empty()) return folder + name;
    return folder + "/" + name;
}

tl::unexpected<Error> not_found(const std::string& path) {
    return fail(ErrorKind::not_found, "\"/" + path + "\": not found");
}

tl::unexpected<Error> left_out(const std::string& path) {
    return fail(ErrorKind::not_found, "\"/" + path + "\": not found (.dockerignore leaves it out)");
}

/// True if a separator stands in a class or behind a backslash: then the pattern has no components to be matched one by
/// one.
bool hides_separator(std::string_view pattern) {
    bool is_in_class = false;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const bool is_escaped = pattern[i] == '\\' && ++i < pattern.size();
        if (i == pattern.size()) break;
        if (pattern[i] == '/' && (is_in_class || is_escaped)) return true;
        if (is_escaped) continue;
        if (pattern[i] == '[') is_in_class = true;
        if (pattern[i] == ']') is_in_class = false;
    }
    return false;
}

} // namespace

/// The path that a source without wildcards means: its symlinks followed, never out of the context.
Result<std::string> ContextView::follow(const std::string& path) const {
    return oci::follow_links(path, [&](const std::string& next) -> Result<std::optional<std::string>> {
        struct stat status {};
        if (::fstatat(root_.fd.get(), next.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return not_found(path);
            return root_.failure("cannot look at", next);
        }
        if (!S_ISLNK(status.st_mode)) return std::nullopt;
        if (root_.ignores(next)) return left_out(path); // a link that the builder does not get leads nowhere
        std::error_code error;
        auto target = fs::read_symlink(root_.path / next, error).string();
        if (!error) return target;
        return fail(ErrorKind::unavailable,
                    "cannot read link " + (root_.path / next).string() + ": " + error.message());
    });
}

/// The paths below a folder that match a pattern; nothing is looked for below a match.
Result<std::vector<std::string>> ContextView::matches_below(const std::string& folder,
                                                            const std::string& pattern) const {
    std::vector<std::string> found, waiting = {""};
    while (!waiting.empty()) {
        const auto above = std::move(waiting.back());
        waiting.pop_back();
        DBUILD_TRY_ASSIGN(const auto names, matching_names(joined(folder, above), "*"));
        for (const auto& name : names) {
            auto path = joined(above, name);
            DBUILD_TRY_ASSIGN(const bool matches, dockerfile_parser::match_path(pattern, path));
            (matches ? found : waiting).push_back(matches ? joined(folder, path) : std::move(path));
        }
    }
    return found;
}

/// The names in a folder that match one component of a pattern; none if it is no folder.
Result<std::vector<std::string>> ContextView::matching_names(const std::string& folder,
                                                             const std::string& pattern) const {
    std::vector<std::string> names;
    if (!folder.empty() && root_.skips(folder)) return names;
    Fd fd = root_.open_below(folder, O_RDONLY | O_DIRECTORY);
    if (!fd.is_open()) {
        if (errno == ENOTDIR || errno == ENOENT || errno == ELOOP) return names;
        return root_.failure("cannot read folder", folder);
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd.get()), &::closedir);
    if (!directory) return root_.failure("cannot read folder", folder);
    fd.release(); // closedir closes it
    while (const auto* item = ::readdir(directory.get())) {
        const std::string name(item->d_name);
        if (name == "." || name == "..") continue;
        DBUILD_TRY_ASSIGN(const bool matches, dockerfile_parser::match_path(pattern, name));
        if (matches) names.push_back(name);
    }
    return names;
}

/// The paths that match a pattern. The folders before its first wildcard are followed; from there on, only folders that
/// can match are listed.
Result<std::vector<std::string>> ContextView::matches(std::string_view wanted) const {
    DBUILD_TRY(dockerfile_parser::match_path(wanted, "")); // a malformed pattern is an error also without any file
    const auto begin = dockerfile_parser::find_pattern(wanted);
    DBUILD_TRY_ASSIGN(auto folder, follow(begin == 0 ? std::string() : std::string(wanted.substr(0, begin - 1))));
    std::vector<std::string> found = {std::move(folder)};
    std::string rest(wanted.substr(begin));
    if (hides_separator(rest)) {
        DBUILD_TRY_ASSIGN(found, matches_below(found.front(), std::exchange(rest, {})));
    }
    while (!rest.empty()) {
        const auto end = std::min(rest.find('/'), rest.size());
        const auto pattern = rest.substr(0, end);
        rest.erase(0, end + 1);
        std::vector<std::string> next;
        for (const auto& above : found) {
            DBUILD_TRY_ASSIGN(const auto names, matching_names(above, pattern));
            for (const auto& name : names) next.push_back(joined(above, name));
        }
        found = std::move(next);
    }
    std::sort(found.begin(), found.end());
    return found;
}

Status ContextView::load(const std::vector<std::string>& paths) {
    DBUILD_TRY_ASSIGN(auto files, read_folders(root_, cache_, trust_, paths, tree_));
    return hash_files(root_, std::move(files), tree_, cache_, counters_);
}

Result<std::vector<ContextView::Target>> ContextView::targets(std::string_view source) {
    const auto wanted = oci::clean_path(source);
    std::vector<Target> targets;
    if (!has_wildcard(source)) {
        DBUILD_TRY_ASSIGN(auto path, follow(wanted));
        DBUILD_TRY(load({path}));
        if (!tree_.find(path) && root_.ignores(path)) return left_out(wanted);
        if (!tree_.find(path)) return not_found(wanted);
        targets.push_back({path, path});
        return targets;
    }
    DBUILD_TRY_ASSIGN(auto paths, matches(wanted));
    DBUILD_TRY(load(paths));
    std::erase_if(paths, [&](const auto& path) { return !tree_.find(path); }); // ignored
    std::vector<std::string> behind_links;
    for (auto& path : paths) {
        DBUILD_TRY_ASSIGN(auto target, follow(path)); // a match that is a link is followed too
        behind_links.push_back(target);
        targets.push_back({std::move(path), std::move(target)});
    }
    DBUILD_TRY(load(behind_links));
    return targets;
}

} // namespace dbuild::cache::context
