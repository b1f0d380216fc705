// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/bake_command_line.hpp"

#include "orchestrator/command_line/flag_parser.hpp"
#include "support/environment.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator {
namespace {

using Line = BakeCommandLine;
using Value = const std::string&;

enum class Of { both, bake, affected };

struct BakeFlag {
    Flag flag;
    Of of;
    /// Null: every target gets it, as `dbuild build` takes it.
    Status (*apply)(Line& line, Value value);
    std::string_view value_name, help;
    bool of_docker = false; // docker buildx bake takes it as well
};

Status add_override(Line& line, std::string flag, Value value) {
    line.source.overrides.push_back(std::move(flag));
    line.source.overrides.push_back(value);
    return {};
}
Status add_file(Line& line, Value value) { return line.source.files.push_back(value), Status{}; }
Status add_set(Line& line, Value value) { return add_override(line, "--set", value); }
Status add_variable(Line& line, Value value) { return add_override(line, "--var", value); }
/// What docker buildx asks for before it reads files outside of the folder; whatever dbuild plans stays inside.
Status add_right(Line& line, Value value) {
    line.docker_words.push_back("--allow=" + value);
    return {};
}
Status set_load(Line& line, Value value) { return line.is_loaded = value == "true", Status{}; }
Status set_push(Line& line, Value value) { return line.is_pushed = value == "true", Status{}; }
Status set_print(Line& line, Value value) { return line.is_printed = value == "true", Status{}; }
Status set_fail_fast(Line& line, Value value) { return line.ends_at_failure = value == "true", Status{}; }
Status set_scope(Line& line, Value value) { return line.scope = value, Status{}; }
Status set_metadata_file(Line& line, Value value) { return line.metadata_file = value, Status{}; }
Status set_report(Line& line, Value value) { return line.report = value, Status{}; }
Status set_since(Line& line, Value value) { return line.since = value, Status{}; }
Status set_help(Line& line, Value value) { return line.wants_help = value == "true", Status{}; }
Status set_progress(Line& line, Value value) {
    DBUILD_TRY_ASSIGN(line.progress, progress::parse_form(value));
    line.docker_words.push_back("--progress=" + value);
    return {};
}
Status set_format(Line& line, Value value) {
    if (value != "text" && value != "json" && value != "github-matrix")
        return fail(ErrorKind::usage, fmt::format("--format takes text, json or github-matrix, not \"{}\"", value));
    line.format = value;
    return {};
}

constexpr auto boolean = FlagValue::boolean;
constexpr auto text = FlagValue::text;
constexpr auto of_every_target = nullptr;

// clang-format off
constexpr BakeFlag k_flags[] = {
    {{"file", 'f', text}, Of::both, add_file, "FILE", "bake file or compose file; repeatable; \"-\": standard input (default: as docker)"},
    {{"set", 0, text}, Of::both, add_set, "TARGET.KEY=VALUE", "another value in a target; repeatable"},
    {{"var", 0, text}, Of::both, add_variable, "NAME=VALUE", "variable of the bake file (buildx 0.31 and later); repeatable"},
    {{"print", 0, boolean}, Of::bake, set_print, "", "print the targets as resolved JSON; builds nothing"},
    {{"fail-fast", 0, boolean}, Of::bake, set_fail_fast, "", "the first image that fails ends the others"},
    {{"load", 0, boolean}, Of::bake, set_load, "", "load every image into the engine"},
    {{"push", 0, boolean}, Of::bake, set_push, "", "push every image to its registry"},
    {{"metadata-file", 0, text}, Of::bake, set_metadata_file, "FILE", "write digests and names by target, as JSON"},
    {{"report", 0, text}, Of::bake, set_report, "FILE", "write one JSON report of all images, also when some fail"},
    {{"progress", 0, text}, Of::bake, set_progress, "KIND", "auto, plain, tty, rawjson, quiet or none"},
    {{"no-cache", 0, boolean}, Of::bake, of_every_target, "", "run every step again", true},
    {{"pull", 0, boolean}, Of::bake, of_every_target, "", "ask the registry for the base images again", true},
    {{"builder", 0, text}, Of::bake, of_every_target, "NAME", "only the engine's own builder is planned", true},
    {{"provenance", 0, text}, Of::bake, of_every_target, "VALUE", "none is made unless it is asked for", true},
    {{"sbom", 0, text}, Of::bake, of_every_target, "VALUE", "none is made unless it is asked for", true},
    {{"allow", 0, text}, Of::bake, add_right, "RIGHT", "for targets that docker buildx builds"},
    {{"cache-remote", 0, text}, Of::bake, of_every_target, "URL", "where results are shared, a scope per target; repeatable"},
    {{"scope", 0, text}, Of::both, set_scope, "NAME", "cache scopes NAME/TARGET (default: as of each image)"},
    {{"scope-from", 0, text}, Of::bake, of_every_target, "NAME", "scope that is read from remotes as well; repeatable"},
    {{"cache-deadline", 0, text}, Of::bake, of_every_target, "TIME", "how long to publish at the end of a build (default: 30s)"},
    {{"cache-ttl", 0, text}, Of::bake, of_every_target, "DURATION", "as of dbuild build"},
    {{"base-ttl", 0, text}, Of::bake, of_every_target, "DURATION", "as of dbuild build"},
    {{"secret-salt", 0, text}, Of::both, of_every_target, "ID=TEXT", "as of dbuild build"},
    {{"executor", 0, text}, Of::bake, of_every_target, "NAME", "as of dbuild build"},
    {{"since", 0, text}, Of::affected, set_since, "REVISION", "the commit to compare the work tree with"},
    {{"format", 0, text}, Of::affected, set_format, "FORMAT", "text, json or github-matrix"},
    {{"help", 'h', boolean}, Of::both, set_help, "", "print this text"},
};
// clang-format on

bool belongs_to(Of of, BakeCommand command) {
    return of == Of::both || (of == Of::bake) == (command == BakeCommand::bake);
}

} // namespace

std::string bake_help(BakeCommand command) {
    std::string help = command == BakeCommand::bake ? "Usage: dbuild bake [FLAGS] [TARGET...]\n\n"
                                                    : "Usage: dbuild affected --since REVISION [FLAGS] [TARGET...]\n\n";
    for (const auto& row : k_flags) {
        if (!belongs_to(row.of, command)) continue;
        const auto short_form = row.flag.short_name ? fmt::format("-{}, ", row.flag.short_name) : std::string("    ");
        const auto long_form =
            fmt::format("--{}{}{}", row.flag.name, row.value_name.empty() ? "" : " ", row.value_name);
        help += fmt::format("  {}{:<30} {}\n", short_form, long_form, row.help);
    }
    return help + "\ndocs/bake.md says more.\n";
}

Result<BakeCommandLine> parse_bake_command_line(std::span<const std::string> words, BakeCommand command) {
    std::vector<Flag> flags;
    std::vector<const BakeFlag*> rows;
    for (const auto& row : k_flags) {
        if (!belongs_to(row.of, command)) continue;
        flags.push_back(row.flag);
        rows.push_back(&row);
    }
    DBUILD_TRY_ASSIGN(auto parsed, parse_words(flags, words));
    BakeCommandLine line;
    for (const auto& use : parsed.uses) {
        const auto& row = *rows[use.flag];
        if (row.apply)
            DBUILD_TRY(row.apply(line, use.value));
        else
            line.words.push_back(fmt::format("--{}={}", row.flag.name, use.value));
        if (!row.apply && row.of_docker) line.docker_words.push_back(line.words.back());
    }
    line.source.names = std::move(parsed.positionals);
    if (line.wants_help) return line;
    if (command == BakeCommand::affected && line.since.empty())
        return fail(ErrorKind::usage, "--since is missing: the commit to compare the work tree with");
    if (line.progress == progress::Form::automatic) {
        const auto own = environment("DBUILD_PROGRESS"), docker = environment("BUILDKIT_PROGRESS");
        if (const auto& form = own.empty() ? docker : own; !form.empty()) {
            DBUILD_TRY_ASSIGN(line.progress, progress::parse_form(form));
        }
    }
    return line;
}

} // namespace dbuild::orchestrator
