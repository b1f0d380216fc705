// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/history_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace dbuild::orchestrator {
namespace {

/// A text as Go's %q prints it.
std::string go_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\t': out += "\\t"; break;
        case '\r': out += "\\r"; break;
        default:
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
            else
                out += c;
        }
    }
    return out + '"';
}

/// A duration as Go prints it, for whole and broken seconds: "1m30s", "5s", "1.5s".
std::string go_duration(std::chrono::nanoseconds duration) {
    if (duration.count() == 0) return "0s";
    if (duration < std::chrono::seconds(1)) return fmt::format("{}ms", static_cast<double>(duration.count()) / 1e6);
    const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(duration);
    const double seconds = std::chrono::duration<double>(duration - minutes).count();
    std::string text;
    if (minutes.count() >= 60) text += fmt::format("{}h", minutes.count() / 60);
    if (minutes.count() > 0) text += fmt::format("{}m", minutes.count() % 60);
    return text + fmt::format("{}s", seconds);
}

} // namespace

std::string go_quoted(const std::vector<std::string>& words) {
    std::vector<std::string> quoted;
    for (const auto& word : words) quoted.push_back(go_quoted(word));
    return fmt::format("[{}]", fmt::join(quoted, " "));
}

std::string history_of(const cache::oci::Healthcheck& check) {
    return fmt::format("HEALTHCHECK {{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
                       fmt::join(check.test, " "), go_duration(check.interval), go_duration(check.timeout),
                       go_duration(check.start_period), go_duration(check.start_interval), check.retries);
}

std::string history_of(const CopyOperation& copy, bool keeps_parents, const std::string& destination) {
    std::string text = copy.is_add ? "ADD" : "COPY";
    if (keeps_parents) text += " --parents";
    if (!copy.chown.empty()) text += " --chown=" + copy.chown;
    if (!copy.chmod.empty()) text += " --chmod=" + copy.chmod;
    for (const auto& source : copy.sources) text += " " + source;
    for (const auto& file : copy.files) text += " <<" + file.name;
    return text + " " + destination + " # buildkit";
}

} // namespace dbuild::orchestrator
