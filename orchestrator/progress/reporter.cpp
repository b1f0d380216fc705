// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/reporter.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace dbuild::orchestrator::progress {
namespace {

bool can_redraw(const Console& console) {
    const char* type = std::getenv("TERM");
    return console.is_terminal && (type == nullptr || std::string_view(type) != "dumb");
}

} // namespace

Result<Form> parse_form(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, Form>, 6> forms = {{{"auto", Form::automatic},
                                                                                {"plain", Form::plain},
                                                                                {"tty", Form::tty},
                                                                                {"rawjson", Form::rawjson},
                                                                                {"quiet", Form::quiet},
                                                                                {"none", Form::none}}};
    if (name.empty()) return Form::automatic; // an unset variable of a script; buildx takes it too
    for (const auto& [known, form] : forms)
        if (known == name) return form;
    return fail(ErrorKind::usage,
                fmt::format("--progress: \"{}\" is none of auto, plain, tty, rawjson, quiet, none", name));
}

std::unique_ptr<Reporter> make_reporter(Form form, Console console) {
    switch (form) {
    case Form::automatic: return can_redraw(console) ? make_tty_reporter(console) : make_plain_reporter(console);
    case Form::tty: return console.is_terminal ? make_tty_reporter(console) : make_plain_reporter(console);
    case Form::rawjson: return make_rawjson_reporter(console);
    case Form::quiet: return make_quiet_reporter(console);
    case Form::none: return make_failure_reporter(console);
    case Form::plain: break;
    }
    return make_plain_reporter(console);
}

} // namespace dbuild::orchestrator::progress
