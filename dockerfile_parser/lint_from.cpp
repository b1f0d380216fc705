// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/lint_rules.hpp"
#include "dockerfile_parser/platform.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace dbuild::dockerfile_parser {
namespace {

/// An image name that cannot be one, as far as its ends show it.
bool is_broken_image_name(std::string_view name) {
    return name.empty() || std::string_view(":/@-").find(name.front()) != std::string_view::npos ||
           std::string_view(":/@").find(name.back()) != std::string_view::npos || name.find("::") != name.npos ||
           name.find(":@") != name.npos;
}

/// Operating system and architecture, without the variant.
std::string_view without_variant(std::string_view platform) {
    return platform.substr(0, platform.find('/', std::min(platform.find('/'), platform.size() - 1) + 1));
}

class FromLinter {
public:
    FromLinter(const LintInput& input, LintFindings& findings) : input_(input), findings_(findings) {
        if (auto values = global_arguments(input.dockerfile, "", input.context.build_arguments, input.context.platform))
            values_ = std::move(*values);
        std::set<std::string> names;
        for (const auto& [name, value] : values_) names.insert(name);
        for (const Instruction& instruction : input.dockerfile.global_args)
            for (const auto& item : std::get<ArgInstruction>(instruction.body).items) names.insert(item.name);
        declared_.assign(names.begin(), names.end());
    }

    void check(const Stage& stage, const SyntaxNode& node) {
        node_ = &node;
        check_name(stage.from.stage_name);
        check_image(stage.from.image);
        check_platform(stage.from);
        check_base_platform(input_.graph.stages[static_cast<std::size_t>(stage.index)]);
    }

private:
    struct Expansion {
        Result<std::string> value;
        std::set<std::string> asked, undeclared;
    };
    Expansion expand(std::string_view text) const {
        std::set<std::string> asked, undeclared;
        const VariableLookup lookup = [&](std::string_view name) -> std::optional<std::string> {
            asked.emplace(name);
            const auto found = values_.find(std::string(name));
            if (found != values_.end()) return found->second;
            if (!std::binary_search(declared_.begin(), declared_.end(), name)) undeclared.emplace(name);
            return std::nullopt;
        };
        auto value = expand_word(text, lookup, input_.dockerfile.escape);
        return {std::move(value), std::move(asked), std::move(undeclared)};
    }

    WordPlace image_place() const { return word_place(*node_, 0); }
    WordPlace platform_place() const {
        return node_->flag_ranges.empty() ? image_place() : place_of(*node_, node_->flag_ranges.front());
    }

    void check_name(const std::string& name) {
        if (name == "scratch" || name == "context")
            findings_.add("ReservedStageName",
                          fmt::format("Stage name should not use the same name as reserved stage {}", quoted(name)),
                          word_place(*node_, 2));
        if (!name.empty() && !stage_names_.insert(name).second)
            findings_.add("DuplicateStageName",
                          fmt::format("Duplicate stage name {}, stage names should be unique", quoted(name)),
                          word_place(*node_, 2));
    }

    void check_declared(const Expansion& expansion, const WordPlace& place) {
        for (const std::string& name : expansion.undeclared)
            findings_.add("UndefinedArgInFrom",
                          fmt::format("FROM argument '{}' is not declared{}", name,
                                      suggestion(name, declared_, CaseRule::sensitive)),
                          place);
    }

    void check_image(const std::string& image) {
        const Expansion expansion = expand(image);
        check_declared(expansion, image_place());
        if (image.find('$') != image.npos && expansion.value && is_broken_image_name(*expansion.value))
            findings_.add("InvalidDefaultArgInFrom",
                          fmt::format("Default value for ARG {} results in empty or invalid base image name", image),
                          image_place());
    }

    void check_platform(const FromInstruction& from) {
        if (from.platform.empty()) return;
        const Expansion expansion = expand(from.platform);
        check_declared(expansion, platform_place());
        if (!expansion.value) return;
        if (expansion.asked == std::set<std::string>{"TARGETPLATFORM"} &&
            *expansion.value == values_.at("TARGETPLATFORM"))
            findings_.add("RedundantTargetPlatform",
                          fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default "
                                      "behavior",
                                      from.platform),
                          platform_place());
        if (!expansion.asked.empty()) return;
        const auto platform = normalized_platform(*expansion.value, input_.context.platform);
        if (!platform) return;
        const auto slash = platform->find('/');
        const auto os = platform->substr(0, slash);
        const auto architecture = without_variant(*platform).substr(slash + 1);
        // A stage that is named for its platform means it.
        if (from.stage_name.find(os) != std::string::npos || from.stage_name.find(architecture) != std::string::npos)
            return;
        findings_.add("FromPlatformFlagConstDisallowed",
                      fmt::format("FROM --platform flag should not use constant value {}", quoted(*expansion.value)),
                      platform_place());
    }

    void check_base_platform(const StageNode& stage) {
        if (stage.base.kind != StageReference::Kind::image || !input_.context.find_base) return;
        const auto image = input_.context.find_base(stage.base.image);
        const std::string& wanted = stage.platform.empty() ? input_.context.platform : stage.platform;
        if (!image || without_variant(image->platform) == without_variant(wanted)) return;
        findings_.add("InvalidBaseImagePlatform",
                      fmt::format("Base image {} was pulled with platform {}, expected {} for current build",
                                  stage.base.image, quoted(image->platform), quoted(wanted)),
                      image_place());
    }

    const LintInput& input_;
    LintFindings& findings_;
    std::map<std::string, std::string> values_;
    std::vector<std::string> declared_; // sorted
    std::set<std::string> stage_names_; // so far
    const SyntaxNode* node_ = nullptr;
};

} // namespace

void lint_from_lines(const LintInput& input, LintFindings& findings) {
    FromLinter linter(input, findings);
    auto stage = input.dockerfile.stages.begin();
    for (const SyntaxNode& node : input.tree.nodes)
        if (ascii_upper(node.keyword) == "FROM") linter.check(*stage++, node);
}

} // namespace dbuild::dockerfile_parser
