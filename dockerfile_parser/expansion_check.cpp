// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/expansion_check.hpp"

#include "dockerfile_parser/stage_walk.hpp"
#include "dockerfile_parser/values.hpp"

namespace dbuild::dockerfile_parser {
namespace {

/// Errors: invalid_dockerfile without `where`; other kinds are the build's to report.
Status check_value(const std::string& keyword, const std::string& value) {
    if (keyword == "EXPOSE") return check_port(value);
    if (keyword == "STOPSIGNAL") return check_signal(value);
    if (keyword == "VOLUME" && value.empty())
        return fail(ErrorKind::invalid_dockerfile, "VOLUME specified can not be an empty string");
    return {};
}

/// Only ADD downloads.
Status check_source(const std::string& keyword, const std::string& source) {
    if (keyword != "COPY" || !is_remote_source(source)) return {};
    const bool is_http = source.starts_with("http://") || source.starts_with("https://");
    if (is_http && !source.ends_with(".git"))
        return fail(ErrorKind::invalid_dockerfile, "source can't be a URL for COPY");
    const bool is_git =
        is_http || source.find("://") == source.npos || source.starts_with("git://") || source.starts_with("ssh://");
    if (is_git) return fail(ErrorKind::invalid_dockerfile, "source can't be a git ref for COPY");
    return {};
}

class Collector final : public StageVisitor {
public:
    explicit Collector(std::vector<Diagnostic>& errors) : errors_(errors) {}

    void begin_stage(const StageNode&) override {}
    void begin_instruction(const WalkedInstruction&) override {}
    void visit_word(const WalkedInstruction& instruction, const WalkedWord& word) override {
        if (word.error) add(*word.error, word.place);
        if (!word.value || !word.is_certain) return;
        const bool is_source = word.role == WalkedWord::Role::source;
        const auto done =
            is_source ? check_source(instruction.keyword, *word.value) : check_value(instruction.keyword, *word.value);
        if (!done && done.error().kind == ErrorKind::invalid_dockerfile) add(done.error().message, word.place);
    }

private:
    void add(std::string message, const WordPlace& place) {
        errors_.push_back({Diagnostic::Severity::error, "", std::move(message), place.where, place.length});
    }

    std::vector<Diagnostic>& errors_;
};

} // namespace

void find_wrong_expansions(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                           const CheckContext& context, std::vector<Diagnostic>& errors) {
    Collector collector(errors);
    walk_stages(tree, dockerfile, graph, context, collector);
}

} // namespace dbuild::dockerfile_parser
