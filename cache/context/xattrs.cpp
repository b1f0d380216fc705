// SPDX-License-Identifier: Apache-2.0
#include "cache/context/xattrs.hpp"

#include <cstring>
#include <sys/xattr.h>

namespace dbuild::cache::context {
namespace {

/// Source: BuildKit's content hash (reference: tarsum's exclusions), and fsutil's for com.apple.
bool counts(std::string_view name) {
    if (name == "security.capability") return true;
    return !name.starts_with("security.") && !name.starts_with("system.") && !name.starts_with("com.apple.");
}

constexpr std::size_t k_max_bytes = 65536; // the kernel's limit of a list and of a value

/// In: list(buffer, size), get(name, buffer, size) — as listxattr and getxattr.
template <class List, class Get>
Xattrs read_with(List list, Get get) {
    Xattrs xattrs;
    char few[1024]; // nearly always enough
    std::string many;
    const char* names = few;
    auto size = list(few, sizeof few);
    if (size < 0 && errno == ERANGE) {
        many.resize(k_max_bytes);
        size = list(many.data(), many.size());
        names = many.data();
    }
    std::string value;
    for (ssize_t at = 0; at < size;) {
        const char* name = names + at;
        at += static_cast<ssize_t>(std::strlen(name)) + 1;
        if (!counts(name)) continue;
        value.resize(k_max_bytes);
        const auto length = get(name, value.data(), value.size());
        if (length >= 0) xattrs.emplace(name, value.substr(0, static_cast<std::size_t>(length)));
    }
    return xattrs;
}

} // namespace

Xattrs read_xattrs(int fd) {
    return read_with(
        [&](char* names, std::size_t size) { return ::flistxattr(fd, names, size); },
        [&](const char* name, char* value, std::size_t size) { return ::fgetxattr(fd, name, value, size); });
}

Xattrs read_xattrs(const std::string& path) {
    return read_with(
        [&](char* names, std::size_t size) { return ::llistxattr(path.c_str(), names, size); },
        [&](const char* name, char* value, std::size_t size) { return ::lgetxattr(path.c_str(), name, value, size); });
}

} // namespace dbuild::cache::context
