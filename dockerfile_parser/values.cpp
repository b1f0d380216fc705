// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/values.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::array<std::string_view, 36> k_signals = {
    "ABRT", "ALRM", "BUS",  "CHLD", "CLD",  "CONT", "FPE",    "HUP",    "ILL",  "INT",  "IO",    "IOT",
    "KILL", "PIPE", "POLL", "PROF", "PWR",  "QUIT", "SEGV",   "STKFLT", "STOP", "SYS",  "TERM",  "TRAP",
    "TSTP", "TTIN", "TTOU", "URG",  "USR1", "USR2", "VTALRM", "WINCH",  "XCPU", "XFSZ", "RTMIN", "RTMAX"};

constexpr int k_max_port = 65535;

/// A decimal number of digits only; -1 for anything else, and for what is too large.
int number_of(std::string_view digits) {
    int value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && value <= k_max_port ? value : -1;
}

/// RTMIN+1 … RTMIN+15, RTMAX-14 … RTMAX-1.
bool is_real_time_signal(std::string_view name) {
    if (name.starts_with("RTMIN+")) return number_of(name.substr(6)) >= 1 && number_of(name.substr(6)) <= 15;
    if (name.starts_with("RTMAX-")) return number_of(name.substr(6)) >= 1 && number_of(name.substr(6)) <= 14;
    return false;
}

bool consists_of_host_characters(std::string_view text, std::string_view more) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [more](char c) {
        const auto point = static_cast<unsigned char>(c);
        return is_ascii_letter(point) || is_ascii_digit(point) || more.find(c) != more.npos;
    });
}

struct PortRange {
    int first = 0, last = 0;
    std::string protocol;
};

Result<PortRange> parse_port_range(std::string_view word) {
    const auto slash = word.find('/');
    const auto range = word.substr(0, slash);
    std::string protocol = slash == word.npos ? "" : ascii_lower(word.substr(slash + 1));
    if (protocol.empty()) protocol = "tcp";
    if (range.find(':') != range.npos) return fail(ErrorKind::unsupported, "EXPOSE with an address or a host port");
    if (range.empty()) return fail(ErrorKind::invalid_dockerfile, fmt::format("no port specified: {}<empty>", word));
    const auto dash = range.find('-');
    const int first = number_of(range.substr(0, dash));
    const int last = dash == range.npos ? first : number_of(range.substr(dash + 1));
    if (first < 0 || last < first)
        return fail(ErrorKind::invalid_dockerfile, fmt::format("invalid containerPort: {}", range));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        return fail(ErrorKind::invalid_dockerfile, fmt::format("invalid proto: {}", protocol));
    return PortRange{first, last, std::move(protocol)};
}

} // namespace

Result<std::vector<std::string>> parse_ports(std::string_view word) {
    DBUILD_TRY_ASSIGN(const PortRange range, parse_port_range(word));
    std::vector<std::string> ports;
    for (int port = range.first; port <= range.last; ++port)
        ports.push_back(fmt::format("{}/{}", port, range.protocol));
    return ports;
}

Status check_port(std::string_view word) {
    DBUILD_TRY(parse_port_range(word));
    return {};
}

Status check_signal(std::string_view signal) {
    const auto invalid = [signal] {
        return fail(ErrorKind::invalid_dockerfile, fmt::format("invalid signal: {}", signal));
    };
    int number = 0;
    const auto [end, error] = std::from_chars(signal.data(), signal.data() + signal.size(), number);
    if (!signal.empty() && error == std::errc() && end == signal.data() + signal.size()) {
        if (number == 0) return invalid();
        return {};
    }
    const std::string upper = ascii_upper(signal);
    std::string_view name = upper;
    if (name.starts_with("SIG")) name.remove_prefix(3);
    if (std::find(k_signals.begin(), k_signals.end(), name) == k_signals.end() && !is_real_time_signal(name))
        return invalid();
    return {};
}

bool is_remote_source(std::string_view source) {
    if (source.find("://") != source.npos) return true;
    const auto at = source.find('@');
    if (at == source.npos || !consists_of_host_characters(source.substr(0, at), "-_")) return false;
    const auto host = source.substr(at + 1, source.substr(at + 1).find(':'));
    return at + 1 + host.size() < source.size() && consists_of_host_characters(host, "-.");
}

} // namespace dbuild::dockerfile_parser
