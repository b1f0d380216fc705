// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/variables.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace dbuild::orchestrator {
namespace {

constexpr std::size_t k_never = std::numeric_limits<std::size_t>::max();

} // namespace

void VariableLog::assign(std::string name, std::string value, bool is_argument) {
    const auto [last, is_new] = last_.emplace(name, assignments_.size());
    if (!is_new) {
        assignments_[last->second].end = assignments_.size();
        last->second = assignments_.size();
    }
    assignments_.push_back({{std::move(name), std::move(value), is_argument}, k_never});
    const std::size_t before = checkpoints_.empty() ? 0 : checkpoints_.back().point;
    if (size() - before >= last_.size()) checkpoints_.push_back({size(), in_force_at(size())});
}

const std::string* VariableLog::find(std::string_view name) const {
    const auto found = last_.find(std::string(name));
    return found == last_.end() ? nullptr : &assignments_[found->second].variable.value;
}

std::vector<std::size_t> VariableLog::in_force_at(std::size_t point) const {
    std::vector<std::size_t> in_force;
    const auto add = [&](std::size_t i) {
        if (assignments_[i].end >= point) in_force.push_back(i);
    };
    const auto after =
        std::upper_bound(checkpoints_.begin(), checkpoints_.end(), point,
                         [](std::size_t at, const Checkpoint& checkpoint) { return at < checkpoint.point; });
    std::size_t next = 0;
    if (after != checkpoints_.begin()) {
        const Checkpoint& checkpoint = *std::prev(after);
        for (const std::size_t i : checkpoint.in_force) add(i);
        next = checkpoint.point;
    }
    for (; next < point; ++next) add(next);
    return in_force;
}

std::vector<Variable> VariableLog::variables_at(std::size_t point) const {
    std::vector<Variable> variables;
    for (const std::size_t i : in_force_at(point)) variables.push_back(assignments_[i].variable);
    return variables;
}

std::vector<std::string> VariableLog::environment_at(std::size_t point) const {
    std::vector<std::string> entries;
    std::unordered_map<std::string_view, std::size_t> places;
    for (std::size_t i = 0; i < point; ++i) {
        const auto& [name, value, is_argument] = assignments_[i].variable;
        if (is_argument) continue;
        const auto [place, is_new] = places.emplace(name, entries.size());
        if (is_new) entries.emplace_back();
        entries[place->second] = name + "=" + value;
    }
    return entries;
}

} // namespace dbuild::orchestrator
