// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/bake_file.hpp"

#include "orchestrator/command_line/fields.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

namespace fs = std::filesystem;
namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

tl::unexpected<Error> wrong(std::string_view what) {
    return fail(ErrorKind::usage, fmt::format("bake file: {}", what));
}

/// Strings are templates: "$${" stands for "${", and a "${" that is left is for docker buildx.
Result<std::string> literal(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto rest = text.substr(i);
        if (rest.starts_with("$${") || rest.starts_with("%%{"))
            ++i;
        else if (rest.starts_with("${") || rest.starts_with("%{"))
            return fail(ErrorKind::unsupported, "the bake file has templates");
        result += text[i];
    }
    return result;
}

Result<std::string> text_of(const json::value& value, std::string_view attribute) {
    if (value.is_string()) return literal(std::string_view(value.get_string()));
    if (value.is_bool()) return std::string(value.get_bool() ? "true" : "false");
    if (value.is_number()) return json::serialize(value);
    return wrong(fmt::format("{} is no text", attribute));
}

/// "type=local,src=x" of a member of a list, which newer versions write as an object.
Result<std::string> fields_of(const json::value& value, std::string_view attribute) {
    if (!value.is_object()) return text_of(value, attribute);
    Fields fields;
    for (const auto& [name, member] : value.get_object()) {
        DBUILD_TRY_ASSIGN(auto text, text_of(member, attribute));
        if (!text.empty()) fields.push_back({std::string(name), std::move(text)});
    }
    return to_string(fields);
}

/// Turns a target's attributes into words.
class TargetReader {
public:
    explicit TargetReader(std::string name) { target_.name = std::move(name); }

    Result<BakeTarget> read(const json::object& attributes) {
        for (const auto& [name, value] : attributes)
            if (!value.is_null()) DBUILD_TRY(take(std::string_view(name), value));
        const bool is_url = context_.find("://") != context_.npos || context_.starts_with("git@");
        if (context_.starts_with("target:")) target_.unplanned = "context " + context_;
        if (target_.dockerfile_text) {
            add("--file", "-");
        } else if (!dockerfile_.empty() && dockerfile_ != "Dockerfile") {
            const bool is_whole = is_url || fs::path(dockerfile_).is_absolute();
            add("--file", is_whole ? dockerfile_ : (fs::path(context_) / dockerfile_).lexically_normal().string());
        }
        target_.words.push_back(context_);
        return std::move(target_);
    }

private:
    enum class Shape { text, list, fields, map };
    struct Attribute {
        std::string_view name, flag;
        Shape shape;
    };
    static constexpr Attribute k_attributes[] = {
        {"annotations", "--annotation", Shape::list},
        {"attest", "--attest", Shape::fields},
        {"cache-from", "--cache-from", Shape::fields},
        {"cache-to", "--cache-to", Shape::fields},
        {"call", "--call", Shape::text},
        {"entitlements", "--allow", Shape::list},
        {"extra-hosts", "--add-host", Shape::map},
        {"labels", "--label", Shape::map},
        {"network", "--network", Shape::text},
        {"no-cache", "--no-cache", Shape::text},
        {"no-cache-filter", "--no-cache-filter", Shape::list},
        {"output", "--output", Shape::fields},
        {"outputs", "--output", Shape::fields},
        {"platforms", "--platform", Shape::list},
        {"pull", "--pull", Shape::text},
        {"secret", "--secret", Shape::fields},
        {"shm-size", "--shm-size", Shape::text},
        {"ssh", "--ssh", Shape::fields},
        {"tags", "--tag", Shape::list},
        {"target", "--target", Shape::text},
        {"ulimits", "--ulimit", Shape::list},
    };

    void add(std::string_view flag, std::string_view value) {
        target_.words.push_back(fmt::format("{}={}", flag, value)); // one word: a boolean takes no other
    }

    Status take(std::string_view name, const json::value& value) {
        if (name == "description" || name == "name") return {};
        if (name == "inherits" || name == "matrix")
            return fail(ErrorKind::unsupported, fmt::format("the bake file has {}", name));
        if (name == "args") return take_arguments(value);
        if (name == "contexts") return take_contexts(value);
        if (name == "context" || name == "dockerfile" || name == "dockerfile-inline") {
            DBUILD_TRY_ASSIGN(auto text, text_of(value, name));
            if (name == "context")
                context_ = text.empty() ? "." : std::move(text);
            else if (name == "dockerfile")
                dockerfile_ = std::move(text);
            else
                target_.dockerfile_text = std::move(text);
            return {};
        }
        const auto known = std::find_if(std::begin(k_attributes), std::end(k_attributes),
                                        [&](const Attribute& attribute) { return attribute.name == name; });
        if (known != std::end(k_attributes)) return take_as(*known, value);
        target_.unplanned = fmt::format("{} of a bake target", name);
        return {};
    }

    Status take_as(const Attribute& attribute, const json::value& value) {
        if (attribute.flag == "--tag") target_.has_tags = true;
        if (attribute.flag == "--output") target_.has_outputs = true;
        if (attribute.shape == Shape::map) return take_map(attribute, value);
        if (attribute.shape == Shape::text) {
            DBUILD_TRY_ASSIGN(const auto text, text_of(value, attribute.name));
            if (!text.empty()) add(attribute.flag, text);
            return {};
        }
        if (!value.is_array()) return wrong(fmt::format("target {}: {} is no list", target_.name, attribute.name));
        for (const auto& member : value.get_array()) {
            DBUILD_TRY_ASSIGN(const auto text, attribute.shape == Shape::fields ? fields_of(member, attribute.name)
                                                                                : text_of(member, attribute.name));
            add(attribute.flag, text);
        }
        return {};
    }

    Result<const json::object*> object(const json::value& value, std::string_view name) const {
        if (!value.is_object()) return wrong(fmt::format("target {}: {} is no map", target_.name, name));
        return &value.get_object();
    }

    Status take_map(const Attribute& attribute, const json::value& value) {
        DBUILD_TRY_ASSIGN(const auto* members, object(value, attribute.name));
        const char separator = attribute.flag == "--add-host" ? ':' : '=';
        for (const auto& [name, member] : *members) {
            DBUILD_TRY_ASSIGN(const auto text, member.is_null() ? std::string() : text_of(member, attribute.name));
            add(attribute.flag, fmt::format("{}{}{}", std::string_view(name), separator, text));
        }
        return {};
    }

    /// Null: the environment's value, as of `--build-arg NAME`.
    Status take_arguments(const json::value& value) {
        DBUILD_TRY_ASSIGN(const auto* members, object(value, "args"));
        for (const auto& [name, member] : *members) {
            if (member.is_null()) {
                add("--build-arg", std::string_view(name));
                continue;
            }
            DBUILD_TRY_ASSIGN(const auto text, text_of(member, "args"));
            add("--build-arg", fmt::format("{}={}", std::string_view(name), text));
        }
        return {};
    }

    /// "service:" is what some versions leave of a compose file.
    Status take_contexts(const json::value& value) {
        DBUILD_TRY_ASSIGN(const auto* members, object(value, "contexts"));
        for (const auto& [name, member] : *members) {
            DBUILD_TRY_ASSIGN(auto text, text_of(member, "contexts"));
            if (text.starts_with("target:") || text.starts_with("service:"))
                target_.reads.emplace(name, text.substr(text.find(':') + 1));
            else
                add("--build-context", fmt::format("{}={}", std::string_view(name), text));
        }
        return {};
    }

    BakeTarget target_;
    std::string context_ = ".", dockerfile_;
};

Result<std::vector<std::string>> names_in(const json::value& group, std::string_view name) {
    const auto* targets = group.is_object() ? group.get_object().if_contains("targets") : nullptr;
    if (!targets || !targets->is_array()) return wrong(fmt::format("group {} has no list of targets", name));
    std::vector<std::string> names;
    for (const auto& member : targets->get_array()) {
        DBUILD_TRY_ASSIGN(names.emplace_back(), text_of(member, "targets"));
    }
    return names;
}

/// As `jq .` does, which is also what docker buildx prints.
void print(const json::value& value, std::size_t depth, std::string& out) {
    const auto line = [&](std::size_t level) { out += "\n" + std::string(2 * level, ' '); };
    if (value.is_object() && !value.get_object().empty()) {
        out += '{';
        const char* comma = "";
        for (const auto& [name, member] : value.get_object()) {
            out += comma;
            line(depth + 1);
            out += json::serialize(json::value(name)) + ": ";
            print(member, depth + 1, out);
            comma = ",";
        }
        line(depth);
        out += '}';
    } else if (value.is_array() && !value.get_array().empty()) {
        out += '[';
        const char* comma = "";
        for (const auto& member : value.get_array()) {
            out += comma;
            line(depth + 1);
            print(member, depth + 1, out);
            comma = ",";
        }
        line(depth);
        out += ']';
    } else {
        out += json::serialize(value);
    }
}

} // namespace

Result<BakeFile> BakeFile::parse(std::string_view text) {
    boost::system::error_code error;
    const auto document = json::parse(text, error);
    if (error) return wrong("no JSON: " + error.message());
    if (!document.is_object()) return wrong("no JSON object");
    BakeFile file;
    for (const auto& [kind, members] : document.get_object()) {
        if (kind != "group" && kind != "target")
            return fail(ErrorKind::unsupported, fmt::format("the bake file has {}", std::string_view(kind)));
        if (!members.is_object()) return wrong(fmt::format("{} is no map", std::string_view(kind)));
        for (const auto& [name, member] : members.get_object()) {
            if (kind == "group") {
                DBUILD_TRY_ASSIGN(file.groups_[name], names_in(member, std::string_view(name)));
                continue;
            }
            if (!member.is_object()) return wrong(fmt::format("target {} is no map", std::string_view(name)));
            DBUILD_TRY_ASSIGN(auto target, TargetReader(name).read(member.get_object()));
            file.targets_.emplace(name, std::move(target));
            file.sources_.emplace(name, json::serialize(member));
        }
    }
    return file;
}

Result<std::vector<std::string>> BakeFile::select(const std::vector<std::string>& names) const {
    std::set<std::string> selected, seen;
    const std::function<Status(const std::string&)> add = [&](const std::string& name) -> Status {
        if (!seen.insert(name).second) return {};
        if (const auto group = groups_.find(name); group != groups_.end()) { // which may hold a target of its own name
            for (const auto& member : group->second) {
                if (member == name && targets_.contains(name)) selected.insert(name);
                DBUILD_TRY(add(member));
            }
            return {};
        }
        if (!targets_.contains(name)) return wrong(fmt::format("there is no target {}", name));
        selected.insert(name);
        return {};
    };
    for (const auto& name : names.empty() ? std::vector<std::string>{"default"} : names) DBUILD_TRY(add(name));
    return std::vector<std::string>(selected.begin(), selected.end());
}

Result<std::vector<std::string>> BakeFile::with_read_targets(const std::vector<std::string>& targets) const {
    std::vector<std::string> order;
    std::map<std::string, bool> is_done; // false while what it reads is added
    const std::function<Status(const std::string&)> add = [&](const std::string& name) -> Status {
        const auto known = targets_.find(name);
        if (known == targets_.end()) return wrong(fmt::format("there is no target {}", name));
        const auto [seen, is_new] = is_done.emplace(name, false);
        if (!is_new && !seen->second) return wrong(fmt::format("target {} reads from itself", name));
        if (!is_new) return {};
        for (const auto& [context, other] : known->second.reads) DBUILD_TRY(add(other));
        is_done[name] = true;
        order.push_back(name);
        return {};
    };
    for (const auto& name : targets) DBUILD_TRY(add(name));
    return order;
}

std::string BakeFile::to_json(const std::vector<std::string>& selected, const std::vector<std::string>& targets) const {
    json::object all;
    std::set<std::string> sorted(targets.begin(), targets.end());
    for (const auto& name : sorted) all[name] = json::parse(sources_.at(name));
    json::object groups{{"default", json::object{{"targets", json::value_from(selected)}}}};
    std::string text;
    print(json::object{{"group", std::move(groups)}, {"target", std::move(all)}}, 0, text);
    return text + "\n";
}

} // namespace dbuild::orchestrator
