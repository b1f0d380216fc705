// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/expansion_check.hpp"

#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <map>

namespace dbuild::dockerfile_parser {
namespace {

/// The variables at one point of a stage. Nothing as value: it has one, which only a build knows.
struct Known {
    std::map<std::string, std::optional<std::string>, std::less<>> values;
    bool is_all = false; // there are no others: the base is scratch
};

class Checker {
public:
    Checker(const SyntaxTree& tree, const StageGraph& graph, std::vector<Diagnostic>& errors)
        : tree_(tree), graph_(graph), errors_(errors) {}

    void run() {
        std::vector<Known> ends; // of the stages so far
        for (const SyntaxNode& node : tree_.nodes) {
            const std::string keyword = ascii_upper(node.keyword);
            if (keyword == "FROM") {
                if (!ends.empty()) ends.back() = std::move(known_);
                known_ = beginning(graph_.stages[ends.size()].base, ends);
                ends.emplace_back();
            } else if (!ends.empty()) {
                node_ = &node;
                check(keyword);
            }
        }
    }

private:
    static Known beginning(const StageReference& base, const std::vector<Known>& ends) {
        if (base.kind == StageReference::Kind::stage) return ends[static_cast<std::size_t>(base.stage_index)];
        return {{{"PATH", std::nullopt}}, base.kind == StageReference::Kind::scratch};
    }

    void check(const std::string& keyword) {
        if (keyword == "ARG") return check_arg();
        if (keyword == "ENV" || keyword == "LABEL") return check_pairs(keyword == "ENV");
        if (keyword == "RUN") return check_mounts();
        const bool is_copy = keyword == "COPY" || keyword == "ADD";
        if (is_copy) check_copy_flags();
        if (!is_copy && keyword != "WORKDIR" && keyword != "USER" && keyword != "STOPSIGNAL" && keyword != "VOLUME" &&
            keyword != "EXPOSE")
            return;
        for (std::size_t i = 0; i < node_->words.size(); ++i)
            if (!is_copy || !heredoc_of_word(node_->words[i])) expand(node_->words[i], word_place(i));
        if (!is_copy) return;
        for (const Heredoc& heredoc : node_->heredocs)
            if (heredoc.expands)
                note(expand_heredoc(heredoc.body, [this](std::string_view name) { return find(name); }), {node_->where, 0});
    }

    /// One after the other: each sees those before it.
    void check_arg() {
        for (std::size_t i = 0; i < node_->words.size(); ++i) {
            const std::string& word = node_->words[i];
            const auto equals = word.find('=');
            if (equals != word.npos) expand(std::string_view(word).substr(equals + 1), word_place(i));
            known_.values.insert_or_assign(word.substr(0, equals), std::nullopt); // --build-arg may give it
        }
    }

    /// All of one instruction see the state before it.
    void check_pairs(bool are_variables) {
        std::map<std::string, std::optional<std::string>> assigned;
        for (std::size_t i = 0; i + 2 < node_->words.size(); i += 3) {
            const auto key = expand(node_->words[i], word_place(i));
            auto value = expand(node_->words[i + 1], word_place(i + 1));
            if (are_variables) assigned.insert_or_assign(key.value_or(node_->words[i]), std::move(value));
        }
        for (auto& [key, value] : assigned) known_.values.insert_or_assign(key, std::move(value));
    }

    void check_copy_flags() {
        for (std::size_t i = 0; i < node_->flags.size(); ++i)
            for (const std::string_view name : {"--chown=", "--chmod=", "--checksum="})
                if (node_->flags[i].starts_with(name))
                    expand(std::string_view(node_->flags[i]).substr(name.size()), flag_place(i));
    }

    void check_mounts() {
        constexpr std::string_view name = "--mount=";
        for (std::size_t i = 0; i < node_->flags.size(); ++i) {
            if (!node_->flags[i].starts_with(name) || node_->flags[i].find('$') == std::string::npos) continue;
            const auto fields = split_mount_fields(std::string_view(node_->flags[i]).substr(name.size()));
            if (!fields) continue;
            for (const std::string& field : *fields)
                if (const auto equals = field.find('='); equals != field.npos && !field.starts_with("from="))
                    expand(std::string_view(field).substr(equals + 1), flag_place(i));
        }
    }

    /// Nothing: it has no value. One that only a build knows is any text.
    std::optional<std::string> find(std::string_view name) {
        const auto found = known_.values.find(name);
        if (found == known_.values.end() && known_.is_all) return std::nullopt;
        if (found != known_.values.end() && found->second) return found->second;
        needs_build_ = true;
        return "x";
    }

    /// Nothing where the value is wrong, or depends on what only a build knows.
    std::optional<std::string> expand(std::string_view word, const WordPlace& place) {
        needs_build_ = false;
        auto value = expand_word(word, [this](std::string_view name) { return find(name); }, tree_.escape);
        if (value && !needs_build_) return std::move(*value);
        note(value, place);
        return std::nullopt;
    }

    void note(const Result<std::string>& value, const WordPlace& place) {
        if (value || value.error().kind != ErrorKind::invalid_dockerfile) return;
        errors_.push_back({Diagnostic::Severity::error, "", value.error().message, place.where, place.length});
    }

    WordPlace word_place(std::size_t i) const {
        return i < node_->word_ranges.size() ? place_of(*node_, node_->word_ranges[i]) : WordPlace{node_->where, 0};
    }
    WordPlace flag_place(std::size_t i) const { return place_of(*node_, node_->flag_ranges[i]); }

    const SyntaxTree& tree_;
    const StageGraph& graph_;
    std::vector<Diagnostic>& errors_;
    const SyntaxNode* node_ = nullptr;
    Known known_;
    bool needs_build_ = false; // the last expansion asked for a value that only a build knows
};

} // namespace

void find_wrong_expansions(const SyntaxTree& tree, const StageGraph& graph, std::vector<Diagnostic>& errors) {
    Checker(tree, graph, errors).run();
}

} // namespace dbuild::dockerfile_parser
