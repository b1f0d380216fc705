// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/ignore_file.hpp"

#include "support/files.hpp"

namespace dbuild::orchestrator {

Result<IgnoreFile> read_ignore_file(const std::filesystem::path& dockerfile, const std::filesystem::path& context) {
    IgnoreFile file;
    for (const auto& path : {std::filesystem::path(dockerfile.string() + ".dockerignore"), context / ".dockerignore"}) {
        file.name = path.string();
        auto text = read_file(path);
        if (!text && text.error().kind == ErrorKind::not_found) continue;
        DBUILD_TRY_ASSIGN(file.text, std::move(text));
        return file;
    }
    return file;
}

} // namespace dbuild::orchestrator
