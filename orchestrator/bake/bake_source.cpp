// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/bake_source.hpp"

#include "support/environment.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

constexpr std::string_view k_default_files[] = {
    "compose.yaml",     "compose.yml",     "docker-compose.yml",        "docker-compose.yaml",
    "docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"};

bool is_remote(std::string_view text) {
    return text.find("://") != text.npos || text.starts_with("git@") || text.starts_with("github.com/");
}

/// What docker buildx says on standard error, less its progress.
std::string last_words(const std::string& text) {
    const auto at = text.rfind("ERROR: ");
    auto words = at == text.npos ? text : text.substr(at + 7);
    while (!words.empty() && words.back() == '\n') words.pop_back();
    return words.empty() ? "docker buildx bake --print failed" : words;
}

Result<BakeDefinition> ask_buildx(const BakeSource& source, const std::string& input, const CancelCheck& is_cancelled) {
    ProcessOptions process;
    process.arguments = {"docker", "buildx", "bake", "--print"};
    process.input = input;
    for (const auto& file : source.files) process.arguments.insert(process.arguments.end(), {"--file", file});
    process.arguments.insert(process.arguments.end(), source.overrides.begin(), source.overrides.end());
    process.arguments.insert(process.arguments.end(), source.names.begin(), source.names.end());
    std::string printed, said;
    DBUILD_TRY_ASSIGN(const auto result, run_process(
                                             process, [&](std::string_view bytes) { printed += bytes; },
                                             [&](std::string_view bytes) { said += bytes; }, is_cancelled));
    if (result.exit_status != 0) return fail(ErrorKind::usage, "bake: " + last_words(said));
    auto file = BakeFile::parse(printed);
    if (!file) {
        file.error().kind = ErrorKind::usage;
        return fail(std::move(file).error().with("in what docker buildx bake --print wrote"));
    }
    DBUILD_TRY_ASSIGN(auto selected, file->select({}));
    return BakeDefinition{std::move(*file), std::move(selected), true};
}

std::string read_standard_input() { return std::string(std::istreambuf_iterator<char>(std::cin), {}); }

} // namespace

std::string remote_definition(const BakeSource& source) {
    if (!source.names.empty() && is_remote(source.names.front())) return source.names.front();
    for (const auto& file : source.files)
        if (is_remote(file) && !file.starts_with("cwd://")) return file;
    return {};
}

std::vector<std::string> default_bake_files(const std::string& folder) {
    std::vector<std::string> found;
    for (const auto name : k_default_files) {
        std::error_code error;
        const auto path = fs::path(folder) / name;
        if (fs::is_regular_file(path, error)) found.push_back(path.string());
    }
    return found;
}

Result<BakeDefinition> read_bake_definition(const BakeSource& source, const CancelCheck& is_cancelled) {
    auto files = source.files;
    if (files.empty() && !environment("BUILDX_BAKE_FILE").empty()) return ask_buildx(source, {}, is_cancelled);
    if (files.empty()) files = default_bake_files("");
    if (files.empty()) return fail(ErrorKind::usage, "there is no bake file or compose file here (--file names one)");
    const bool reads_input = std::find(files.begin(), files.end(), "-") != files.end();
    const auto input = reads_input ? read_standard_input() : std::string();
    if (files.size() > 1 || !source.overrides.empty()) return ask_buildx(source, input, is_cancelled);
    if (files.front() != "-" && !files.front().ends_with(".json")) return ask_buildx(source, input, is_cancelled);
    std::string text = input;
    if (!reads_input) {
        auto read = read_file(files.front());
        if (!read) return fail(ErrorKind::usage, "--file: " + read.error().message);
        text = std::move(*read);
    }
    auto file = BakeFile::parse(text);
    const bool is_other = !file && (file.error().kind == ErrorKind::unsupported ||
                                    (reads_input && file.error().kind == ErrorKind::usage));
    if (is_other) return ask_buildx(source, input, is_cancelled);
    if (!file) return fail(std::move(file).error());
    DBUILD_TRY_ASSIGN(auto selected, file->select(source.names));
    return BakeDefinition{std::move(*file), std::move(selected), false};
}

} // namespace dbuild::orchestrator
