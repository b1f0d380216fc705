// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/annotations.hpp"

#include "dockerfile_parser/platform.hpp"
#include "orchestrator/command_line/fields.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace dbuild::orchestrator {
namespace {

using Level = Annotation::Level;

constexpr std::array<std::pair<std::string_view, Level>, 4> k_levels = {
    {{"manifest", Level::manifest},
     {"manifest-descriptor", Level::manifest_descriptor},
     {"index", Level::index},
     {"index-descriptor", Level::index_descriptor}}};

Result<Level> parse_level(std::string_view text) {
    for (const auto& [name, level] : k_levels)
        if (name == text) return level;
    return fail(ErrorKind::usage, fmt::format("unknown annotation type \"{}\"", text));
}

} // namespace

Result<std::vector<Annotation>> annotations_at(std::string_view levels, const std::string& name,
                                               const std::string& value) {
    std::vector<Annotation> annotations;
    for (const auto& word : split_list(levels)) {
        const auto bracket = word.find('[');
        Annotation annotation{Level::manifest, {}, name, value};
        DBUILD_TRY_ASSIGN(annotation.level, parse_level(std::string_view(word).substr(0, bracket)));
        if (bracket != word.npos) {
            if (!word.ends_with(']'))
                return fail(ErrorKind::usage, fmt::format("invalid annotation type \"{}\"", word));
            auto platform = dockerfile_parser::normalized_platform(
                std::string_view(word).substr(bracket + 1, word.size() - bracket - 2), native_platform());
            if (!platform) return fail(ErrorKind::usage, "annotation: " + platform.error().message);
            annotation.platform = std::move(*platform);
        }
        annotations.push_back(std::move(annotation));
    }
    return annotations;
}

Result<std::vector<Annotation>> parse_annotations(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == text.npos || equals == 0)
        return fail(ErrorKind::usage, fmt::format("invalid annotation \"{}\", expected key=value", text));
    const auto key = text.substr(0, equals);
    const std::string value(text.substr(equals + 1));
    const auto colon = key.find(':');
    if (colon == key.npos) return annotations_at("manifest", std::string(key), value);
    if (colon + 1 == key.size())
        return fail(ErrorKind::usage, fmt::format("invalid annotation \"{}\", it has no name", text));
    return annotations_at(key.substr(0, colon), std::string(key.substr(colon + 1)), value);
}

std::map<std::string, std::string> select(const std::vector<Annotation>& annotations, Annotation::Level level,
                                          std::string_view platform) {
    std::map<std::string, std::string> selected;
    for (const auto& annotation : annotations)
        if (annotation.level == level && (annotation.platform.empty() || annotation.platform == platform))
            selected.insert_or_assign(annotation.name, annotation.value);
    return selected;
}

} // namespace dbuild::orchestrator
