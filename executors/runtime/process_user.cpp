// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/process_user.hpp"

#include "executors/in_process/accounts.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace dbuild::executors::runtime {
namespace {

using in_process::AccountLine;

constexpr std::int64_t k_max_id = 0x7fffffff;      // of a number that no account file has
constexpr std::int64_t k_max_pair_id = 0xffffffff; // of numbers for both, which nobody looks up

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string_view field(const AccountLine& line, std::size_t index) {
    return index < line.size() ? line[index] : std::string_view();
}

/// What is no number counts as 0.
std::uint32_t id_in(const AccountLine& line, std::size_t index) {
    return static_cast<std::uint32_t>(number(field(line, index)).value_or(0));
}

/// The first line that is of that name; or of that number, whatever its name is.
std::optional<AccountLine> find_line(const std::vector<AccountLine>& lines, std::string_view name,
                                     std::optional<std::int64_t> id) {
    const auto found = std::find_if(lines.begin(), lines.end(), [&](const auto& line) {
        return id ? number(field(line, 2)) == id : line.front() == name;
    });
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
    const auto uid = number(user_text), gid = number(group_text);
    const auto account = find_line(users, user_text, uid);
    const auto group_line = group_text.empty() ? std::nullopt : find_line(groups, group_text, gid);
    if (!account && !uid)
        return fail(ErrorKind::step_failed,
                    "unable to find user " + std::string(user_text) + ": no matching entries in passwd file");
    if (!group_text.empty() && !group_line && !gid)
        return fail(ErrorKind::step_failed,
                    "unable to find group " + std::string(group_text) + ": no matching entries in group file");
    const auto max_id = uid && gid ? k_max_pair_id : k_max_id;
    const auto is_outside = [&](const auto& line, const auto& id) { return !line && id && (*id < 0 || *id > max_id); };
    if (is_outside(account, uid) || is_outside(group_line, gid))
        return fail(ErrorKind::step_failed, "uids and gids must be in range 0-2147483647");
    ProcessUser found;
    found.uid = account ? id_in(*account, 2) : static_cast<std::uint32_t>(*uid);
    if (account) found.gid = id_in(*account, 3);
    if (!group_text.empty()) found.gid = group_line ? id_in(*group_line, 2) : static_cast<std::uint32_t>(*gid);
    // The runtime's business, which knows the number only.
    const auto owner = find_line(users, {}, found.uid);
    if (owner && !field(*owner, 5).empty()) found.home = field(*owner, 5);
    found.groups = {found.gid};
    if (!group_text.empty() || !account) return found; // a group that is named is the only one
    for (const auto& line : groups) {
        const auto id = id_in(line, 2);
        const bool is_new = std::find(found.groups.begin(), found.groups.end(), id) == found.groups.end();
        if (is_new && is_member(line, account->front())) found.groups.push_back(id);
    }
    return found;
}

} // namespace dbuild::executors::runtime
