// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/lint_rules.hpp"
#include "dockerfile_parser/stage_walk.hpp"
#include "dockerfile_parser/unicode.hpp"
#include "dockerfile_parser/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::size_t k_most_names = 1000; // that a name is compared with: more would make the time quadratic

/// Whether a part of the name between underscores is one of the words for secrets, and none says "public".
bool names_a_secret(std::string_view name) {
    constexpr std::array<std::string_view, 10> k_words = {"apikey",   "auth",  "credential", "credentials", "key",
                                                          "password", "pword", "passwd",     "secret",      "token"};
    bool is_secret = false;
    const std::string lower = ascii_lower(name);
    for (std::size_t begin = 0; begin <= lower.size();) {
        const auto end = std::min(lower.find('_', begin), lower.size());
        const auto part = std::string_view(lower).substr(begin, end - begin);
        if (part == "public") return false;
        is_secret = is_secret || std::find(k_words.begin(), k_words.end(), part) != k_words.end();
        begin = end + 1;
    }
    return is_secret;
}

class InstructionLinter final : public StageVisitor {
public:
    InstructionLinter(const LintInput& input, LintFindings& findings)
        : input_(input), findings_(findings),
          looks_for_ignored_(input.context.ignored != nullptr && input.settings.tries("CopyIgnoredFile")),
          ends_(input.graph.stages.size()) {}

    void begin_stage(const StageNode& stage) override {
        state_ = &ends_[static_cast<std::size_t>(stage.index)];
        if (stage.base.kind == StageReference::Kind::stage)
            *state_ = ends_[static_cast<std::size_t>(stage.base.stage_index)];
        last_.clear();
    }

    void begin_instruction(const WalkedInstruction& instruction) override {
        const std::string& keyword = instruction.keyword;
        if (keyword == "SHELL") state_->has_shell = true;
        if (keyword == "CMD" || keyword == "ENTRYPOINT") check_form(instruction);
        if (keyword == "CMD" || keyword == "ENTRYPOINT" || keyword == "HEALTHCHECK") check_repetition(instruction);
        if (keyword != "ARG") return;
        for (std::size_t i = 0; i < instruction.node.words.size(); ++i) {
            const std::string& word = instruction.node.words[i];
            check_secret("ARG", word.substr(0, word.find('=')),
                         instruction.is_trigger ? instruction.keyword_place : word_place(instruction.node, i));
        }
    }

    void visit_word(const WalkedInstruction& instruction, const WalkedWord& word) override {
        const std::string& keyword = instruction.keyword;
        check_undefined(word);
        if (keyword == "WORKDIR") check_directory(word);
        if (!word.value) return;
        if (keyword == "ENV" && word.role == WalkedWord::Role::name) check_secret("ENV", *word.value, word.place);
        if (keyword == "EXPOSE") check_port_form(word);
        if (word.role == WalkedWord::Role::source && looks_for_ignored_) check_ignored(instruction, word);
    }

private:
    /// What is known at the end of a stage, for those based on it.
    struct StageEnd {
        bool has_shell = false;
        bool has_workdir = false;
    };

    void check_undefined(const WalkedWord& word) {
        if (word.undefined.empty()) return;
        static const std::vector<std::string> k_none;
        const auto& known = word.valued->size() <= k_most_names ? *word.valued : k_none;
        for (const std::string& name : word.undefined) {
            if (name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE") continue; // never variables
            const std::string near = suggestion(name, known, CaseRule::sensitive);
            if (!word.knows_all_variables && near.empty()) continue;
            constexpr std::string_view beginning = " (did you mean ";
            const std::string hint = near.empty() ? "" : fmt::format("{}${}", beginning, near.substr(beginning.size()));
            findings_.add("UndefinedVar", fmt::format("Usage of undefined variable '${}'{}", name, hint), word.place);
        }
    }

    void check_secret(std::string_view keyword, const std::string& name, const WordPlace& place) {
        if (names_a_secret(name))
            findings_.add(
                "SecretsUsedInArgOrEnv",
                fmt::format("Do not use ARG or ENV instructions for sensitive data ({} {})", keyword, quoted(name)),
                place);
    }

    void check_form(const WalkedInstruction& instruction) {
        if (!instruction.node.is_json && !state_->has_shell)
            findings_.add("JSONArgsRecommended",
                          fmt::format("JSON arguments recommended for {} to prevent unintended behavior related to OS "
                                      "signals",
                                      instruction.keyword),
                          instruction.keyword_place);
    }

    /// Of several the earlier ones are what will be ignored.
    void check_repetition(const WalkedInstruction& instruction) {
        const auto [last, is_first] = last_.emplace(instruction.keyword, instruction.keyword_place);
        if (is_first) return;
        findings_.add("MultipleInstructionsDisallowed",
                      fmt::format("Multiple {} instructions should not be used in the same stage because only the last "
                                  "one will be used",
                                  instruction.keyword),
                      last->second);
        last->second = instruction.keyword_place;
    }

    void check_directory(const WalkedWord& word) {
        if (word.value && !word.value->starts_with('/') && !state_->has_workdir)
            findings_.add("WorkdirRelativePath",
                          fmt::format("Relative workdir {} can have unexpected results if the base image changes",
                                      quoted(*word.value)),
                          word.place);
        state_->has_workdir = true; // one warning is enough
    }

    void check_port_form(const WalkedWord& word) {
        const std::string& port = *word.value;
        const auto protocol = port.substr(std::min(port.find('/'), port.size()));
        if (ascii_lower(protocol) != protocol)
            findings_.add("ExposeProtoCasing",
                          fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port),
                          word.place);
        if (port.find(':') != port.npos)
            findings_.add(
                "ExposeInvalidFormat",
                fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, found '{}'",
                            port),
                word.place);
    }

    void check_ignored(const WalkedInstruction& instruction, const WalkedWord& word) {
        const auto& flags = instruction.node.flags;
        const bool is_from_elsewhere = std::any_of(flags.begin(), flags.end(),
                                                   [](const std::string& flag) { return flag.starts_with("--from="); });
        if (is_from_elsewhere || is_remote_source(*word.value) || !input_.context.ignored->is_ignored(*word.value))
            return;
        findings_.add("CopyIgnoredFile",
                      fmt::format("Attempting to {} file {} that is excluded by .dockerignore",
                                  instruction.keyword == "ADD" ? "Add" : "Copy", quoted(*word.value)),
                      word.place);
    }

    const LintInput& input_;
    LintFindings& findings_;
    const bool looks_for_ignored_;
    std::vector<StageEnd> ends_;            // by index
    StageEnd* state_ = nullptr;             // of the stage that is visited
    std::map<std::string, WordPlace> last_; // CMD, ENTRYPOINT and HEALTHCHECK of this stage
};

} // namespace

void lint_instructions(const LintInput& input, LintFindings& findings) {
    InstructionLinter linter(input, findings);
    walk_stages(input.tree, input.dockerfile, input.graph, input.context, linter);
}

} // namespace dbuild::dockerfile_parser
