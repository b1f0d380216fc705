// SPDX-License-Identifier: Apache-2.0
// The parsed Dockerfile: one plain struct per instruction, collected in stages. Values are raw: variables are not
// expanded and quotes are still inside, since both need the build arguments (expansion.hpp).
// Reading the text is parser.hpp's business, relations between stages are stage_graph.hpp's.
#pragma once

#include "dockerfile_parser/step_directives.hpp"
#include "support/error.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Raw, unexpanded: quotes are still inside.
struct KeyValue {
    std::string key;
    std::string value;
};

/// Shell form holds exactly one word, the joined logical line ("" when the instruction is bare).
struct CommandLine {
    bool is_exec_form = false;
    std::vector<std::string> words;
};

struct Heredoc {
    std::string name;         // without quotes
    std::string body;         // raw lines with their line ends; leading tabs already removed for `<<-`
    std::string raw_body;     // the lines as written, tabs included
    bool expands = true;      // false when any part of the name was quoted
    bool strips_tabs = false; // `<<-`
};

struct FromInstruction {
    std::string image;
    std::string platform;
    std::string stage_name; // lower-cased, may be empty
};

struct ArgInstruction {
    struct Item {
        std::string name;
        std::optional<std::string> value;
    };
    std::vector<Item> items;
};

struct EnvInstruction {
    std::vector<KeyValue> pairs;
};

struct LabelInstruction {
    std::vector<KeyValue> pairs;
};

/// `mounts` are the raw CSV values of --mount, in order. `network` and `security` are "" when not given.
struct RunInstruction {
    std::vector<std::string> mounts;
    std::string network;
    std::string security;
    std::vector<std::string> devices;
    CommandLine command;
    std::vector<Heredoc> heredocs;
    bool is_heredoc_alone = false; // the command is one heredoc and nothing else: its body is the script
};

/// COPY and ADD. `sources` exclude heredocs.
struct CopyInstruction {
    bool is_add = false;
    std::string from, chown, chmod, checksum;
    bool link = false, parents = false, keep_git_dir = false;
    std::optional<bool> unpack;
    std::vector<std::string> excludes;
    std::vector<std::string> sources;
    std::string destination;
    std::vector<Heredoc> heredocs;
};

struct WorkdirInstruction {
    std::string path;
};

struct UserInstruction {
    std::string user;
};

struct CmdInstruction {
    CommandLine command;
};

struct EntrypointInstruction {
    CommandLine command;
};

struct ShellInstruction {
    std::vector<std::string> words;
};

/// Sorted, as BuildKit does when parsing.
struct ExposeInstruction {
    std::vector<std::string> ports;
};

struct VolumeInstruction {
    std::vector<std::string> paths;
};

struct StopsignalInstruction {
    std::string signal;
};

/// A duration that is absent or 0 inherits docker's default; so does `retries` 0.
struct HealthcheckInstruction {
    bool is_none = false;
    std::optional<std::chrono::nanoseconds> interval, timeout, start_period, start_interval;
    int retries = 0;
    CommandLine command;
};

struct OnbuildInstruction {
    std::string text; // the trigger as written, heredoc bodies included
};

struct MaintainerInstruction {
    std::string name;
};

struct Instruction {
    SourceSpan where;
    std::string keyword; // upper case
    std::string source;  // the physical lines as written, heredoc bodies included, without the final newline
    std::string text;    // one line for display: the joined logical line
    std::variant<ArgInstruction, EnvInstruction, LabelInstruction, RunInstruction, CopyInstruction, WorkdirInstruction,
                 UserInstruction, CmdInstruction, EntrypointInstruction, ShellInstruction, ExposeInstruction,
                 VolumeInstruction, StopsignalInstruction, HealthcheckInstruction, OnbuildInstruction,
                 MaintainerInstruction>
        body;
    StepDirectives directives; // of the comments directly above
    bool is_trigger = false;   // of what the stage is built on; its place is the FROM line (triggers.hpp)
};

struct Stage {
    int index = 0; // 0-based, file order
    SourceSpan where;
    std::string text; // the FROM line
    FromInstruction from;
    std::vector<Instruction> instructions;
};

/// A `# dbuild:` comment that means nothing.
struct DirectiveWarning {
    std::string message;
    SourceSpan where; // of the instruction below it
};

struct Dockerfile {
    std::string file_name;
    std::string syntax; // "" without directive
    char escape = '\\';
    bool warnings_are_errors = false;                 // by the `check` directive: a lint warning fails the build
    std::vector<Instruction> global_args;             // ArgInstruction, before the first FROM
    std::vector<Stage> stages;                        // at least one
    std::vector<DirectiveWarning> directive_warnings; // in file order
};

} // namespace dbuild::dockerfile_parser
