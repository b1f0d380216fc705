// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/path_walk.hpp"

#include "cache/oci/layer_tar.hpp"

namespace dbuild::cache::oci {

Result<std::string> follow_links(std::string_view path, const LinkLookup& link_at, const std::string& top) {
    constexpr int k_max_links = 255;
    std::string done = top, rest(path);
    for (int links = 0; !rest.empty();) {
        const auto slash = rest.find('/');
        const auto part = rest.substr(0, slash);
        rest = slash == rest.npos ? "" : rest.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            if (done != top) done = parent_path(done);
            continue;
        }
        const auto next = done.empty() ? part : done + "/" + part;
        DBUILD_TRY_ASSIGN(const auto link, link_at(next));
        if (!link) {
            done = next;
            continue;
        }
        if (++links > k_max_links) return fail(ErrorKind::not_found, "\"/" + clean_path(path) + "\": too many links");
        if (link->starts_with('/')) done = top;
        rest = *link + "/" + rest;
    }
    return done;
}

} // namespace dbuild::cache::oci
