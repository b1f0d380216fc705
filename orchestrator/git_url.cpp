// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/git_url.hpp"

#include "cache/oci/layer_tar.hpp"
#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/values.hpp"
#include "orchestrator/remote_files.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace dbuild::orchestrator {
namespace {

tl::unexpected<Error> invalid(std::string_view source, std::string why) {
    return fail(ErrorKind::invalid_dockerfile, "git source " + std::string(source) + ": " + std::move(why));
}

/// Two ways to say the same must say the same.
Status set_once(std::string& field, std::string value, std::string_view source) {
    if (!field.empty() && field != value) return invalid(source, "\"" + field + "\" and \"" + value + "\" at once");
    field = std::move(value);
    return {};
}

Status add_field(GitUrl& url, std::string_view name, const std::string& value, std::string_view source) {
    if (name == "keep-git-dir" || name == "submodules") {
        const auto is_on = value.empty() ? true : dockerfile_parser::parse_boolean(value); // as of a flag
        if (!is_on) return invalid(source, std::string(name) + "=" + value + " is neither true nor false");
        (name == "submodules" ? url.has_submodules : url.keeps_git_dir) = *is_on;
        return {};
    }
    if (value.empty()) return invalid(source, "query \"" + std::string(name) + "\" has no value");
    if (name == "ref") return set_once(url.reference, value, source);
    if (name == "branch") return set_once(url.reference, "refs/heads/" + value, source);
    if (name == "tag") return set_once(url.reference, "refs/tags/" + value, source);
    if (name == "subdir") return set_once(url.folder, cache::oci::clean_path(value), source);
    if (name == "checksum" || name == "commit") return set_once(url.checksum, value, source);
    return fail(ErrorKind::unsupported, "ADD of a git repository with \"" + std::string(name) + "\" in its query");
}

/// Without a scheme it is "user@host:path", as scp takes it.
Status set_transport(GitUrl& url) {
    const auto colon = url.remote.find("://");
    const auto scheme = colon == url.remote.npos ? "ssh" : url.remote.substr(0, colon);
    url.is_over_ssh = scheme == "ssh";
    if (colon == url.remote.npos) return {};
    if (!url.is_over_ssh && scheme != "http" && scheme != "https" && scheme != "git")
        return fail(ErrorKind::unsupported, "ADD of a git repository over " + scheme);
    const auto rest = std::string_view(url.remote).substr(colon + 3);
    const auto host = rest.substr(0, rest.find('/'));
    const auto user = host.substr(0, host.find('@') == host.npos ? 0 : host.rfind('@'));
    if (user.find(':') != user.npos || (!user.empty() && !url.is_over_ssh))
        return fail(ErrorKind::unsupported, "ADD of a git repository with a user in its URL");
    return {};
}

} // namespace

Result<GitUrl> GitUrl::parse(std::string_view source) {
    GitUrl url;
    const auto hash = source.find('#');
    const auto mark = source.substr(0, hash).find('?');
    url.remote = source.substr(0, std::min(hash, mark));
    DBUILD_TRY(set_transport(url));
    if (hash != source.npos) {
        const auto fragment = source.substr(hash + 1);
        const auto colon = fragment.find(':');
        url.reference = fragment.substr(0, colon);
        if (colon != fragment.npos) url.folder = cache::oci::clean_path(fragment.substr(colon + 1));
    }
    auto query = mark == source.npos ? std::string_view()
                                     : source.substr(mark + 1, hash == source.npos ? hash : hash - mark - 1);
    while (!query.empty()) {
        const auto field = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), field.size() + 1));
        const auto equals = field.find('=');
        const auto value = equals == field.npos ? std::string_view() : field.substr(equals + 1);
        DBUILD_TRY(add_field(url, field.substr(0, equals), percent_decoded(value), source));
    }
    if (url.folder.find_first_of("*?[\\") != url.folder.npos)
        return fail(ErrorKind::unsupported, "ADD of a folder of a git repository whose name has wildcard characters");
    if (url.reference.starts_with('-')) return invalid(source, "a reference that begins with \"-\"");
    return url;
}

bool is_git_source(std::string_view source) {
    return dockerfile_parser::is_remote_source(source) && !is_http_source(source);
}

bool is_commit(std::string_view reference) {
    return (reference.size() == 40 || reference.size() == 64) &&
           reference.find_first_not_of("0123456789abcdef") == reference.npos;
}

} // namespace dbuild::orchestrator
