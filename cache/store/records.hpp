// SPDX-License-Identifier: Apache-2.0
// The records of the index as a whole, for those who look after the store: what each scope uses, which base images
// there are. Look-ups during a build are index.hpp's business.
#pragma once

#include "cache/step_key.hpp"
#include "cache/store/database.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dbuild::cache::store {

struct RecordedStep {
    Digest key, diff_id, content_id;
    std::string created; // RFC 3339
    double wall_ms = 0;
    std::string ingredients;
    std::uint64_t layer_bytes = 0;
    std::vector<std::string> scopes;
    std::int64_t used = 0; // seconds since 1970
    Digest parent;         // diff_id of the layer below; zeros: none, or not known
};

struct RecordedBase {
    std::string id;
    std::vector<Digest> blobs;    // as the manifest names the layers
    std::vector<Digest> diff_ids; // of the same layers, uncompressed
    std::int64_t used = 0;
};

/// Errors of all members: as Index.
class Records {
public:
    static Result<Records> open(const std::filesystem::path& root);
    /// In the order of their keys; without the ingredients.
    Result<std::vector<RecordedStep>> steps();
    /// In: prefix — hexadecimal digits that a key begins with. Holds nothing if no key, or more than one, does.
    Result<std::optional<RecordedStep>> find_step(std::string_view prefix);
    Result<std::vector<RecordedBase>> bases();
    /// Removes the uses before that time, the steps that no scope uses any more and whose layers are not packed, and
    /// tables of contents that no step names. Out: how many steps.
    Result<std::uint64_t> remove_unused_since(std::int64_t seconds);

private:
    explicit Records(Database database) : database_(std::move(database)) {}
    Result<std::vector<RecordedStep>> read_steps(Query& query);
    Database database_;
};

} // namespace dbuild::cache::store
