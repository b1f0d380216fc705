// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/reference.hpp"

#include "support/digest.hpp"

#include <algorithm>

namespace dbuild::cache::oci {
namespace {

bool is_path_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
}
bool is_tag_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool is_path(std::string_view path) {
    auto is_edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !path.empty() && is_edge(path.front()) && is_edge(path.back()) && path.find("//") == path.npos &&
           std::all_of(path.begin(), path.end(), is_path_character);
}

} // namespace

Result<ImageReference> ImageReference::parse(std::string_view text) {
    const auto invalid = [&] { return fail(ErrorKind::usage, "invalid reference format: \"" + std::string(text) + "\""); };
    ImageReference reference;
    std::string_view rest = text;
    if (const auto at = rest.find('@'); at != rest.npos) {
        reference.digest = rest.substr(at + 1);
        if (!Digest::parse(reference.digest)) return invalid();
        rest = rest.substr(0, at);
    }
    if (const auto colon = rest.rfind(':'); colon != rest.npos && rest.find('/', colon) == rest.npos) {
        reference.tag = rest.substr(colon + 1);
        if (reference.tag.empty() || reference.tag.size() > 128 || reference.tag.front() == '.' || reference.tag.front() == '-' ||
            !std::all_of(reference.tag.begin(), reference.tag.end(), is_tag_character))
            return invalid();
        rest = rest.substr(0, colon);
    }
    if (const auto slash = rest.find('/'); slash != rest.npos) {
        const auto first = rest.substr(0, slash);
        const bool is_domain = first == "localhost" || first.find_first_of(".:") != first.npos ||
                               std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
        if (is_domain) {
            reference.domain = first == "index.docker.io" ? "docker.io" : first;
            rest = rest.substr(slash + 1);
        }
    }
    if (!is_path(rest)) return invalid();
    reference.path = rest;
    if (reference.domain == "docker.io" && reference.path.find('/') == std::string::npos)
        reference.path = "library/" + reference.path;
    if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
    return reference;
}

std::string ImageReference::to_string() const {
    return domain + "/" + path + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

std::string ImageReference::familiar() const {
    std::string text = to_string();
    if (text.starts_with("docker.io/")) text.erase(0, 10);
    if (text.starts_with("library/")) text.erase(0, 8);
    return text;
}

} // namespace dbuild::cache::oci
