// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/mode_change.hpp"

#include <charconv>
#include <string>

namespace dbuild::executors::in_process {
namespace {

constexpr std::uint32_t k_setuid = 04000, k_setgid = 02000, k_sticky = 01000, k_search = 0111;
constexpr std::uint32_t k_all_classes = 06777, k_permissions = 0777;

std::uint32_t bits_of_class(char name) {
    switch (name) {
    case 'u': return k_setuid | 0700;
    case 'g': return k_setgid | 070;
    case 'o': return 07;
    case 'a': return k_all_classes;
    default: return 0;
    }
}

} // namespace

Result<ModeChange> ModeChange::parse(std::string_view text) {
    ModeChange mode;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode.octal_, 8);
    if (error == std::errc() && end == text.data() + text.size() && mode.octal_ <= 07777) return mode;
    if (!text.empty() && text.front() >= '0' && text.front() <= '9')
        return fail(ErrorKind::invalid_dockerfile, "invalid chmod parameter: '" + std::string(text) +
                                                       "'. it should be octal string and between 0 and 07777");
    const auto invalid = [&] {
        return fail(ErrorKind::invalid_dockerfile,
                    "invalid chmod parameter: '" + std::string(text) + "': invalid syntax");
    };
    for (auto rest = text;;) { // one clause after the other: classes, then operations
        std::uint32_t classes = 0;
        for (; !rest.empty() && bits_of_class(rest.front()); rest.remove_prefix(1))
            classes |= bits_of_class(rest.front());
        do {
            if (rest.empty() || std::string_view("+-=").find(rest.front()) == std::string_view::npos) return invalid();
            Change change;
            change.classes = classes;
            change.operation = rest.front();
            for (rest.remove_prefix(1); !rest.empty(); rest.remove_prefix(1)) {
                const bool sets_special = classes == 0 || (classes & ~07U) != 0; // "o+s" and "o+t" do nothing
                const char c = rest.front();
                if (c == 'r')
                    change.bits |= 0444;
                else if (c == 'w')
                    change.bits |= 0222;
                else if (c == 'x')
                    change.bits |= k_search;
                else if (c == 'X')
                    change.adds_search = true;
                else if (c == 's')
                    change.bits |= sets_special ? k_setuid | k_setgid : 0;
                else if (c == 't')
                    change.bits |= sets_special ? k_sticky : 0;
                else if (c == 'u' || c == 'g' || c == 'o')
                    change.copied_class = c;
                else
                    break;
            }
            mode.changes_.push_back(change);
        } while (!rest.empty() && rest.front() != ',');
        if (rest.empty()) return mode;
        rest.remove_prefix(1);
    }
}

std::uint32_t ModeChange::apply(const Change& change, std::uint32_t mode, bool can_search) {
    auto bits = change.bits;
    if (change.adds_search && can_search) bits |= k_search;
    if (change.copied_class) {
        const int shift = change.copied_class == 'u' ? 6 : change.copied_class == 'g' ? 3 : 0;
        bits = (mode >> shift & 07) * k_search;
    }
    const auto classes = change.classes ? change.classes : k_all_classes;
    // The sticky bit belongs to no class: it changes where it is named, and "=t" changes nothing else.
    if (change.operation == '=' && !change.classes && (bits & k_sticky)) return mode | k_sticky;
    const auto changed = bits & (classes | k_sticky);
    if (change.operation == '-') return mode & ~changed;
    if (change.operation == '=') mode &= ~(change.copied_class ? classes & k_permissions : classes);
    return mode | changed;
}

std::uint32_t ModeChange::apply(std::uint32_t mode, bool is_directory) const {
    if (!is_symbolic()) return octal_;
    const bool can_search = is_directory || (mode & k_search) != 0;
    for (const auto& change : changes_) mode = apply(change, mode, can_search);
    return mode;
}

} // namespace dbuild::executors::in_process
