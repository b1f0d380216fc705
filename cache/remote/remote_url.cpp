// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/remote_url.hpp"

#include "support/quantity.hpp"

#include <algorithm>
#include <charconv>

namespace dbuild::cache::remote {
namespace {

Status apply(std::string_view option, RemoteUrl& url) {
    const auto equals = std::min(option.find('='), option.size());
    const auto name = option.substr(0, equals), value = option.substr(std::min(equals + 1, option.size()));
    if (name == "max-size") {
        DBUILD_TRY_ASSIGN(url.max_bytes, parse_byte_count(value));
        return {};
    }
    if (name == "mode" && (value == "read" || value == "readwrite")) {
        url.access = value == "read" ? Access::read_only : Access::read_and_write;
        return {};
    }
    if (name == "max-requests") {
        std::uint64_t count = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
        if (error != std::errc() || end != value.data() + value.size())
            return fail(ErrorKind::usage, "\"" + std::string(option) + "\" has no number");
        url.max_requests = count;
        return {};
    }
    return fail(ErrorKind::usage, "\"" + std::string(option) +
                                      "\" is neither max-size=SIZE, max-requests=NUMBER, mode=read nor mode=readwrite");
}

} // namespace

Result<RemoteUrl> parse_remote_url(std::string_view text) {
    constexpr std::string_view k_scheme = "dir:";
    RemoteUrl url;
    url.text = text;
    if (!text.starts_with(k_scheme))
        return fail(ErrorKind::usage, "a remote is dir:PATH[?max-size=SIZE&mode=read], not \"" + url.text + "\"");
    text.remove_prefix(k_scheme.size());
    const auto question = std::min(text.find('?'), text.size());
    url.path = std::filesystem::path(text.substr(0, question));
    if (url.path.empty()) return fail(ErrorKind::usage, "\"" + url.text + "\" names no folder");
    auto rest = text.substr(std::min(question + 1, text.size()));
    while (!rest.empty()) {
        const auto end = std::min(rest.find('&'), rest.size());
        if (Status applied = apply(rest.substr(0, end), url); !applied) {
            applied.error().message = "\"" + url.text + "\": " + applied.error().message;
            return fail(std::move(applied).error());
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return url;
}

} // namespace dbuild::cache::remote
