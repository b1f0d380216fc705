// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/context_changes.hpp"

#include "cache/oci/copy_selection.hpp"
#include "cache/oci/path_walk.hpp"
#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/glob.hpp"

#include <algorithm>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

bool is_at_or_below(std::string_view path, std::string_view folder) {
    return folder.empty() || path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

/// The first `count` components; all of them if there are fewer.
std::string_view first_components(std::string_view path, std::ptrdiff_t count) {
    for (std::size_t i = 0; i < path.size(); ++i)
        if (path[i] == '/' && --count == 0) return path.substr(0, i);
    return path;
}

/// The path with the first link on it followed; nothing if there is none. A link that leaves the root ends at it, as in
/// a builder.
std::optional<std::string> follow_one_link(const fs::path& root, const std::string& path) {
    fs::path done, whole(path);
    for (auto part = whole.begin(); part != whole.end(); ++part) {
        done /= *part;
        std::error_code error;
        const auto target = fs::read_symlink(root / done, error);
        if (error) continue;
        fs::path rest;
        for (auto next = std::next(part); next != whole.end(); ++next) rest /= *next;
        const auto from = target.is_absolute() ? target.relative_path() : done.parent_path() / target;
        return cache::oci::clean_path((from / rest).string());
    }
    return std::nullopt;
}

} // namespace

Result<ContextChanges> ContextChanges::of(const fs::path& root, const std::vector<std::string>& changed,
                                          const std::string& ignore_text, const std::string& ignore_name) {
    DBUILD_TRY_ASSIGN(const auto matcher, dockerfile_parser::IgnoreMatcher::parse(ignore_text, ignore_name));
    ContextChanges changes;
    std::error_code error;
    changes.root_ = fs::canonical(root, error);
    if (error) changes.root_ = fs::absolute(root).lexically_normal();
    const auto folder = changes.root_.string();
    for (const auto& path : changed) {
        if (!is_at_or_below(path, folder) || path.size() <= folder.size() + 1) continue;
        auto below = path.substr(folder.size() + 1);
        if (!matcher.is_ignored(below)) changes.changed_.push_back(std::move(below));
    }
    return changes;
}

std::optional<std::string> ContextChanges::any() const {
    return changed_.empty() ? std::nullopt : std::optional(changed_.front());
}

std::optional<std::string> ContextChanges::find(std::string_view source) const {
    if (changed_.empty()) return std::nullopt;
    const auto path = cache::oci::clean_path(source);
    return dockerfile_parser::has_wildcard(source) ? find_pattern(path) : find_literal(path);
}

/// Also what lies on the way: a folder that was a file or a link before.
std::optional<std::string> ContextChanges::find_literal(std::string path) const {
    constexpr int k_most_links = 40; // as the kernel
    for (int links = 0; links < k_most_links; ++links) {
        for (const auto& changed : changed_)
            if (is_at_or_below(changed, path) || is_at_or_below(path, changed)) return changed;
        auto next = follow_one_link(root_, path);
        if (!next) return std::nullopt;
        path = std::move(*next);
    }
    return path;
}

std::optional<std::string> ContextChanges::find_pattern(const std::string& pattern) const {
    const auto glob = dockerfile_parser::Glob::of_path(pattern);
    if (!glob) return pattern; // the build says what is wrong with it
    const auto depth = std::count(pattern.begin(), pattern.end(), '/') + 1;
    for (const auto& changed : changed_)
        if (glob->matches(first_components(changed, depth))) return changed;
    const auto slash = pattern.rfind('/');
    const auto folder = slash == pattern.npos ? std::string() : pattern.substr(0, slash);
    if (const auto begin = dockerfile_parser::find_pattern(folder); begin != folder.npos)
        return find_literal(folder.substr(0, begin == 0 ? 0 : begin - 1)); // links may be anywhere below
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_ / folder, error)) {
        const auto path =
            folder.empty() ? entry.path().filename().string() : folder + "/" + entry.path().filename().string();
        if (entry.is_symlink(error) && glob->matches(path))
            if (auto changed = find_literal(path)) return changed;
    }
    return std::nullopt;
}

} // namespace dbuild::orchestrator
