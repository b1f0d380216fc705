// SPDX-License-Identifier: Apache-2.0
#include "cache/step_key.hpp"

namespace dbuild::cache {
namespace {

// Changing any encoding below changes every key: raise the version, and the golden digests in tests/unit/cache with it.
constexpr std::string_view k_step_schema = "dbuild step key 1";
constexpr std::string_view k_chain_schema = "dbuild chain 1";

/// Length-prefixed, so that no two different lists of texts have the same encoding.
void append_text(std::string& out, std::string_view text) {
    out += std::to_string(text.size());
    out += ':';
    out += text;
}

} // namespace

Chain Chain::of_base(const std::vector<Digest>& diff_ids) {
    std::string encoded;
    append_text(encoded, k_chain_schema);
    for (const auto& id : diff_ids) append_text(encoded, id.hex());
    return Chain(sha256(encoded));
}

Chain Chain::after(const Digest& content_id) const {
    std::string encoded;
    append_text(encoded, digest_.hex());
    append_text(encoded, content_id.hex());
    return Chain(sha256(encoded));
}

Chain Chain::after_run(const StepKey& key, const Digest& diff_id) const {
    std::string encoded;
    append_text(encoded, digest_.hex());
    append_text(encoded, key.digest.hex());
    append_text(encoded, diff_id.hex());
    return Chain(sha256(encoded));
}

StepKeyBuilder::StepKeyBuilder(std::string_view kind) {
    append_text(encoded_, k_step_schema);
    add("kind", kind);
}

void StepKeyBuilder::add(std::string_view name, std::string_view value) {
    append_text(encoded_, name);
    append_text(encoded_, value);
    ingredients_.append(name).append("=");
    for (const char c : value) {
        if (c == '\n' || c == '\\') ingredients_ += '\\';
        ingredients_ += c == '\n' ? 'n' : c;
    }
    ingredients_ += '\n';
}

void StepKeyBuilder::add(std::string_view name, const std::vector<std::string>& values) {
    std::string joined;
    for (const auto& value : values) append_text(joined, value);
    add(name, joined);
}

StepKey StepKeyBuilder::finish() const { return StepKey{sha256(encoded_)}; }

} // namespace dbuild::cache
