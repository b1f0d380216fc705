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

std::string Report::to_json() const {
    json::array step_list, image_list;
    for (const auto& step : steps) step_list.push_back(step_object(step));
    for (const auto& image : images) {
        json::array tags;
        for (const auto& tag : image.tags) tags.emplace_back(tag);
        image_list.push_back(json::object{{"id", image.id}, {"digest", image.digest}, {"tags", std::move(tags)}, {"bytes", image.bytes}});
    }
    return json::serialize(json::object{{"version", 1},
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
                                        {"images", std::move(image_list)}}) +
           "\n";
}

} // namespace dbuild::orchestrator
