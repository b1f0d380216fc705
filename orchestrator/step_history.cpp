// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/step_history.hpp"

#include "support/files.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>

namespace fs = std::filesystem;
namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

constexpr std::int64_t k_format = 2; // another one is as good as none
/// Enough for somebody who goes back and forth between a few branches or build arguments.
constexpr std::size_t k_kept_builds = 8;
constexpr auto k_forgotten_after = std::chrono::hours(24 * 30);
constexpr auto k_touched_after = std::chrono::hours(24);

std::string to_json(const std::vector<PastStage>& stages) {
    json::array array;
    for (const auto& stage : stages) {
        json::array steps;
        for (const auto& step : stage.steps)
            steps.push_back(json::object{{"text", step.text}, {"key", step.key}, {"ingredients", step.ingredients}});
        array.push_back(json::object{{"name", stage.name}, {"base", stage.base}, {"steps", std::move(steps)}});
    }
    return json::serialize(json::object{{"format", k_format}, {"stages", std::move(array)}});
}

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

std::vector<PastStage> from_json(std::string_view text) {
    std::vector<PastStage> stages;
    try {
        const auto document = json::parse(json::string_view(text.data(), text.size()));
        if (document.at("format").as_int64() != k_format) return {};
        const auto string = [](const json::value& value, const char* name) {
            return std::string(value.at(name).as_string());
        };
        for (const auto& stage : document.at("stages").as_array()) {
            auto& read = stages.emplace_back(PastStage{string(stage, "name"), string(stage, "base"), {}});
            for (const auto& step : stage.at("steps").as_array())
                read.steps.push_back({string(step, "text"), string(step, "key"), string(step, "ingredients")});
        }
    } catch (const std::exception&) {
        return {}; // damaged
    }
    return stages;
}

/// Files that no build used for long. What cannot be removed stays.
void remove_forgotten(const fs::path& folder) {
    const auto files = list_folder(folder);
    if (!files) return;
    std::error_code ignored;
    for (const auto& file : *files)
        if (fs::file_time_type::clock::now() - fs::last_write_time(file, ignored) > k_forgotten_after)
            fs::remove(file, ignored);
}

Status write_atomically(const fs::path& path, std::string_view bytes) {
    DBUILD_TRY(make_directories(path.parent_path()));
    DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(path));
    DBUILD_TRY(file.write(bytes));
    return file.commit(AtomicFile::Durability::not_synced);
}

} // namespace

StepHistory StepHistory::open(fs::path folder, std::string_view scope) {
    StepHistory history;
    if (folder.empty()) return history;
    history.path_ = folder / sha256(scope).hex();
    history.folder_ = std::move(folder);
    if (auto text = read_file(history.path_)) history.lines_ = std::move(*text);
    return history;
}

std::vector<const PastStage*> StepHistory::find(std::string_view stage) const {
    if (!is_read_)
        for (const auto line : split_lines(lines_)) read_.push_back(from_json(line));
    is_read_ = true;
    std::vector<const PastStage*> found;
    for (const auto& build : read_)
        for (const auto& past : build)
            if (past.name == stage) found.push_back(&past);
    return found;
}

fs::path StepHistory::path_of(const Digest& selection) const { return folder_ / ("files-" + selection.hex()); }

bool StepHistory::has_files(const Digest& selection) const {
    std::error_code error;
    const auto written = fs::last_write_time(path_of(selection), error);
    if (error) return false;
    const auto now = fs::file_time_type::clock::now();
    if (now - written > k_touched_after) fs::last_write_time(path_of(selection), now, error); // still in use
    return true;
}

Status StepHistory::write_files(const Digest& selection, const FileList& files) const {
    std::string text;
    for (const auto& [path, file] : files)
        text.append(file.mode).append(" ").append(file.content).append(" ").append(path).append(1, '\0');
    return write_atomically(path_of(selection), text);
}

std::optional<FileList> StepHistory::find_files(const Digest& selection) const {
    if (folder_.empty()) return std::nullopt;
    const auto text = read_file(path_of(selection));
    if (!text) return std::nullopt;
    FileList files;
    for (std::size_t at = 0; at < text->size();) {
        const auto end = text->find('\0', at);
        const auto first = text->find(' ', at), second = text->find(' ', first + 1);
        if (end == text->npos || first == text->npos || second == text->npos || second > end)
            return std::nullopt; // torn
        files[text->substr(second + 1, end - second - 1)] = {text->substr(at, first - at),
                                                             text->substr(first + 1, second - first - 1)};
        at = end + 1;
    }
    return files;
}

Status StepHistory::save(const std::vector<PastStage>& stages) {
    if (folder_.empty()) return {};
    const auto newest = to_json(stages);
    const auto known = split_lines(lines_);
    if (!known.empty() && known.front() == newest) return {};
    std::string text = newest + '\n';
    std::size_t count = 1;
    for (const auto line : known)
        if (line != newest && count++ < k_kept_builds) text.append(line).append(1, '\n');
    lines_ = std::move(text);
    is_read_ = false;
    read_.clear();
    DBUILD_TRY(write_atomically(path_, lines_));
    remove_forgotten(folder_);
    return {};
}

} // namespace dbuild::orchestrator
