// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/stage_walk.hpp"

#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/triggers.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <map>
#include <set>
#include <span>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::size_t k_longest_value = 1024; // that is remembered: a megabyte of text could ask for gigabytes of them

/// One table for all stages: what a stage assigned is taken back when the stages based on it were seen.
class VariableTable {
public:
    struct Value {
        std::optional<std::string> text; // nothing: not set
        bool is_certain = true;          // no build argument changes it
        bool is_known = true;            // else only a build knows the text
    };

    const Value* find(std::string_view name) const {
        const auto found = values_.find(name);
        return found == values_.end() ? nullptr : &found->second;
    }
    void assign(const std::string& name, Value value) {
        if (value.text && value.text->size() > k_longest_value) value = {std::nullopt, false, false};
        const auto found = values_.find(name);
        const bool had_value = found != values_.end() && has_value(found->second);
        if (!had_value && has_value(value)) valued_.push_back(name);
        undo_.push_back({name, found == values_.end() ? std::nullopt : std::optional(std::move(found->second))});
        values_.insert_or_assign(name, std::move(value));
    }
    /// A point to return to.
    struct Mark {
        std::size_t assignments, valued;
    };
    Mark mark() const { return {undo_.size(), valued_.size()}; }
    void return_to(const Mark& mark) {
        for (; undo_.size() > mark.assignments; undo_.pop_back()) {
            auto& [name, before] = undo_.back();
            if (before)
                values_.insert_or_assign(name, std::move(*before));
            else
                values_.erase(name);
        }
        valued_.resize(mark.valued);
    }
    const std::vector<std::string>& valued() const { return valued_; }

private:
    struct Assignment {
        std::string name;
        std::optional<Value> before;
    };
    static bool has_value(const Value& value) { return value.text || !value.is_known; }

    std::map<std::string, Value, std::less<>> values_;
    std::vector<Assignment> undo_;
    std::vector<std::string> valued_;
};

/// The nodes of one stage, in the tree.
struct StageNodes {
    const SyntaxNode* from = nullptr;
    std::span<const SyntaxNode> instructions;
};

std::vector<StageNodes> nodes_of_stages(const SyntaxTree& tree) {
    std::vector<StageNodes> stages;
    for (const SyntaxNode& node : tree.nodes) {
        if (ascii_upper(node.keyword) == "FROM")
            stages.push_back({&node, {&node + 1, std::size_t{0}}});
        else if (!stages.empty())
            stages.back().instructions = {stages.back().instructions.data(), stages.back().instructions.size() + 1};
    }
    return stages;
}

class Walk {
public:
    Walk(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph, const CheckContext& context,
         StageVisitor& visitor)
        : dockerfile_(dockerfile), graph_(graph), context_(context), visitor_(visitor), nodes_(nodes_of_stages(tree)),
          globals_(global_arguments(dockerfile, "", context.build_arguments, context.platform)
                       .value_or(std::map<std::string, std::string>())) {}

    /// Depth first along FROM, so that the table holds one path of stages at a time.
    void run() {
        std::vector<std::vector<int>> based_on(graph_.stages.size());
        std::vector<Visit> visits;
        for (const StageNode& stage : graph_.stages) {
            if (stage.base.kind == StageReference::Kind::stage)
                based_on[static_cast<std::size_t>(stage.base.stage_index)].push_back(stage.index);
            else
                visits.push_back({stage.index, std::nullopt, false});
        }
        while (!visits.empty()) {
            Visit& visit = visits.back();
            if (visit.end) {
                table_.return_to(*visit.end);
                knows_all_ = visit.knew_all;
                visits.pop_back();
                continue;
            }
            visit.end = table_.mark();
            visit.knew_all = knows_all_;
            const auto index = static_cast<std::size_t>(visit.stage);
            walk_stage(index);
            for (const int child : based_on[index]) visits.push_back({child, std::nullopt, false});
        }
    }

private:
    struct Visit {
        int stage;
        std::optional<VariableTable::Mark> end; // set while the stage, and what is based on it, is being seen
        bool knew_all;
    };

    void walk_stage(std::size_t index) {
        const StageNode& stage = graph_.stages[index];
        if (stage.base.kind != StageReference::Kind::stage) begin_from_outside(stage.base);
        visitor_.begin_stage(stage);
        if (stage.base.kind == StageReference::Kind::stage) walk_triggers(stage);
        from_ = nullptr;
        for (const SyntaxNode& node : nodes_[index].instructions) walk_instruction(node);
    }

    void begin_from_outside(const StageReference& base) {
        table_.assign("PATH", {std::nullopt, false, false});
        knows_all_ = base.kind == StageReference::Kind::scratch;
        const auto image = base.kind == StageReference::Kind::image && context_.find_base
                               ? context_.find_base(base.image)
                               : std::nullopt;
        if (!image) return;
        knows_all_ = true;
        for (const auto& [name, value] : image->environment) table_.assign(name, {value, true, true});
    }

    void walk_triggers(const StageNode& stage) {
        const auto parent = static_cast<std::size_t>(stage.base.stage_index);
        from_ = nodes_[static_cast<std::size_t>(stage.index)].from;
        for (const std::string& trigger : triggers_of(dockerfile_.stages[parent])) {
            if (const auto tree = parse_syntax_tree(trigger, from_->where.file); tree && !tree->nodes.empty())
                walk_instruction(tree->nodes.front());
        }
    }

    void walk_instruction(const SyntaxNode& node) {
        const WalkedInstruction instruction{node, ascii_upper(node.keyword),
                                            keyword_place(from_ != nullptr ? *from_ : node), from_ != nullptr};
        instruction_ = &instruction;
        visitor_.begin_instruction(instruction);
        const std::string& keyword = instruction.keyword;
        if (keyword == "ARG") walk_arguments(node);
        if (keyword == "ENV" || keyword == "LABEL") walk_pairs(node, keyword == "ENV");
        if (keyword == "RUN") walk_mounts(node);
        if (keyword == "COPY" || keyword == "ADD") walk_copy(node);
        if (keyword == "EXPOSE") walk_ports(node);
        if (keyword == "WORKDIR" || keyword == "USER" || keyword == "STOPSIGNAL" || keyword == "VOLUME")
            for (std::size_t i = 0; i < node.words.size(); ++i)
                add(WalkedWord::Role::other, node.words[i], word_place(i));
    }

    /// One after the other: each sees those before it.
    void walk_arguments(const SyntaxNode& node) {
        for (std::size_t i = 0; i < node.words.size(); ++i) {
            const std::string& word = node.words[i];
            const auto equals = word.find('=');
            std::optional<VariableTable::Value> fallback;
            if (equals != word.npos)
                fallback = add(WalkedWord::Role::value, std::string_view(word).substr(equals + 1), word_place(i));
            const std::string name = word.substr(0, equals);
            auto value = argument(name, std::move(fallback));
            value.is_certain = false; // --build-arg may give another one
            table_.assign(name, std::move(value));
        }
    }

    /// What a declaration makes of a variable. In: fallback — the value that stands in the instruction, if one does.
    VariableTable::Value argument(const std::string& name, std::optional<VariableTable::Value> fallback) const {
        const auto given = context_.build_arguments.find(name);
        if (given != context_.build_arguments.end()) return {given->second, true, true};
        if (fallback) return std::move(*fallback);
        if (const auto global = globals_.find(name); global != globals_.end()) return {global->second, true, true};
        const auto* before = table_.find(name); // a declaration alone leaves it as it is
        return before != nullptr ? *before : VariableTable::Value();
    }

    /// All of one instruction see the state before it.
    void walk_pairs(const SyntaxNode& node, bool are_variables) {
        std::vector<std::pair<std::string, VariableTable::Value>> assigned;
        for (std::size_t i = 0; i + 2 < node.words.size(); i += 3) {
            const auto name = add(WalkedWord::Role::name, node.words[i], word_place(i));
            auto value = add(WalkedWord::Role::value, node.words[i + 1], word_place(i + 1));
            if (are_variables) assigned.emplace_back(name.text.value_or(node.words[i]), std::move(value));
        }
        for (auto& [name, value] : assigned) table_.assign(name, std::move(value));
    }

    void walk_mounts(const SyntaxNode& node) {
        constexpr std::string_view k_flag = "--mount=";
        for (std::size_t i = 0; i < node.flags.size(); ++i) {
            if (!node.flags[i].starts_with(k_flag) || node.flags[i].find('$') == std::string::npos) continue;
            const auto fields = split_mount_fields(std::string_view(node.flags[i]).substr(k_flag.size()));
            if (!fields) continue;
            for (const std::string& field : *fields)
                if (const auto equals = field.find('='); equals != field.npos && !field.starts_with("from="))
                    add(WalkedWord::Role::other, std::string_view(field).substr(equals + 1), flag_place(i));
        }
    }

    void walk_copy(const SyntaxNode& node) {
        for (std::size_t i = 0; i < node.flags.size(); ++i)
            for (const std::string_view flag : {"--chown=", "--chmod=", "--checksum="})
                if (node.flags[i].starts_with(flag))
                    add(WalkedWord::Role::other, std::string_view(node.flags[i]).substr(flag.size()), flag_place(i));
        for (std::size_t i = 0; i < node.words.size(); ++i) {
            if (heredoc_of_word(node.words[i])) continue;
            const bool is_last = i + 1 == node.words.size();
            add(is_last ? WalkedWord::Role::other : WalkedWord::Role::source, node.words[i], word_place(i));
        }
        for (const Heredoc& heredoc : node.heredocs) {
            if (!heredoc.expands) continue;
            walk_text(WalkedWord::Role::other, instruction_->keyword_place,
                      [&] { return as_words(expand_heredoc(heredoc.body, lookup_)); });
        }
    }

    void walk_ports(const SyntaxNode& node) {
        for (std::size_t i = 0; i < node.words.size(); ++i)
            walk_text(WalkedWord::Role::other, word_place(i),
                      [&] { return expand_words(node.words[i], lookup_, dockerfile_.escape); });
    }

    static Result<std::vector<std::string>> as_words(Result<std::string> word) {
        if (!word) return fail(std::move(word).error());
        return std::vector{std::move(*word)};
    }

    VariableTable::Value add(WalkedWord::Role role, std::string_view text, const WordPlace& place) {
        return walk_text(role, place, [&] { return as_words(expand_word(text, lookup_, dockerfile_.escape)); });
    }

    /// Shows what becomes of a text. In: expand — asks find(). Out: of the last word, if there are several.
    template <typename Expand>
    VariableTable::Value walk_text(WalkedWord::Role role, const WordPlace& place, Expand expand) {
        is_certain_ = is_known_ = true;
        assumes_arguments_ = false;
        undefined_.clear();
        auto words = expand();
        WalkedWord word{role, place, {}, is_certain_, {}, {}, &table_.valued(), knows_all_};
        if (!words && words.error().kind == ErrorKind::invalid_dockerfile) word.error = words.error().message;
        if (words && is_known_ && !is_certain_) {
            assumes_arguments_ = true;
            words = expand();
        }
        if (instruction_->keyword != "EXPOSE") // where BuildKit does not look for them
            word.undefined = {undefined_.begin(), undefined_.end()};
        const bool has_value = words && is_known_;
        if (!has_value) visitor_.visit_word(*instruction_, word);
        for (std::size_t i = 0; has_value && i < words->size(); ++i) {
            word.value = std::move((*words)[i]);
            visitor_.visit_word(*instruction_, word);
        }
        return {std::move(word.value), word.is_certain, has_value};
    }

    /// Nothing: it is not set. Any text of one that only a build knows, or, at first, that its arguments decide.
    std::optional<std::string> find(std::string_view name) {
        const auto* value = table_.find(name);
        if (value == nullptr) undefined_.emplace(name);
        if (value == nullptr && knows_all_) return std::nullopt;
        is_certain_ = is_certain_ && value != nullptr && value->is_certain;
        is_known_ = is_known_ && value != nullptr && value->is_known;
        if (value != nullptr && value->is_known && (value->is_certain || assumes_arguments_)) return value->text;
        return "x";
    }

    WordPlace word_place(std::size_t i) const {
        const SyntaxNode& node = instruction_->node;
        const bool has_place = !instruction_->is_trigger && i < node.word_ranges.size();
        return has_place ? place_of(node, node.word_ranges[i]) : instruction_->keyword_place;
    }
    WordPlace flag_place(std::size_t i) const {
        const SyntaxNode& node = instruction_->node;
        return instruction_->is_trigger ? instruction_->keyword_place : place_of(node, node.flag_ranges[i]);
    }

    const Dockerfile& dockerfile_;
    const StageGraph& graph_;
    const CheckContext& context_;
    StageVisitor& visitor_;
    const std::vector<StageNodes> nodes_;
    const std::map<std::string, std::string> globals_;
    const VariableLookup lookup_ = [this](std::string_view name) { return find(name); };
    VariableTable table_;
    bool knows_all_ = false;
    const SyntaxNode* from_ = nullptr; // while its triggers are walked
    const WalkedInstruction* instruction_ = nullptr;
    bool is_certain_ = true, is_known_ = true;     // of the text that is expanded
    bool assumes_arguments_ = false;               // that build arguments are those given
    std::set<std::string, std::less<>> undefined_; // in it
};

} // namespace

WordPlace keyword_place(const SyntaxNode& node) {
    return place_of(node, {0, node.keyword.size()}); // the line begins with it
}

void walk_stages(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                 const CheckContext& context, StageVisitor& visitor) {
    Walk(tree, dockerfile, graph, context, visitor).run();
}

} // namespace dbuild::dockerfile_parser
