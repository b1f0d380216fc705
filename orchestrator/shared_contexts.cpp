// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/shared_contexts.hpp"

namespace fs = std::filesystem;

namespace dbuild::orchestrator {

Result<std::shared_ptr<cache::context::ContextTree>>
SharedContexts::find_or_open(const fs::path& root, const std::string& ignore_text, const Opener& open) {
    std::error_code error;
    auto real = fs::canonical(root, error);
    if (error) real = root; // `open` says what is wrong
    const std::lock_guard lock(mutex_);
    auto& tree = trees_[{std::move(real), ignore_text}];
    if (!tree) {
        DBUILD_TRY_ASSIGN(auto opened, open());
        tree = std::make_shared<cache::context::ContextTree>(std::move(opened));
    }
    return tree;
}

std::uint64_t SharedContexts::bytes_read() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const auto& [name, tree] : trees_)
        if (tree) bytes += tree->counters().bytes_read;
    return bytes;
}

} // namespace dbuild::orchestrator
