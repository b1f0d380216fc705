// SPDX-License-Identifier: Apache-2.0
// What the steps of a scope's last builds were made from, kept to say later what changed. Nothing is decided by it:
// losing it, or any part, makes explanations poorer. Who compares is explain.hpp.
//
//     <cache dir>/explain/<hash of the scope>
//         a line of JSON for each of the last builds, the newest first: stages with their base, steps with their text,
//         key and ingredients
//     <cache dir>/explain/files-<digest>
//         the files that a COPY source selected, by the digest of the selection: shared by builds and scopes
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

struct PastStep {
    std::string text;        // of the instruction
    std::string key;         // "sha256:…"
    std::string ingredients; // as StepKeyBuilder::ingredients()
    friend bool operator==(const PastStep&, const PastStep&) = default;
};

struct PastStage {
    std::string name;            // its number if it has none
    std::string base;            // reference and ID of an image, "stage NAME", or "scratch"
    std::vector<PastStep> steps; // that make layers
    friend bool operator==(const PastStage&, const PastStage&) = default;
};

/// What counts of a file but its path: type and mode as one text, and the beginning of the digest of its bytes, link
/// text and attributes.
struct ListedFile {
    std::string mode, content;
    friend bool operator==(const ListedFile&, const ListedFile&) = default;
};
using FileList = std::map<std::string, ListedFile>; // by path in the context

class StepHistory {
public:
    /// In: folder — <cache dir>/explain; empty: nothing is known or kept. What is missing or damaged is as good as
    /// empty.
    static StepHistory open(std::filesystem::path folder, std::string_view scope);

    /// What the stage was in each of the last builds that had it, the newest first.
    std::vector<const PastStage*> find(std::string_view stage) const;
    std::optional<FileList> find_files(const Digest& selection) const;

    /// Keeps the files of a selection; does nothing for one that is kept already. `list` is called only if it is
    /// needed.
    template <class List>
    Status keep_files(const Digest& selection, List list) {
        if (folder_.empty() || has_files(selection)) return {};
        DBUILD_TRY_ASSIGN(const FileList files, list());
        return write_files(selection, files);
    }
    /// Adds a build, as the newest: one that was the same is forgotten, and so is the oldest where there are too many.
    /// Cost: that of making the text, if it is the newest already. Errors: unavailable, no_space.
    Status save(const std::vector<PastStage>& stages);

private:
    bool has_files(const Digest& selection) const;
    Status write_files(const Digest& selection, const FileList& files) const;
    std::filesystem::path path_of(const Digest& selection) const;

    std::filesystem::path folder_, path_;
    std::string lines_;                                // of the file
    mutable std::vector<std::vector<PastStage>> read_; // from them, by find()
    mutable bool is_read_ = false;
};

} // namespace dbuild::orchestrator
