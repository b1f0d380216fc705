// SPDX-License-Identifier: Apache-2.0
// The build environment of a stage as ARG and ENV make it, assignment by assignment. Every step sees it as it was
// before that step; a copy for each of them would take time and space quadratic in the length of a Dockerfile.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dbuild::orchestrator {

struct Variable {
    std::string name;
    std::string value;
    bool is_argument = false; // set by ARG, not shadowed by a later ENV
};

class VariableLog {
public:
    void assign(std::string name, std::string value, bool is_argument);

    /// The value now; null if there is none. Valid until the next assignment.
    const std::string* find(std::string_view name) const;

    /// How many assignments there were so far: a point in time for the functions below.
    std::size_t size() const { return assignments_.size(); }

    /// What was in force at that point, in the order of the last assignments, which BuildKit keeps. Cost: linear in the
    /// number of variables then, however often they were assigned.
    std::vector<Variable> variables_at(std::size_t point) const;

    /// "NAME=value" of all that ENV or an image set until then, as an image's configuration lists them: in the order of
    /// the first assignments. Cost: linear.
    std::vector<std::string> environment_at(std::size_t point) const;

private:
    struct Assignment {
        Variable variable;
        std::size_t end; // the next assignment of the same name: from there on it is not in force
    };
    /// The assignments in force at a point. One is made whenever as many assignments followed the one before as there
    /// are variables: so all of them together take no more room than the assignments, and between two of them are few.
    struct Checkpoint {
        std::size_t point;
        std::vector<std::size_t> in_force;
    };
    std::vector<std::size_t> in_force_at(std::size_t point) const;

    std::vector<Assignment> assignments_;
    std::vector<Checkpoint> checkpoints_;
    std::unordered_map<std::string, std::size_t> last_; // by name: index of the assignment in force
};

} // namespace dbuild::orchestrator
