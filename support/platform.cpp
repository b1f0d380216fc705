// SPDX-License-Identifier: Apache-2.0
#include "support/platform.hpp"

#include <string_view>

#include <sys/utsname.h>

namespace dbuild {
namespace {

std::string_view architecture(std::string_view machine) {
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    return machine;
}

} // namespace

std::string native_platform() {
    utsname name{};
    ::uname(&name);
    return "linux/" + std::string(architecture(name.machine));
}

} // namespace dbuild
