// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/platform.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::string_view k_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

constexpr std::array<std::string_view, 17> k_systems = {
    "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
    "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos"};
constexpr std::array<std::string_view, 24> k_architectures = {
    "386",     "amd64",   "amd64p32", "arm",    "armbe",  "arm64",    "arm64be",   "ppc64",
    "ppc64le", "loong64", "mips",     "mipsle", "mips64", "mips64le", "mips64p32", "mips64p32le",
    "ppc",     "riscv",   "riscv64",  "s390",   "s390x",  "sparc",    "sparc64",   "wasm"};

tl::unexpected<Error> invalid(std::string message) {
    return fail(ErrorKind::invalid_dockerfile, std::move(message) + ": invalid argument");
}

/// A name, and perhaps a version in parentheses after it.
bool is_system(std::string_view text) {
    const auto end = std::min(text.find_first_not_of(k_letters), text.size());
    const auto version = text.substr(end);
    if (end == 0 || version.empty()) return end > 0;
    return version.size() >= 2 && version.front() == '(' && version.back() == ')' &&
           version.substr(1, version.size() - 2).find_first_not_of(std::string(k_letters) + ".") == version.npos;
}

std::string normalized_system(std::string_view text) {
    const auto end = std::min(text.find('('), text.size());
    std::string name = ascii_lower(text.substr(0, end));
    if (name == "macos") name = "darwin";
    return name + std::string(text.substr(end));
}

/// "ARCHITECTURE" or "ARCHITECTURE/VARIANT"
std::string normalized_architecture(std::string_view architecture, std::string_view given_variant) {
    const std::string name = ascii_lower(architecture);
    const std::string variant = ascii_lower(given_variant);
    const auto joined = [](std::string base, const std::string& part) {
        return part.empty() ? base : base + "/" + part;
    };
    if (name == "i386") return "386";
    if (name == "x86_64" || name == "x86-64" || name == "amd64") return joined("amd64", variant == "v1" ? "" : variant);
    if (name == "aarch64" || name == "arm64") return joined("arm64", variant == "8" || variant == "v8" ? "" : variant);
    if (name == "armhf") return "arm/v7";
    if (name == "armel") return "arm/v6";
    if (name != "arm") return joined(name, variant);
    if (variant.empty() || variant == "7") return "arm/v7";
    return joined(name, variant == "5" || variant == "6" || variant == "8" ? "v" + variant : variant);
}

} // namespace

Result<std::string> normalized_platform(std::string_view text, std::string_view native) {
    if (text.find('*') != text.npos) return invalid(quoted(text) + ": wildcards not yet supported");
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find('/', begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    if (!is_system(parts[0]))
        return invalid(
            fmt::format("{} is an invalid OS component of {}: OSAndVersion specifier component must match {}",
                        quoted(parts[0]), quoted(text), R"("^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.-]*)\\))?$")"));
    for (std::size_t i = 1; i < parts.size(); ++i)
        if (parts[i].empty() || parts[i].find_first_not_of(k_letters) != parts[i].npos)
            return invalid(fmt::format("{} is an invalid component of {}: platform specifier component must match {}",
                                       quoted(parts[i]), quoted(text), R"("^[A-Za-z0-9_-]+$")"));
    if (parts.size() > 3) return invalid(quoted(text) + ": cannot parse platform specifier");
    const std::string system = normalized_system(parts[0]);
    if (parts.size() > 1) return system + "/" + normalized_architecture(parts[1], parts.size() == 3 ? parts[2] : "");
    const auto slash = native.find('/');
    const auto is_known = [](const auto& names, std::string_view name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (is_known(k_systems, system.substr(0, system.find('('))))
        return system + std::string(native.substr(std::min(slash, native.size())));
    const std::string architecture = normalized_architecture(parts[0], "");
    if (is_known(k_architectures, architecture.substr(0, architecture.find('/'))))
        return std::string(native.substr(0, slash)) + "/" + architecture;
    return invalid(quoted(text) + ": unknown operating system or architecture");
}

} // namespace dbuild::dockerfile_parser
