// SPDX-License-Identifier: Apache-2.0
// Tells the user what a build does while it goes on, on standard error; results on standard output are not its
// business. The forms are described in docs/progress.md.
#pragma once

#include "orchestrator/progress/console.hpp"
#include "orchestrator/progress/event.hpp"
#include "support/result.hpp"

#include <memory>

namespace dbuild::orchestrator::progress {

class Reporter {
public:
    virtual ~Reporter() = default;
    /// Threads: safe from several threads; events of one step come in order.
    virtual void report(const Event& event) = 0;

    void note(std::string text) { report(Note{std::move(text)}); }
    void warning(std::string text) { report(Warning{std::move(text)}); }
};

/// The values of --progress. `automatic` is tty on a terminal that can redraw, else plain.
enum class Form { automatic, plain, tty, rawjson, quiet, none };

/// In: name — a value of --progress: auto, plain, tty, rawjson, quiet, none, or nothing. Errors: usage.
Result<Form> parse_form(std::string_view name);

/// In: console — tty needs a terminal, and is plain elsewhere.
std::unique_ptr<Reporter> make_reporter(Form form, Console console);

std::unique_ptr<Reporter> make_plain_reporter(Console console);   // lines, each saying which step it is about
std::unique_ptr<Reporter> make_tty_reporter(Console console);     // what runs is redrawn below what is done
std::unique_ptr<Reporter> make_rawjson_reporter(Console console); // a JSON document per event
std::unique_ptr<Reporter> make_quiet_reporter(Console console);   // warnings and failures
std::unique_ptr<Reporter> make_failure_reporter(Console console); // failures only

} // namespace dbuild::orchestrator::progress
