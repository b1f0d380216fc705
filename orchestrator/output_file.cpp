// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/output_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {

Result<OutputFile> OutputFile::open(const fs::path& path) {
    OutputFile output;
    output.path_ = path;
    std::error_code error;
    if (path == "-") {
        output.path_ = "standard output";
        output.fd_ = STDOUT_FILENO;
    } else if (fs::exists(path, error) && !fs::is_regular_file(path, error)) {
        output.opened_ = Fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!output.opened_.is_open())
            return fail(ErrorKind::unavailable, "cannot open " + path.string() + ": " + std::strerror(errno));
        output.fd_ = output.opened_.get();
    } else {
        const auto target = fs::weakly_canonical(path, error); // replaced: not a link to it
        DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(error ? path : target));
        output.file_ = std::make_unique<AtomicFile>(std::move(file));
    }
    return output;
}

Status OutputFile::write(std::string_view bytes) { return file_ ? file_->write(bytes) : write_all(fd_, bytes, path_); }

Status OutputFile::commit() { return file_ ? file_->commit(AtomicFile::Durability::not_synced) : Status(); }

} // namespace dbuild::orchestrator
