// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/context_look_ahead.hpp"

#include "dockerfile_parser/values.hpp"

namespace dbuild::orchestrator {

std::vector<std::string> literal_sources(const dockerfile_parser::Dockerfile& dockerfile,
                                         const dockerfile_parser::StageGraph& graph) {
    std::vector<std::string> literal;
    for (const int index : graph.needed)
        for (const auto& instruction : dockerfile.stages[static_cast<std::size_t>(index)].instructions) {
            const auto* copy = std::get_if<dockerfile_parser::CopyInstruction>(&instruction.body);
            if (!copy || !copy->from.empty() || copy->parents) continue;
            for (const auto& source : copy->sources)
                if (source.find_first_of("$\"'\\`<") == source.npos && !dockerfile_parser::is_remote_source(source))
                    literal.push_back(source);
        }
    return literal;
}

std::jthread look_ahead(std::shared_ptr<cache::context::ContextTree> context, std::vector<std::string> sources) {
    if (sources.empty() || !context->is_known()) return {};
    return std::jthread([context = std::move(context), sources = std::move(sources)](const std::stop_token& must_end) {
        for (const auto& source : sources) {
            if (must_end.stop_requested()) return;
            static_cast<void>(context->source_digest(source));
        }
    });
}

} // namespace dbuild::orchestrator
