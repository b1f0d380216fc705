// SPDX-License-Identifier: Apache-2.0
// Build contexts of images that are built at once: each folder is looked at once for all images that leave the same out
// of it.
#pragma once

#include "cache/context/context_tree.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace dbuild::orchestrator {

class SharedContexts {
public:
    using Opener = std::function<Result<cache::context::ContextTree>()>;

    /// In: ignore_text — of the .dockerignore in force; open — for the first who asks. Errors: those of `open`.
    /// Threads: safe from several threads.
    Result<std::shared_ptr<cache::context::ContextTree>>
    find_or_open(const std::filesystem::path& root, const std::string& ignore_text, const Opener& open);

    /// Of files, by all images together.
    std::uint64_t bytes_read() const;

private:
    mutable std::mutex mutex_;
    std::map<std::pair<std::filesystem::path, std::string>, std::shared_ptr<cache::context::ContextTree>> trees_;
};

} // namespace dbuild::orchestrator
