// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/process_user.hpp"

#include "executors/in_process/accounts.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace dbuild::executors::runtime {
namespace {

using in_process::AccountLine;

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string_view field(const AccountLine& line, std::size_t index) {
    return index < line.size() ? line[index] : std::string_view();
}

/// The first line in which that field says so.
std::optional<AccountLine> find_line(const std::vector<AccountLine>& lines, std::size_t index, std::string_view value) {
    const auto found =
        std::find_if(lines.begin(), lines.end(), [&](const auto& l) { return field(l, index) == value; });
    return found == lines.end() ? std::nullopt : std::optional(*found);
}

bool is_member(const AccountLine& group, std::string_view name) {
    auto members = field(group, 3);
    while (!members.empty()) {
        const auto end = std::min(members.find(','), members.size());
        if (members.substr(0, end) == name) return true;
        members.remove_prefix(std::min(end + 1, members.size()));
    }
    return false;
}

} // namespace

Result<ProcessUser> find_process_user(std::string_view text, std::string_view passwd, std::string_view group) {
    const auto colon = text.find(':');
    const auto user_text = text.substr(0, colon).empty() ? std::string_view("0") : text.substr(0, colon);
    const auto group_text = colon == text.npos ? std::string_view() : text.substr(colon + 1);
    const auto users = in_process::account_lines(passwd); // name:password:uid:gid:comment:home:shell
    const auto groups = in_process::account_lines(group); // name:password:gid:members
    ProcessUser found;
    auto account = find_line(users, 0, user_text);
    if (const auto id = account ? std::nullopt : number(user_text)) {
        found.uid = *id;
        account = find_line(users, 2, user_text);
    } else if (!account) {
        return fail(ErrorKind::step_failed,
                    "unable to find user " + std::string(user_text) + ": no matching entries in passwd file");
    }
    if (account) {
        found.uid = number(field(*account, 2)).value_or(0);
        found.gid = number(field(*account, 3)).value_or(0);
        if (!field(*account, 5).empty()) found.home = field(*account, 5);
    }
    if (!group_text.empty()) {
        const auto line = find_line(groups, 0, group_text);
        const auto id = line ? number(field(*line, 2)) : number(group_text);
        if (!id)
            return fail(ErrorKind::step_failed,
                        "unable to find group " + std::string(group_text) + ": no matching entries in group file");
        found.gid = *id;
    }
    found.groups = {found.gid};
    if (!group_text.empty() || !account) return found; // a group that is named is the only one
    for (const auto& line : groups) {
        const auto id = number(field(line, 2));
        const bool is_new = id && std::find(found.groups.begin(), found.groups.end(), *id) == found.groups.end();
        if (is_new && is_member(line, field(*account, 0))) found.groups.push_back(*id);
    }
    return found;
}

} // namespace dbuild::executors::runtime
