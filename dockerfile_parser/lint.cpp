// SPDX-License-Identifier: Apache-2.0
// Texts and conditions: moby/buildkit frontend/dockerfile/linter/ruleset.go and dockerfile2llb/convert.go.
#include "dockerfile_parser/lint.hpp"

#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/platform.hpp"
#include "dockerfile_parser/unicode.hpp"
#include "dockerfile_parser/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::string_view k_platform = "linux/amd64"; // a file is judged alike on every machine
constexpr std::size_t k_most_names = 1000; // that a name is compared with: more would make the time quadratic

bool is_lower(std::string_view text) { return ascii_lower(text) == text; }
bool is_upper(std::string_view text) { return ascii_upper(text) == text; }

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

/// An image name that cannot be one, as far as its ends show it.
bool is_broken_image_name(std::string_view name) {
    return name.empty() || std::string_view(":/@-").find(name.front()) != std::string_view::npos ||
           std::string_view(":/@").find(name.back()) != std::string_view::npos || name.find("::") != name.npos ||
           name.find(":@") != name.npos;
}

class Linter {
public:
    Linter(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph, const IgnoreMatcher* ignored)
        : tree_(tree), dockerfile_(dockerfile), graph_(graph), ignored_(ignored),
          settings_(LintSettings::parse(tree.check)) {
        if (!settings_.tries("CopyIgnoredFile")) ignored_ = nullptr;
    }

    std::vector<LintWarning> run() {
        for (const SyntaxNode& node : tree_.nodes) check_node(node);
        for (const auto& [message, where] : dockerfile_.directive_warnings) warn("DbuildDirective", message, where);
        check_keyword_casing();
        check_stage_names();
        declare_globals();
        for (const Stage& stage : dockerfile_.stages) {
            check_from(stage);
            check_stage(stage);
        }
        drop_skipped();
        return std::move(warnings_);
    }

private:
    void warn(std::string rule, std::string message, const SourceSpan& where) {
        warnings_.push_back({std::move(rule), std::move(message), where});
    }

    void check_node(const SyntaxNode& node) {
        const std::string keyword = ascii_upper(node.keyword);
        if (node.has_empty_continuation) {
            SourceSpan end = node.where;
            end.first_line = end.last_line;
            warn("NoEmptyContinuation", "Empty continuation line", end);
        }
        if (keyword == "MAINTAINER")
            warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", node.where);
        if ((keyword == "ENV" || keyword == "LABEL") && node.words.size() >= 3 && node.words[2].empty())
            warn("LegacyKeyValueFormat",
                 fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format",
                             node.keyword),
                 node.where);
        check_description(node, keyword);
        if (keyword != "FROM" || node.words.size() != 3) return;
        const bool is_mixed = !is_lower(node.keyword) && !is_upper(node.keyword);
        if (!is_mixed && node.words[1] != (is_lower(node.keyword) ? "as" : "AS"))
            warn("FromAsCasing",
                 fmt::format("'{}' and '{}' keywords' casing do not match", node.words[1], node.keyword), node.where);
        if (!is_lower(node.words[2]))
            warn("StageNameCasing", fmt::format("Stage name '{}' should be lowercase", node.words[2]), node.where);
    }

    /// The comment above an ARG or a named stage is shown as its description, if it begins with the name.
    void check_description(const SyntaxNode& node, const std::string& keyword) {
        if (!settings_.tries("InvalidDefinitionDescription") || node.comment.empty()) return;
        std::vector<std::string> names;
        if (keyword == "ARG")
            for (const std::string& word : node.words) names.push_back(word.substr(0, word.find('=')));
        if (keyword == "FROM" && node.words.size() == 3) names.push_back(ascii_lower(node.words[2]));
        const std::string first = node.comment.substr(0, node.comment.find(' '));
        if (names.empty() || std::find(names.begin(), names.end(), first) != names.end()) return;
        warn("InvalidDefinitionDescription",
             fmt::format("Comment for {} should follow the format: `# {} <description>`", keyword,
                         names.size() > 1 ? "<arg_key>" : names[0]),
             node.where);
    }

    void check_ignored(const CopyInstruction& copy, const SourceSpan& where) {
        if (ignored_ == nullptr || !copy.from.empty()) return;
        const VariableLookup no_variables = [](std::string_view) { return std::optional<std::string>(); };
        for (const std::string& source : copy.sources) {
            if (source.find('$') != source.npos || is_remote_source(source)) continue;
            const auto path = expand_word(source, no_variables, dockerfile_.escape); // without its quotes
            if (path && ignored_->is_ignored(*path))
                warn("CopyIgnoredFile",
                     fmt::format("Attempting to {} file {} that is excluded by .dockerignore",
                                 copy.is_add ? "Add" : "Copy", quoted(*path)),
                     where);
        }
    }

    void check_keyword_casing() {
        int lower = 0, upper = 0;
        for (const SyntaxNode& node : tree_.nodes) {
            lower += is_lower(node.keyword);
            upper += is_upper(node.keyword);
        }
        const bool wants_lower = lower > upper;
        for (const SyntaxNode& node : tree_.nodes)
            if (wants_lower ? !is_lower(node.keyword) : !is_upper(node.keyword))
                warn("ConsistentInstructionCasing",
                     fmt::format("Command '{}' should match the case of the command majority ({})", node.keyword,
                                 wants_lower ? "lowercase" : "uppercase"),
                     node.where);
    }

    void check_stage_names() {
        std::set<std::string> names;
        for (const Stage& stage : dockerfile_.stages) {
            const std::string& name = stage.from.stage_name;
            if (name == "scratch" || name == "context")
                warn("ReservedStageName",
                     fmt::format("Stage name should not use the same name as reserved stage {}", quoted(name)),
                     stage.where);
            if (!name.empty() && !names.insert(name).second)
                warn("DuplicateStageName",
                     fmt::format("Duplicate stage name {}, stage names should be unique", quoted(name)), stage.where);
        }
    }

    void declare_globals() {
        if (auto values = global_arguments(dockerfile_, "", {}, k_platform)) global_values_ = std::move(*values);
        for (const auto& [name, value] : global_values_) global_names_.insert(name);
        for (const Instruction& instruction : dockerfile_.global_args)
            for (const auto& item : std::get<ArgInstruction>(instruction.body).items) {
                global_names_.insert(item.name);
                check_secret("ARG", item.name, instruction.where);
            }
    }

    void check_secret(std::string_view keyword, const std::string& name, const SourceSpan& where) {
        if (names_a_secret(name))
            warn("SecretsUsedInArgOrEnv",
                 fmt::format("Do not use ARG or ENV instructions for sensitive data ({} {})", keyword, quoted(name)),
                 where);
    }

    /// The variables a text asks for that are not among the names, each once.
    enum class Form { word, heredoc };
    std::set<std::string> undefined_in(std::string_view text, const std::set<std::string>& names,
                                       Form form = Form::word) const {
        std::set<std::string> missing;
        const VariableLookup lookup = [&](std::string_view name) -> std::optional<std::string> {
            if (names.contains(std::string(name))) return "x";
            missing.insert(std::string(name));
            return std::nullopt;
        };
        // Errors are the build's to report.
        (void)(form == Form::heredoc ? expand_heredoc(text, lookup) : expand_word(text, lookup, dockerfile_.escape));
        return missing;
    }

    void check_from(const Stage& stage) {
        const std::vector<std::string> known(global_names_.begin(), global_names_.end());
        for (const auto* text : {&stage.from.image, &stage.from.platform})
            for (const std::string& name : undefined_in(*text, global_names_))
                warn("UndefinedArgInFrom",
                     fmt::format("FROM argument '{}' is not declared{}", name,
                                 suggestion(name, known, CaseRule::insensitive)),
                     stage.where);
        const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
            const auto found = global_values_.find(std::string(name));
            return found == global_values_.end() ? std::nullopt : std::optional(found->second);
        };
        const bool has_variable = stage.from.image.find('$') != std::string::npos;
        if (const auto image = expand_word(stage.from.image, lookup, dockerfile_.escape);
            has_variable && image && is_broken_image_name(*image))
            warn("InvalidDefaultArgInFrom",
                 fmt::format("Default value for ARG {} results in empty or invalid base image name", stage.from.image),
                 stage.where);
        check_platform(stage);
    }

    void check_platform(const Stage& stage) {
        const std::string& written = stage.from.platform;
        std::set<std::string> asked, missing;
        const VariableLookup lookup = [&](std::string_view name) -> std::optional<std::string> {
            const auto found = global_values_.find(std::string(name));
            (found == global_values_.end() ? missing : asked).emplace(name);
            return found == global_values_.end() ? std::nullopt : std::optional(found->second);
        };
        const auto value = expand_word(written, lookup, dockerfile_.escape);
        if (!value) return;
        if (missing.empty() && asked == std::set<std::string>{"TARGETPLATFORM"} &&
            *value == global_values_.at("TARGETPLATFORM"))
            warn("RedundantTargetPlatform",
                 fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                             written),
                 stage.where);
        if (written.empty() || !asked.empty() || !missing.empty()) return;
        const auto platform = normalized_platform(*value, k_platform);
        if (!platform) return;
        const auto slash = platform->find('/');
        const std::string os = platform->substr(0, slash);
        const std::string architecture = platform->substr(slash + 1, platform->find('/', slash + 1) - slash - 1);
        const std::string& name = stage.from.stage_name; // a stage named for its platform means it
        if (name.find(os) != std::string::npos || name.find(architecture) != std::string::npos) return;
        warn("FromPlatformFlagConstDisallowed",
             fmt::format("FROM --platform flag should not use constant value {}", quoted(*value)), stage.where);
    }

    /// What is known at the end of a stage, for those based on it.
    struct StageEnd {
        std::set<std::string> names = {"PATH",       "HTTP_PROXY",  "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
                                       "http_proxy", "https_proxy", "ftp_proxy",   "no_proxy",  "all_proxy"};
        std::vector<std::string> valued = {"PATH"}; // those that have a value, in order: what may have been meant
        bool knows_all = false;                     // the base is scratch: no image can define more
        bool has_shell = false;
        bool has_workdir = false;
    };

    void check_stage(const Stage& stage) {
        StageEnd end;
        const StageReference& base = graph_.stages[static_cast<std::size_t>(stage.index)].base;
        if (base.kind == StageReference::Kind::stage) end = ends_[static_cast<std::size_t>(base.stage_index)];
        if (base.kind == StageReference::Kind::scratch) end.knows_all = true;
        std::array<const Instruction*, 3> last = {}; // CMD, ENTRYPOINT, HEALTHCHECK
        for (const Instruction& instruction : stage.instructions) {
            check_instruction(instruction, end);
            const std::array<std::string_view, 3> once = {"CMD", "ENTRYPOINT", "HEALTHCHECK"};
            for (std::size_t i = 0; i < once.size(); ++i) {
                if (instruction.keyword != once[i]) continue;
                if (last[i] != nullptr) // the earlier one is what will be ignored
                    warn("MultipleInstructionsDisallowed",
                         fmt::format(
                             "Multiple {} instructions should not be used in the same stage because only the last one "
                             "will be used",
                             once[i]),
                         last[i]->where);
                last[i] = &instruction;
            }
        }
        ends_.push_back(std::move(end));
    }

    void check_undefined(const Instruction& instruction, std::string_view text, const StageEnd& state,
                         Form form = Form::word) {
        const auto missing = undefined_in(text, state.names, form);
        if (missing.empty()) return;
        std::vector<std::string> known;
        if (state.valued.size() <= k_most_names) known = state.valued;
        for (const std::string& name : missing) {
            const std::string near = suggestion(name, known, CaseRule::insensitive);
            if (!state.knows_all && near.empty()) continue;
            constexpr std::string_view beginning = " (did you mean ";
            const std::string hint = near.empty() ? "" : fmt::format("{}${}", beginning, near.substr(beginning.size()));
            warn("UndefinedVar", fmt::format("Usage of undefined variable '${}'{}", name, hint), instruction.where);
        }
    }

    void check_instruction(const Instruction& instruction, StageEnd& state) {
        const auto check = [&](const std::string& text) { check_undefined(instruction, text, state); };
        const auto& where = instruction.where;
        if (const auto* arg = std::get_if<ArgInstruction>(&instruction.body)) {
            for (const auto& item : arg->items) {
                if (item.value) check(*item.value);
                check_secret("ARG", item.name, where);
                const bool has_value = item.value || global_values_.contains(item.name);
                if (state.names.insert(item.name).second && has_value) state.valued.push_back(item.name);
            }
        } else if (const auto* env = std::get_if<EnvInstruction>(&instruction.body)) {
            for (const auto& pair : env->pairs) {
                check(pair.value);
                check_secret("ENV", pair.key, where);
            }
            for (const auto& pair : env->pairs)
                if (state.names.insert(pair.key).second) state.valued.push_back(pair.key);
        } else if (const auto* label = std::get_if<LabelInstruction>(&instruction.body)) {
            for (const auto& pair : label->pairs) check(pair.value);
        } else if (const auto* copy = std::get_if<CopyInstruction>(&instruction.body)) {
            for (const auto& source : copy->sources) check(source);
            for (const auto* text : {&copy->destination, &copy->chown, &copy->chmod}) check(*text);
            for (const auto& heredoc : copy->heredocs)
                if (heredoc.expands) check_undefined(instruction, heredoc.body, state, Form::heredoc);
            check_ignored(*copy, where);
        } else if (const auto* user = std::get_if<UserInstruction>(&instruction.body)) {
            check(user->user);
        } else if (const auto* volume = std::get_if<VolumeInstruction>(&instruction.body)) {
            for (const auto& path : volume->paths) check(path);
        } else if (const auto* stop = std::get_if<StopsignalInstruction>(&instruction.body)) {
            check(stop->signal);
        } else if (const auto* workdir = std::get_if<WorkdirInstruction>(&instruction.body)) {
            check(workdir->path);
            const std::string_view beginnings = "/$\"";
            const bool may_be_absolute =
                !workdir->path.empty() && beginnings.find(workdir->path.front()) != beginnings.npos;
            if (!may_be_absolute && !state.has_workdir && !state.knows_all)
                warn("WorkdirRelativePath",
                     fmt::format("Relative workdir {} can have unexpected results if the base image changes",
                                 quoted(workdir->path)),
                     where);
            state.has_workdir = true; // one warning is enough
        } else if (const auto* expose = std::get_if<ExposeInstruction>(&instruction.body)) {
            for (const auto& port : expose->ports) {
                check(port);
                check_port(port, where);
            }
        } else if (std::holds_alternative<ShellInstruction>(instruction.body)) {
            state.has_shell = true;
        } else if (const auto* cmd = std::get_if<CmdInstruction>(&instruction.body)) {
            check_form(cmd->command, instruction, state);
        } else if (const auto* entrypoint = std::get_if<EntrypointInstruction>(&instruction.body)) {
            check_form(entrypoint->command, instruction, state);
        }
    }

    void check_form(const CommandLine& command, const Instruction& instruction, const StageEnd& state) {
        if (!command.is_exec_form && !state.has_shell)
            warn("JSONArgsRecommended",
                 fmt::format("JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                             instruction.keyword),
                 instruction.where);
    }

    void check_port(const std::string& port, const SourceSpan& where) {
        const auto slash = port.find('/');
        const std::string protocol = slash == std::string::npos ? "" : port.substr(slash + 1);
        if (protocol.find('$') == std::string::npos && !is_lower(protocol))
            warn("ExposeProtoCasing",
                 fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port), where);
        if (port.find('$') == std::string::npos && port.find(':') != std::string::npos)
            warn("ExposeInvalidFormat",
                 fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, found '{}'",
                             port),
                 where);
    }

    void drop_skipped() {
        std::map<int, LintSettings> of_lines;
        for (const SyntaxNode& node : tree_.nodes)
            if (!node.check.empty()) of_lines.emplace(node.where.first_line, LintSettings::parse(node.check));
        std::erase_if(warnings_, [&](const LintWarning& warning) {
            const auto own = of_lines.find(warning.where.first_line);
            return settings_.skips(warning.rule) || (own != of_lines.end() && own->second.skips(warning.rule));
        });
        std::stable_sort(warnings_.begin(), warnings_.end(), [](const LintWarning& a, const LintWarning& b) {
            return a.where.first_line < b.where.first_line;
        });
    }

    const SyntaxTree& tree_;
    const Dockerfile& dockerfile_;
    const StageGraph& graph_;
    const IgnoreMatcher* ignored_; // null: CopyIgnoredFile is off
    LintSettings settings_;
    std::map<std::string, std::string> global_values_;
    std::set<std::string> global_names_;
    std::vector<StageEnd> ends_; // of the stages so far, by index
    std::vector<LintWarning> warnings_;
};

} // namespace

LintSettings LintSettings::parse(std::string_view text) {
    LintSettings settings;
    while (!text.empty()) {
        const auto part = trim(text.substr(0, text.find(';')));
        text.remove_prefix(std::min(text.find(';'), text.size() - 1) + 1);
        const auto equals = part.find('=');
        if (equals == part.npos) continue;
        const auto name = trim(part.substr(0, equals));
        auto values = part.substr(equals + 1);
        if (name == "error") settings.warnings_are_errors = trim(values) == "true" || trim(values) == "1";
        if (name != "skip" && name != "experimental") continue;
        const bool is_skip = name == "skip";
        while (!values.empty()) {
            const auto rule = trim(values.substr(0, values.find(',')));
            values.remove_prefix(std::min(values.find(','), values.size() - 1) + 1);
            if (rule == "all") (is_skip ? settings.skips_all : settings.tries_all) = true;
            (is_skip ? settings.skipped : settings.experimental).insert(std::string(rule));
        }
    }
    return settings;
}

std::vector<LintWarning> lint(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                              const IgnoreMatcher* ignored) {
    return Linter(tree, dockerfile, graph, ignored).run();
}

} // namespace dbuild::dockerfile_parser
