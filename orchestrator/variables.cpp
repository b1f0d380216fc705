// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/variables.hpp"

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
}

const std::string* VariableLog::find(std::string_view name) const {
    const auto found = last_.find(std::string(name));
    return found == last_.end() ? nullptr : &assignments_[found->second].variable.value;
}

std::vector<Variable> VariableLog::variables_at(std::size_t point) const {
    std::vector<Variable> variables;
    for (std::size_t i = 0; i < point; ++i)
        if (assignments_[i].end >= point) variables.push_back(assignments_[i].variable);
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
