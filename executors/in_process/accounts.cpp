// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/accounts.hpp"

#include <algorithm>
#include <charconv>

namespace dbuild::executors::in_process {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
    if (text.empty() || text == "root") return 0;
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return static_cast<std::uint32_t>(value); // -1 is 4294967295, as in BuildKit
}

/// The first line of an account file that begins with this name.
AccountLine find_line(std::string_view file, std::string_view name) {
    const auto lines = account_lines(file);
    const auto found = std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.front() == name; });
    return found == lines.end() ? AccountLine() : *found;
}

std::uint64_t field_number(const AccountLine& fields, std::size_t index) {
    return index < fields.size() ? number(fields[index]).value_or(0) : 0;
}

} // namespace

std::vector<AccountLine> account_lines(std::string_view file) {
    std::vector<AccountLine> lines;
    while (!file.empty()) {
        const auto line = file.substr(0, file.find('\n'));
        file.remove_prefix(std::min(line.size() + 1, file.size()));
        auto& fields = lines.emplace_back();
        for (std::size_t begin = 0; begin <= line.size();) {
            const auto end = std::min(line.find(':', begin), line.size());
            fields.push_back(line.substr(begin, end - begin));
            begin = end + 1;
        }
    }
    return lines;
}

OwnerText OwnerText::parse(std::string_view text) {
    const auto colon = text.find(':');
    OwnerText owner;
    owner.user = text.substr(0, colon);
    if (colon != text.npos) owner.group = text.substr(colon + 1);
    owner.needs_passwd = !number(owner.user);
    owner.needs_group = owner.group && !number(*owner.group);
    return owner;
}

Owner OwnerText::look_up(std::string_view passwd_file, std::string_view group_file) const {
    Owner owner;
    if (const auto id = number(user)) {
        owner = {*id, *id};
    } else {
        const auto fields = find_line(passwd_file, user); // name:password:uid:gid:…
        owner = {field_number(fields, 2), field_number(fields, 3)};
    }
    if (!group) return owner;
    if (const auto id = number(*group)) {
        owner.gid = *id;
    } else if (const auto fields = find_line(group_file, *group); !fields.empty()) { // name:password:gid:…
        owner.gid = field_number(fields, 2);
    }
    return owner;
}

} // namespace dbuild::executors::in_process
