// SPDX-License-Identifier: Apache-2.0
// The configuration of the container of one RUN, as an OCI runtime takes it: what BuildKit gives its own.
// Source: a live config.json of Docker 26.1.5 (../shared/reference/executor.md §1.1); OCI runtime-spec 1.0.2,
// config.md.
#pragma once

#include "executors/executor.hpp"
#include "executors/runtime/process_user.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace dbuild::executors::runtime {

struct ContainerMount {
    std::string destination;
    std::string type; // "bind", "tmpfs"
    std::string source;
    std::vector<std::string> options;
};

struct Container {
    const RunCommand* command = nullptr; // borrowed
    ProcessUser user;
    std::filesystem::path root;         // mounted
    std::vector<ContainerMount> mounts; // besides those that every container has, in the order of their destinations
};

/// The text of config.json. The network of a command that has one is that of the thread which starts the container.
std::string container_spec(const Container& container);

} // namespace dbuild::executors::runtime
