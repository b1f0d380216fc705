// SPDX-License-Identifier: Apache-2.0
// The command line of `dbuild bake` and of what else works on the targets of a bake file. Flags that say how an image
// is built are those of `dbuild build`, given to every target.
#pragma once

#include "orchestrator/bake/bake_source.hpp"
#include "orchestrator/progress/reporter.hpp"

#include <filesystem>
#include <span>

namespace dbuild::orchestrator {

struct BakeCommandLine {
    BakeSource source;
    std::vector<std::string> words; // of `dbuild build`, for every target
    bool is_loaded = false, is_pushed = false;
    bool is_printed = false;      // --print: nothing is built
    bool ends_at_failure = false; // --fail-fast
    std::string scope;
    std::filesystem::path metadata_file, report;
    progress::Form progress = progress::Form::automatic;
    std::vector<std::string> docker_words; // for docker buildx bake, besides targets and files
    std::string since, format = "text";    // of `dbuild affected`
    bool wants_help = false;               // then nothing else counts
};

enum class BakeCommand { bake, affected };

/// In:      words — behind the command's name. Errors: usage — names the flag.
Result<BakeCommandLine> parse_bake_command_line(std::span<const std::string> words, BakeCommand command);

std::string bake_help(BakeCommand command);

} // namespace dbuild::orchestrator
