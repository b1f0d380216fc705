// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/variables.hpp"

#include <algorithm>
#include <unordered_set>

namespace dbuild::orchestrator {

void VariableLog::assign(std::string name, std::string value, bool is_argument) {
    last_.insert_or_assign(name, assignments_.size());
    assignments_.push_back({std::move(name), std::move(value), is_argument});
}

const std::string* VariableLog::find(std::string_view name) const {
    const auto found = last_.find(std::string(name));
    return found == last_.end() ? nullptr : &assignments_[found->second].value;
}

std::vector<Variable> VariableLog::variables_at(std::size_t point) const {
    std::vector<Variable> variables;
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = point; i-- > 0;)
        if (seen.insert(assignments_[i].name).second) variables.push_back(assignments_[i]);
    std::reverse(variables.begin(), variables.end());
    return variables;
}

std::vector<std::string> VariableLog::environment_at(std::size_t point) const {
    std::vector<std::string> entries;
    std::unordered_map<std::string_view, std::size_t> places;
    for (std::size_t i = 0; i < point; ++i) {
        const auto& [name, value, is_argument] = assignments_[i];
        if (is_argument) continue;
        const auto [place, is_new] = places.emplace(name, entries.size());
        if (is_new) entries.emplace_back();
        entries[place->second] = name + "=" + value;
    }
    return entries;
}

} // namespace dbuild::orchestrator
