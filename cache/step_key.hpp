// SPDX-License-Identifier: Apache-2.0
// Step keys: what decides whether a stored result may be used. A key is SHA-256 over a canonical, versioned list of
// named fields; the same fields are kept as readable ingredients. What goes in and why: docs/cache_key.md.
#pragma once

#include "support/digest.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbuild::cache {

/// Names a step's operation on given inputs.
struct StepKey {
    Digest digest;
    friend auto operator<=>(const StepKey&, const StepKey&) = default;
};

/// The content of a root file system: the base's layers, then one link per step. Equal chains mean equal content.
class Chain {
public:
    /// In: diff_ids — the base image's, lowest first; empty for scratch.
    static Chain of_base(const std::vector<Digest>& diff_ids);
    Chain after(const Digest& content_id) const;
    /// The link of a step that ends early cutoff: another one for each key and for each layer, be its content the same.
    Chain after_run(const StepKey& key, const Digest& diff_id) const;
    const Digest& digest() const { return digest_; }

private:
    explicit Chain(const Digest& digest) : digest_(digest) {}
    Digest digest_;
};

/// Collects fields in the order in which they are added. Names are ASCII and fixed by the schema version.
class StepKeyBuilder {
public:
    /// In: kind — "run", "copy", "add" or "workdir".
    explicit StepKeyBuilder(std::string_view kind);
    void add(std::string_view name, std::string_view value);
    void add(std::string_view name, const std::vector<std::string>& values); // order counts
    void add(std::string_view name, const Digest& digest) { add(name, digest.to_string()); }
    StepKey finish() const;

    /// One "name=value" line per field, as stored with the record; line ends in values are written \n, backslashes
    /// doubled. No secret's value is ever a field.
    const std::string& ingredients() const { return ingredients_; }

private:
    std::string encoded_;
    std::string ingredients_;
};

} // namespace dbuild::cache
