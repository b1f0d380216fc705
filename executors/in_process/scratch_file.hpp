// SPDX-License-Identifier: Apache-2.0
// Bytes that a copy needs again in another order than it gets them. A file without a name below TMPDIR or /tmp: it goes
// when it is closed, however the process ends.
#pragma once

#include "executors/in_process/layer_writer.hpp"
#include "support/files.hpp"

#include <memory>

namespace dbuild::executors::in_process {

class ScratchFile : public std::enable_shared_from_this<ScratchFile> { // shared by the readers of its parts
public:
    /// Errors: unavailable.
    static Result<std::shared_ptr<ScratchFile>> create();

    Status append(std::string_view bytes);
    std::uint64_t size() const { return size_; }

    /// Of bytes that were appended. Errors when read: unavailable.
    BodyReader reader(std::uint64_t offset, std::uint64_t size) const;

private:
    Status read(std::uint64_t offset, std::uint64_t size, const cache::oci::ByteSink& sink) const;

    Fd fd_;
    std::uint64_t size_ = 0;
};

} // namespace dbuild::executors::in_process
