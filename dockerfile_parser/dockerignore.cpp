// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/dockerignore.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::string_view k_special = "*?[]\\"; // a pattern without these is compared byte by byte

/// Go's filepath.Clean for a pattern, without a leading slash.
std::string clean_pattern(std::string_view pattern) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= pattern.size();) {
        const auto end = std::min(pattern.find('/', begin), pattern.size());
        const auto part = pattern.substr(begin, end - begin);
        if (part == ".." && !parts.empty() && parts.back() != "..")
            parts.pop_back();
        else if (!part.empty() && part != "." && !(part == ".." && pattern.starts_with('/')))
            parts.push_back(part);
        begin = end + 1;
    }
    std::string clean;
    for (const auto part : parts) {
        if (!clean.empty()) clean += '/';
        clean += part;
    }
    return clean;
}

} // namespace

Result<bool> match_path(std::string_view pattern, std::string_view name) {
    DBUILD_TRY_ASSIGN(const Glob glob, Glob::of_path(pattern));
    return glob.matches(name);
}

Result<IgnoreMatcher> IgnoreMatcher::parse(std::string_view text, std::string file_name) {
    IgnoreMatcher matcher;
    matcher.text_ = text;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    for (int number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
        if (line.starts_with('#')) continue;
        line = trim(line);
        if (line.empty()) continue;
        const SourceSpan where{file_name, number, number, 0};
        Pattern pattern;
        if (line.starts_with('!')) {
            pattern.is_exception = true;
            line = trim(line.substr(1));
            if (line.empty()) return fail(ErrorKind::invalid_dockerfile, "illegal exclusion pattern: \"!\"", where);
        }
        std::string cleaned = clean_pattern(line);
        if (cleaned.empty()) continue; // "." and "/" match nothing: the root is never left out
        if (cleaned.find_first_of(k_special) != cleaned.npos) {
            auto glob = Glob::of_ignore_line(cleaned);
            if (!glob) return fail(glob.error().kind, glob.error().message + ": " + std::string(line), where);
            pattern.glob = std::move(*glob);
        }
        matcher.add(std::move(pattern), std::move(cleaned));
    }
    std::sort(matcher.plain_exceptions_.begin(), matcher.plain_exceptions_.end());
    return matcher;
}

void IgnoreMatcher::add(Pattern pattern, std::string cleaned) {
    const auto number = static_cast<std::uint32_t>(patterns_.size());
    const bool has_wildcard = cleaned.find_first_of(k_special) != cleaned.npos;
    constexpr std::string_view at_every_depth = "**/";
    const auto name = std::string_view(cleaned).substr(std::min(at_every_depth.size(), cleaned.size()));
    if (pattern.is_exception)
        (has_wildcard ? wild_exceptions_ : plain_exceptions_)
            .push_back(has_wildcard ? pattern.glob.fixed_beginning() : cleaned);
    if (!has_wildcard)
        by_path_[std::move(cleaned)].push_back(number);
    else if (cleaned.starts_with(at_every_depth) && !name.empty() && name.find_first_of("/*?[]\\") == name.npos)
        by_name_[std::string(name)].push_back(number);
    else
        wildcards_.push_back(number);
    patterns_.push_back(std::move(pattern));
}

// As BuildKit's walk does (patternmatcher.MatchesUsingParentResults): a pattern that could not change a path's answer
// does not hold for it, and so does not reach its children either.
IgnoreMatcher::Verdict IgnoreMatcher::judge(const Verdict& folder, std::string_view relative_path) const {
    std::vector<std::uint32_t> candidates = folder.matched;
    const auto take = [&](const Index& index, std::string_view key) {
        if (index.empty()) return;
        if (const auto found = index.find(std::string(key)); found != index.end())
            candidates.insert(candidates.end(), found->second.begin(), found->second.end());
    };
    take(by_path_, relative_path);
    take(by_name_, relative_path.substr(relative_path.rfind('/') + 1)); // npos + 1 is 0
    for (const auto number : wildcards_)
        if (patterns_[number].glob.matches(relative_path)) candidates.push_back(number);
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    Verdict verdict;
    for (const auto number : candidates) {
        const bool is_exception = patterns_[number].is_exception;
        if (is_exception != verdict.is_ignored &&
            !std::binary_search(folder.matched.begin(), folder.matched.end(), number))
            continue;
        verdict.matched.push_back(number);
        verdict.is_ignored = !is_exception;
    }
    return verdict;
}

bool IgnoreMatcher::is_ignored(std::string_view relative_path) const {
    Verdict verdict;
    for (auto end = relative_path.find('/');; end = relative_path.find('/', end + 1)) {
        verdict = judge(verdict, relative_path.substr(0, end));
        if (end == relative_path.npos) return verdict.is_ignored;
    }
}

bool IgnoreMatcher::can_skip_directory(std::string_view relative_path) const {
    return can_skip_directory({is_ignored(relative_path), {}}, relative_path);
}

bool IgnoreMatcher::can_skip_directory(const Verdict& verdict, std::string_view relative_path) const {
    if (!verdict.is_ignored) return false;
    const std::string folder = std::string(relative_path) + "/";
    const auto below = std::lower_bound(plain_exceptions_.begin(), plain_exceptions_.end(), folder);
    if (below != plain_exceptions_.end() && below->starts_with(folder)) return false;
    // Where the fixed part of a pattern and the folder agree, something below may match.
    return std::none_of(wild_exceptions_.begin(), wild_exceptions_.end(), [&](const std::string& fixed) {
        return folder.starts_with(fixed) || fixed.starts_with(folder);
    });
}

} // namespace dbuild::dockerfile_parser
