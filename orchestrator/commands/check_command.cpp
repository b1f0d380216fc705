// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/check_command.hpp"

#include "cache/oci/reference.hpp"
#include "dockerfile_parser/check.hpp"
#include "orchestrator/base_images.hpp"
#include "orchestrator/command_line/flag_parser.hpp"
#include "orchestrator/engine_client.hpp"
#include "orchestrator/ignore_file.hpp"
#include "support/files.hpp"
#include "support/platform.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <map>

namespace dbuild::orchestrator::commands {
namespace {

namespace parser = dockerfile_parser;
using parser::Diagnostic;

constexpr int k_json_version = 1;
constexpr Flag k_flags[] = {
    {"file", 'f', FlagValue::text}, {"format", 0, FlagValue::text}, {"base-images", 0, FlagValue::boolean}};
constexpr std::string_view k_usage = "dbuild check [-f FILE] [--format text|json|github] [--base-images] PATH";

struct CheckOptions {
    std::filesystem::path dockerfile;
    std::filesystem::path context; // "" where PATH is a file
    std::string format = "text";
    bool asks_for_base_images = false;
};

Result<CheckOptions> read_options(std::span<const std::string> words) {
    DBUILD_TRY_ASSIGN(const auto parsed, parse_words(k_flags, words));
    if (parsed.positionals.size() != 1) return fail(ErrorKind::usage, fmt::format("check takes one PATH: {}", k_usage));
    CheckOptions options;
    const std::filesystem::path path = parsed.positionals.front();
    std::error_code ignored;
    options.dockerfile = path;
    if (std::filesystem::is_directory(path, ignored)) {
        options.context = path;
        options.dockerfile /= "Dockerfile";
        const auto lower_case = path / "dockerfile"; // BuildKit tries it next
        if (!std::filesystem::exists(options.dockerfile, ignored) && std::filesystem::exists(lower_case, ignored))
            options.dockerfile = lower_case;
    }
    for (const auto& use : parsed.uses) {
        if (k_flags[use.flag].name == "file")
            options.dockerfile = use.value;
        else if (k_flags[use.flag].name == "format")
            options.format = use.value;
        else
            options.asks_for_base_images = true;
    }
    if (options.format != "text" && options.format != "json" && options.format != "github")
        return fail(ErrorKind::usage, fmt::format("--format: {} is not text, json or github", options.format));
    return options;
}

std::string_view severity_of(const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::error ? "error" : "warning";
}

std::string as_text(const parser::CheckReport& report, std::string_view source) {
    if (report.diagnostics.empty()) return "no errors, no warnings\n";
    return parser::to_text(report.diagnostics, source) +
           fmt::format("errors: {}, warnings: {}\n", report.error_count(), report.warning_count());
}

std::string as_json(const parser::CheckReport& report, const std::string& file) {
    boost::json::array diagnostics;
    for (const auto& diagnostic : report.diagnostics) {
        const auto& where = diagnostic.where;
        const auto severity = severity_of(diagnostic);
        boost::json::object out{{"severity", boost::json::string(severity.data(), severity.size())},
                                {"message", diagnostic.message},
                                {"first_line", where.first_line},
                                {"last_line", where.last_line},
                                {"column", where.column + 1}};
        if (!diagnostic.rule.empty()) out["rule"] = diagnostic.rule;
        diagnostics.push_back(std::move(out));
    }
    const boost::json::object out{{"version", k_json_version},
                                  {"file", file},
                                  {"failed", report.has_failed()},
                                  {"diagnostics", std::move(diagnostics)}};
    return boost::json::serialize(out) + "\n";
}

/// Workflow commands end at a line's end, and in properties also at "," and ":".
std::string escape_annotation(std::string_view text, bool is_property) {
    std::string out;
    for (const char c : text) {
        if (c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ',')))
            out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        else
            out += c;
    }
    return out;
}

std::string as_annotations(const parser::CheckReport& report) {
    std::string text;
    for (const auto& diagnostic : report.diagnostics)
        text += fmt::format("::{} file={},line={},endLine={},col={},title={}::{}\n", severity_of(diagnostic),
                            escape_annotation(diagnostic.where.file, true), diagnostic.where.first_line,
                            diagnostic.where.last_line, diagnostic.where.column + 1,
                            diagnostic.rule.empty() ? "Dockerfile" : diagnostic.rule,
                            escape_annotation(diagnostic.message, false));
    return text;
}

/// The patterns that a build of this Dockerfile in this context would follow.
Result<parser::IgnoreMatcher> read_patterns(const CheckOptions& options) {
    if (options.context.empty()) return parser::IgnoreMatcher();
    DBUILD_TRY_ASSIGN(const auto file, read_ignore_file(options.dockerfile, options.context));
    return parser::IgnoreMatcher::parse(file.text, file.name);
}

/// What the engine's own images say, each asked for once. An image that it has not is not known: a check pulls nothing.
class BaseImages {
public:
    static Result<BaseImages> open() {
        DBUILD_TRY_ASSIGN(const auto config, read_docker_config());
        DBUILD_TRY_ASSIGN(auto address, find_engine_address(config));
        return BaseImages(std::move(address));
    }
    std::optional<parser::BaseImageFacts> find(const std::string& name) {
        const auto [known, is_new] = known_.emplace(name, std::nullopt);
        const auto reference = cache::oci::ImageReference::parse(name);
        if (!is_new || !status_ || !reference) return known->second;
        auto image = engine_.find_image(reference->familiar());
        if (!image)
            status_ = fail(std::move(image).error());
        else if (*image)
            known->second = facts_of((*image)->config);
        else
            fmt::print(stderr, "warning: the engine has no {}: what it defines is not known\n", name);
        return known->second;
    }
    /// The first trouble that find() met.
    const Status& status() const { return status_; }

private:
    explicit BaseImages(EngineAddress address) : engine_(std::move(address)) {}

    EngineClient engine_;
    std::map<std::string, std::optional<parser::BaseImageFacts>> known_;
    Status status_;
};

Result<parser::CheckReport> check(const CheckOptions& options, const std::string& source, const std::string& file) {
    DBUILD_TRY_ASSIGN(const auto ignored, read_patterns(options));
    parser::CheckContext context;
    context.ignored = &ignored;
    context.is_image_name = [](const std::string& image) -> Status {
        DBUILD_TRY(cache::oci::ImageReference::parse(image));
        return {};
    };
    if (!options.asks_for_base_images) return parser::check_dockerfile(source, file, context);
    DBUILD_TRY_ASSIGN(auto bases, BaseImages::open());
    context.platform = native_platform();
    context.find_base = [&bases](const std::string& image) { return bases.find(image); };
    auto report = parser::check_dockerfile(source, file, context);
    DBUILD_TRY(bases.status());
    return report;
}

} // namespace

Result<int> run_check_command(std::span<const std::string> words, const std::atomic<bool>&) {
    DBUILD_TRY_ASSIGN(const auto options, read_options(words));
    DBUILD_TRY_ASSIGN(const auto source, read_file(options.dockerfile));
    const std::string file = options.dockerfile.string();
    DBUILD_TRY_ASSIGN(const auto report, check(options, source, file));
    if (options.format == "json")
        fmt::print("{}", as_json(report, file));
    else
        fmt::print("{}", options.format == "github" ? as_annotations(report) : as_text(report, source));
    return report.has_failed() ? 1 : 0;
}

} // namespace dbuild::orchestrator::commands
