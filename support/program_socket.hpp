// SPDX-License-Identifier: Apache-2.0
// A unix socket on which every connection is a new run of a program, whose standard input and output it becomes. With
// it a server behind `ssh HOST some-proxy` is reached like a local one. (libcurl can be given a connected socket too,
// but 7.88 connects it again.)
#pragma once

#include "support/files.hpp"

#include <memory>
#include <string>
#include <vector>

namespace dbuild {

class ProgramSocket {
public:
    /// In: command — command[0] is looked up in PATH. Errors: unavailable — the socket cannot be made.
    static Result<ProgramSocket> create(std::vector<std::string> command);
    ProgramSocket(ProgramSocket&&) noexcept;
    ProgramSocket& operator=(ProgramSocket&&) noexcept;
    /// Ends the programs that still run, and waits for them.
    ~ProgramSocket();

    /// In a folder that only this user can enter.
    const std::filesystem::path& path() const;

private:
    struct Impl;
    explicit ProgramSocket(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild
