// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/reference.hpp"

#include "support/digest.hpp"

#include <algorithm>
#include <cctype>

namespace dbuild::cache::oci {
namespace {

bool is_tag_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

bool is_edge(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// Lower-case letters and digits, with ".", "_", "__" or any number of "-" between them.
bool is_component(std::string_view text) {
    if (text.empty() || !is_edge(text.front()) || !is_edge(text.back())) return false;
    for (std::size_t i = 0; i < text.size();) {
        const auto begin = i;
        while (i < text.size() && !is_edge(text[i])) ++i;
        const auto separator = text.substr(begin, i - begin);
        const bool is_dashes = separator.find_first_not_of('-') == separator.npos;
        if (!is_dashes && separator != "." && separator != "_" && separator != "__") return false;
        while (i < text.size() && is_edge(text[i])) ++i;
    }
    return true;
}

bool is_path(std::string_view path) {
    for (;;) {
        const auto slash = path.find('/');
        if (!is_component(path.substr(0, slash))) return false;
        if (slash == path.npos) return true;
        path = path.substr(slash + 1);
    }
}

/// A host name or address, perhaps with a port. Which name it is, the engine finds out.
bool is_domain(std::string_view text) {
    const auto is_allowed = [](char c) { return is_tag_character(c) || c == ':' || c == '[' || c == ']'; };
    return !text.empty() && text.front() != '-' && text.front() != ':' && text.front() != '.' &&
           std::all_of(text.begin(), text.end(), is_allowed);
}

/// References hold no name and password; somebody may try, and would not want to see them in a log.
std::string without_user_info(std::string_view text) {
    const auto at = text.rfind('@');
    const bool has_password =
        at != text.npos && text.substr(0, at).find(':') != text.npos && !text.substr(at).starts_with("@sha256:");
    return has_password ? "***" + std::string(text.substr(at)) : std::string(text);
}

} // namespace

Result<ImageReference> ImageReference::parse(std::string_view text) {
    const auto invalid = [&](const char* why = "") {
        return fail(ErrorKind::usage, "invalid reference format: \"" + without_user_info(text) + "\"" + why);
    };
    ImageReference reference;
    std::string_view rest = text;
    if (const auto at = rest.find('@'); at != rest.npos) {
        reference.digest = rest.substr(at + 1);
        if (!Digest::parse(reference.digest)) return invalid();
        rest = rest.substr(0, at);
    }
    if (const auto colon = rest.rfind(':'); colon != rest.npos && rest.find('/', colon) == rest.npos) {
        reference.tag = rest.substr(colon + 1);
        if (reference.tag.empty() || reference.tag.size() > 128 || reference.tag.front() == '.' ||
            reference.tag.front() == '-' || !std::all_of(reference.tag.begin(), reference.tag.end(), is_tag_character))
            return invalid();
        rest = rest.substr(0, colon);
    }
    if (const auto slash = rest.find('/'); slash != rest.npos) {
        const auto first = rest.substr(0, slash);
        const bool names_domain = first == "localhost" || first.find_first_of(".:") != first.npos ||
                                  std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
        if (names_domain) {
            if (!is_domain(first)) return invalid();
            reference.domain = first == "index.docker.io" ? "docker.io" : first;
            rest = rest.substr(slash + 1);
        }
    }
    std::string lower(rest);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower != rest && is_path(lower)) return invalid(": the repository's name must be lower-case");
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
