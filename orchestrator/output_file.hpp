// SPDX-License-Identifier: Apache-2.0
// Where the user asked an archive to go: a file, standard output, or what else has that name, such as a device or a
// named pipe.
#pragma once

#include "support/files.hpp"

#include <filesystem>
#include <memory>
#include <string_view>

namespace dbuild::orchestrator {

class OutputFile {
public:
    /// In: path — "-": standard output. A file appears, or is replaced, when all is in it, also where a link leads to
    /// it. Errors of all: unavailable, no_space.
    static Result<OutputFile> open(const std::filesystem::path& path);
    Status write(std::string_view bytes);
    /// After the last byte.
    Status commit();

private:
    std::filesystem::path path_; // for messages
    std::unique_ptr<AtomicFile> file_;
    Fd opened_;   // instead of a file
    int fd_ = -1; // that is written instead of a file
};

} // namespace dbuild::orchestrator
