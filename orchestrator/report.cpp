// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/report.hpp"

#include <boost/json.hpp>

namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::object step_object(const StepReport& step) {
    return {{"image", step.image},
            {"stage", step.stage},
            {"platform", step.platform},
            {"position", step.position},
            {"lines", json::array{step.first_line, step.last_line}},
            {"text", step.text},
            {"key", text_or_null(step.key)},
            {"status", step.status},
            {"reason", text_or_null(step.reason)},
            {"executor", text_or_null(step.executor)},
            {"wall_ms", step.wall_ms},
            {"layer_bytes", step.layer_bytes}};
}

} // namespace

ReportTotals& ReportTotals::operator+=(const ReportTotals& other) {
    executor_calls += other.executor_calls;
    processes_started += other.processes_started;
    engine_requests += other.engine_requests;
    bytes_read += other.bytes_read;
    bytes_written += other.bytes_written;
    remote_requests += other.remote_requests;
    remote_bytes_read += other.remote_bytes_read;
    remote_bytes_written += other.remote_bytes_written;
    wall_ms += other.wall_ms;
    return *this;
}

std::string Report::to_json() const {
    json::array step_list, image_list, target_list;
    for (const auto& target : targets)
        target_list.push_back(json::object{{"name", target.name},
                                           {"outcome", target.outcome},
                                           {"scope", target.scope},
                                           {"error", text_or_null(target.error)},
                                           {"hit", target.hit},
                                           {"ran", target.ran},
                                           {"wall_ms", target.wall_ms}});
    for (const auto& step : steps) step_list.push_back(step_object(step));
    for (const auto& image : images) {
        json::array tags;
        for (const auto& tag : image.tags) tags.emplace_back(tag);
        image_list.push_back(json::object{
            {"id", image.id}, {"digest", image.digest}, {"tags", std::move(tags)}, {"bytes", image.bytes}});
    }
    json::object report{{"version", 1},
                        {"exit_code", exit_code},
                        {"error", error ? json::value(*error) : json::value(nullptr)},
                        {"scope", scope},
                        {"steps", std::move(step_list)},
                        {"totals", json::object{{"executor_calls", totals.executor_calls},
                                                {"processes_started", totals.processes_started},
                                                {"engine_requests", totals.engine_requests},
                                                {"bytes_read", totals.bytes_read},
                                                {"bytes_written", totals.bytes_written},
                                                {"remote_requests", totals.remote_requests},
                                                {"remote_bytes_read", totals.remote_bytes_read},
                                                {"remote_bytes_written", totals.remote_bytes_written},
                                                {"wall_ms", totals.wall_ms}}},
                        {"images", std::move(image_list)}};
    if (!targets.empty()) report["targets"] = std::move(target_list);
    return json::serialize(report) + "\n";
}

} // namespace dbuild::orchestrator
