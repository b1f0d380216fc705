// SPDX-License-Identifier: Apache-2.0
// Typed instructions, see instruction_parser.hpp. Rules: moby/buildkit frontend/dockerfile/instructions/parse.go.
#include "dockerfile_parser/instruction_parser.hpp"

#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/unicode.hpp"
#include "dockerfile_parser/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace dbuild::dockerfile_parser {

namespace {

using Body = decltype(Instruction::body);

tl::unexpected<Error> invalid(std::string message) { return fail(ErrorKind::invalid_dockerfile, std::move(message)); }

Status refuse_flags(const SyntaxNode& node) { return FlagSet().parse(node.flags); }

Status require_words(const SyntaxNode& node, std::string_view keyword) {
    if (node.words.empty()) return invalid(fmt::format("{} requires at least one argument", keyword));
    return {};
}

Result<std::string> only_word(const SyntaxNode& node, std::string_view keyword) {
    if (node.words.size() != 1) return invalid(fmt::format("{} requires exactly one argument", keyword));
    return node.words[0];
}

CommandLine command_line(const SyntaxNode& node, std::size_t first_word) {
    CommandLine result;
    result.is_exec_form = node.is_json;
    result.words.assign(node.words.begin() + static_cast<std::ptrdiff_t>(std::min(first_word, node.words.size())),
                        node.words.end());
    if (!node.is_json && result.words.empty()) result.words.emplace_back();
    return result;
}

bool is_stage_name(std::string_view name) {
    if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
    return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string_view::npos;
}

Result<Body> parse_arg(const SyntaxNode& node) {
    DBUILD_TRY(require_words(node, "ARG"));
    ArgInstruction result;
    for (const std::string& word : node.words) {
        const std::size_t equals = word.find('=');
        if (equals == 0) return invalid("ARG names can not be blank");
        ArgInstruction::Item item{word.substr(0, equals), std::nullopt};
        if (equals != std::string::npos) item.value = word.substr(equals + 1);
        result.items.push_back(std::move(item));
    }
    return result;
}

Result<std::vector<KeyValue>> parse_pairs(const SyntaxNode& node, std::string_view keyword) {
    DBUILD_TRY(refuse_flags(node));
    DBUILD_TRY(require_words(node, keyword));
    std::vector<KeyValue> pairs;
    for (std::size_t i = 0; i + 2 < node.words.size(); i += 3) {
        if (node.words[i].empty()) return invalid(fmt::format("{} names can not be blank", keyword));
        pairs.push_back({node.words[i], node.words[i + 1]});
    }
    return pairs;
}

Result<Body> parse_env(const SyntaxNode& node) {
    DBUILD_TRY_ASSIGN(auto pairs, parse_pairs(node, "ENV"));
    return EnvInstruction{std::move(pairs)};
}

Result<Body> parse_label(const SyntaxNode& node) {
    DBUILD_TRY_ASSIGN(auto pairs, parse_pairs(node, "LABEL"));
    return LabelInstruction{std::move(pairs)};
}

Result<Body> parse_run(const SyntaxNode& node) {
    RunInstruction result;
    std::string network = "default", security = "sandbox";
    DBUILD_TRY(FlagSet()
                   .add("mount", result.mounts)
                   .add("network", network)
                   .add("security", security)
                   .add("device", result.devices)
                   .parse(node.flags));
    if (network != "default" && network != "none" && network != "host")
        return invalid(fmt::format("invalid network mode {}", quoted(network)));
    if (security != "sandbox" && security != "insecure")
        return invalid(fmt::format("security {} is not valid", quoted(security)));
    if (network != "default") result.network = std::move(network);
    if (security != "sandbox") result.security = std::move(security);
    for (const std::string& mount : result.mounts) DBUILD_TRY(mount_from(mount));
    result.command = command_line(node, 0);
    // BuildKit fails only when the step is reached; its answer is then the right one in every case.
    if (node.is_json && node.words.empty()) return fail(ErrorKind::unsupported, "RUN with an empty JSON array");
    result.heredocs = node.heredocs;
    result.is_heredoc_alone = !node.heredocs.empty() && heredoc_of_word(result.command.words.front()).has_value();
    return result;
}

Result<Body> parse_copy(const SyntaxNode& node, bool is_add) {
    const std::string_view keyword = is_add ? "ADD" : "COPY";
    if (node.words.size() < 2)
        return invalid(fmt::format("{} requires at least two arguments, but only one was provided. Destination could "
                                   "not be determined",
                                   keyword));
    CopyInstruction result;
    result.is_add = is_add;
    FlagSet flags;
    flags.add("chown", result.chown)
        .add("chmod", result.chmod)
        .add("link", result.link)
        .add("exclude", result.excludes);
    if (is_add) {
        flags.add("keep-git-dir", result.keep_git_dir).add("checksum", result.checksum).add("unpack", result.unpack);
    } else {
        flags.add("from", result.from).add("parents", result.parents);
    }
    DBUILD_TRY(flags.parse(node.flags));
    result.destination = node.words.back();
    if (heredoc_of_word(result.destination))
        return invalid(fmt::format("{} cannot accept a heredoc as a destination", keyword));
    for (std::size_t i = 0; i + 1 < node.words.size(); ++i) {
        auto announced = heredoc_of_word(node.words[i]);
        if (!announced) {
            result.sources.push_back(node.words[i]);
            continue;
        }
        // Looked up by name, and the last one wins: two heredocs of one name share a body, as in BuildKit.
        for (const Heredoc& read : node.heredocs) {
            if (read.name != announced->name) continue;
            announced->body = read.body;
            announced->raw_body = read.raw_body;
        }
        result.heredocs.push_back(std::move(*announced));
    }
    return result;
}

Result<Body> parse_cmd(const SyntaxNode& node) {
    DBUILD_TRY(refuse_flags(node));
    return CmdInstruction{command_line(node, 0)};
}

Result<Body> parse_entrypoint(const SyntaxNode& node) {
    DBUILD_TRY(refuse_flags(node));
    return EntrypointInstruction{command_line(node, 0)};
}

Result<Body> parse_shell(const SyntaxNode& node) {
    DBUILD_TRY(refuse_flags(node));
    DBUILD_TRY(require_words(node, "SHELL"));
    if (!node.is_json) return invalid("SHELL requires the arguments to be in JSON form");
    return ShellInstruction{node.words};
}

Result<Body> parse_expose(const SyntaxNode& node) {
    DBUILD_TRY(require_words(node, "EXPOSE"));
    DBUILD_TRY(refuse_flags(node));
    ExposeInstruction result{node.words};
    std::sort(result.ports.begin(), result.ports.end());
    return result;
}

Result<Body> parse_volume(const SyntaxNode& node) {
    DBUILD_TRY(require_words(node, "VOLUME"));
    DBUILD_TRY(refuse_flags(node));
    VolumeInstruction result;
    for (const std::string& word : node.words) {
        const std::string_view path = trim(word);
        if (path.empty()) return invalid("VOLUME specified can not be an empty string");
        result.paths.emplace_back(path);
    }
    return result;
}

Result<std::optional<std::chrono::nanoseconds>> parse_interval(std::string_view name, const std::string& text) {
    using Interval = std::optional<std::chrono::nanoseconds>;
    if (text.empty()) return Interval();
    DBUILD_TRY_ASSIGN(const std::chrono::nanoseconds value, parse_duration(text));
    if (value.count() != 0 && value < std::chrono::milliseconds(1))
        return invalid(fmt::format("Interval {} cannot be less than 1ms", quoted(name)));
    return Interval(value);
}

Result<int> parse_retries(const std::string& text) {
    if (text.empty()) return 0;
    int value = 0;
    const std::size_t sign = text[0] == '+' && text.size() > 1 && text[1] != '-' ? 1 : 0;
    const auto [end, error] = std::from_chars(text.data() + sign, text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range)
        return invalid(fmt::format("strconv.ParseInt: parsing {}: value out of range", quoted(text)));
    if (error != std::errc() || end != text.data() + text.size())
        return invalid(fmt::format("strconv.ParseInt: parsing {}: invalid syntax", quoted(text)));
    if (value < 0) return invalid(fmt::format("--retries cannot be negative ({})", value));
    return value;
}

Result<Body> parse_healthcheck(const SyntaxNode& node) {
    DBUILD_TRY(require_words(node, "HEALTHCHECK"));
    HealthcheckInstruction result;
    const std::string type = ascii_upper(node.words[0]);
    if (type == "NONE") {
        if (node.words.size() > 1) return invalid("HEALTHCHECK NONE takes no arguments");
        result.is_none = true;
        return result;
    }
    std::string interval, timeout, start_period, start_interval, retries;
    DBUILD_TRY(FlagSet()
                   .add("interval", interval)
                   .add("timeout", timeout)
                   .add("start-period", start_period)
                   .add("start-interval", start_interval)
                   .add("retries", retries)
                   .parse(node.flags));
    if (type != "CMD") return invalid(fmt::format("Unknown type {} in HEALTHCHECK (try CMD)", quoted(type)));
    result.command = command_line(node, 1);
    if (node.words.size() < 2) return invalid("Missing command after HEALTHCHECK CMD");
    DBUILD_TRY_ASSIGN(result.interval, parse_interval("interval", interval));
    DBUILD_TRY_ASSIGN(result.timeout, parse_interval("timeout", timeout));
    DBUILD_TRY_ASSIGN(result.start_period, parse_interval("start-period", start_period));
    DBUILD_TRY_ASSIGN(result.start_interval, parse_interval("start-interval", start_interval));
    DBUILD_TRY_ASSIGN(result.retries, parse_retries(retries));
    return result;
}

Result<Body> parse_onbuild(const SyntaxNode& node) {
    if (node.child == nullptr) return invalid("ONBUILD requires at least one argument");
    DBUILD_TRY(refuse_flags(node));
    const std::string trigger = ascii_upper(node.child->keyword);
    if (trigger == "ONBUILD") return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM")
        return invalid(fmt::format("{} isn't allowed as an ONBUILD trigger", trigger));
    OnbuildInstruction result;
    result.text = trim_left(trim_left(node.line).substr(node.keyword.size()));
    for (const Heredoc& heredoc : node.heredocs) result.text += "\n" + heredoc.raw_body + heredoc.name;
    return result;
}

template <class T, std::string T::*Member>
Result<Body> parse_single(const SyntaxNode& node) {
    DBUILD_TRY_ASSIGN(std::string word, only_word(node, ascii_upper(node.keyword)));
    DBUILD_TRY(refuse_flags(node));
    T result;
    result.*Member = std::move(word);
    return result;
}

Result<Body> parse_stopsignal(const SyntaxNode& node) {
    DBUILD_TRY_ASSIGN(std::string signal, only_word(node, "STOPSIGNAL"));
    return StopsignalInstruction{std::move(signal)};
}

using BodyParser = Result<Body> (*)(const SyntaxNode&);

const std::map<std::string, BodyParser>& body_parsers() {
    static const std::map<std::string, BodyParser> k_parsers = {
        {"ADD", [](const SyntaxNode& node) { return parse_copy(node, true); }},
        {"ARG", parse_arg},
        {"CMD", parse_cmd},
        {"COPY", [](const SyntaxNode& node) { return parse_copy(node, false); }},
        {"ENTRYPOINT", parse_entrypoint},
        {"ENV", parse_env},
        {"EXPOSE", parse_expose},
        {"HEALTHCHECK", parse_healthcheck},
        {"LABEL", parse_label},
        {"MAINTAINER", parse_single<MaintainerInstruction, &MaintainerInstruction::name>},
        {"ONBUILD", parse_onbuild},
        {"RUN", parse_run},
        {"SHELL", parse_shell},
        {"STOPSIGNAL", parse_stopsignal},
        {"USER", parse_single<UserInstruction, &UserInstruction::user>},
        {"VOLUME", parse_volume},
        {"WORKDIR", parse_single<WorkdirInstruction, &WorkdirInstruction::path>},
    };
    return k_parsers;
}

} // namespace

Result<FromInstruction> parse_from(const SyntaxNode& node) {
    FromInstruction result;
    const bool is_named = node.words.size() == 3 && ascii_upper(node.words[1]) == "AS";
    if (!is_named && node.words.size() != 1) return invalid("FROM requires either one or three arguments");
    if (is_named) {
        result.stage_name = ascii_lower(node.words[2]);
        if (!is_stage_name(result.stage_name))
            return invalid(fmt::format("invalid name for build stage: {}, name can't start with a number or contain "
                                       "symbols",
                                       quoted(node.words[2])));
    }
    DBUILD_TRY(FlagSet().add("platform", result.platform).parse(node.flags));
    result.image = node.words[0];
    return result;
}

Result<Body> parse_instruction_body(const SyntaxNode& node) {
    const auto parser = body_parsers().find(ascii_upper(node.keyword));
    if (parser != body_parsers().end()) return parser->second(node);
    std::vector<std::string> known = {"FROM"};
    for (const auto& [keyword, unused] : body_parsers()) known.push_back(keyword);
    std::sort(known.begin(), known.end()); // the first of several equally near ones is suggested
    return invalid(
        fmt::format("unknown instruction: {}{}", node.keyword, suggestion(node.keyword, known, CaseRule::insensitive)));
}

} // namespace dbuild::dockerfile_parser
