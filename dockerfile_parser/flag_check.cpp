// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/flag_check.hpp"

#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/unicode.hpp"
#include "dockerfile_parser/values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::size_t k_most_octal_digits = 4; // 07777

bool has_variable(std::string_view text) { return text.find('$') != text.npos; }

Status invalid(std::string message) { return fail(ErrorKind::invalid_dockerfile, std::move(message)); }

Status check_run(const RunInstruction& run, const Dockerfile& dockerfile) {
    const VariableLookup no_variables = [](std::string_view) { return std::optional<std::string>(); };
    for (const std::string& written : run.mounts) {
        if (has_variable(written)) continue;
        DBUILD_TRY_ASSIGN(const auto mount, parse_run_mount(written, no_variables, dockerfile.escape));
        const bool has_path = mount.type != MountType::secret && mount.type != MountType::ssh;
        if (has_path && !mount.target.empty() && mount.target.find_first_not_of('/') == std::string::npos)
            return invalid("invalid mount target \"/\"");
    }
    // Another front end may be one with experiments.
    if (!run.devices.empty() && dockerfile.syntax.empty())
        return invalid("device feature is only supported in Dockerfile frontend 1.14.0-labs or later");
    return {};
}

/// Symbolic modes are the build's to judge.
Status check_mode(std::string_view mode) {
    const auto is_digit = [](char c) { return is_ascii_digit(static_cast<unsigned char>(c)); };
    if (mode.empty() || !std::all_of(mode.begin(), mode.end(), is_digit)) return {};
    const auto digits = mode.substr(std::min(mode.find_first_not_of('0'), mode.size()));
    if (digits.size() <= k_most_octal_digits && digits.find_first_of("89") == digits.npos) return {};
    return invalid(
        fmt::format("invalid chmod parameter: '{}'. it should be octal string and between 0 and 07777", mode));
}

Status check_copy(const CopyInstruction& copy) {
    if (!has_variable(copy.chmod)) DBUILD_TRY(check_mode(copy.chmod));
    const auto is_here = [](const std::string& source) { return !has_variable(source) && !is_remote_source(source); };
    if (!copy.checksum.empty() && std::any_of(copy.sources.begin(), copy.sources.end(), is_here))
        return invalid("checksum requires HTTP(S) or Git sources");
    return {};
}

} // namespace

void find_wrong_flags(const Dockerfile& dockerfile, std::vector<Error>& errors) {
    for (const Stage& stage : dockerfile.stages)
        for (const Instruction& instruction : stage.instructions) {
            Status done;
            if (const auto* run = std::get_if<RunInstruction>(&instruction.body)) done = check_run(*run, dockerfile);
            if (const auto* copy = std::get_if<CopyInstruction>(&instruction.body)) done = check_copy(*copy);
            if (done) continue;
            done.error().where = instruction.where;
            errors.push_back(std::move(done).error());
        }
}

} // namespace dbuild::dockerfile_parser
