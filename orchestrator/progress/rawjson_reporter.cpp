// SPDX-License-Identifier: Apache-2.0
// Progress for programs: a JSON document per event and line. Each is a solve status as BuildKit's --progress=rawjson
// has it, so that its readers work, with a member "dbuild" that holds what BuildKit has no word for. docs/progress.md
// is the contract.
#include "orchestrator/progress/output_lines.hpp"
#include "orchestrator/progress/reporter.hpp"
#include "orchestrator/progress/wording.hpp"

#include "dockerfile_parser/unicode.hpp"
#include "support/base64.hpp"
#include "support/digest.hpp"
#include "support/time.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <map>
#include <mutex>

namespace json = boost::json;

namespace dbuild::orchestrator::progress {
namespace {

constexpr int k_version = 1; // of the member "dbuild"

/// JSON is UTF-8, a Dockerfile need not be.
std::string valid_utf8(std::string_view text) {
    std::string valid;
    for (std::size_t i = 0; i < text.size();) {
        const auto character = dockerfile_parser::decode_utf8(text, i);
        dockerfile_parser::append_utf8(valid, character.value);
        i += character.size;
    }
    return valid;
}

std::string vertex_digest(const StepLabel& step) {
    return sha256(fmt::format("{}\n{}\n{}", step.to_string(), step.line, step.text)).to_string();
}

json::object about(std::string_view event) { return {{"version", k_version}, {"event", event}}; }

json::object about(std::string_view event, const StepLabel& step) {
    auto object = about(event);
    if (!step.image.empty()) object["image"] = valid_utf8(step.image);
    object["stage"] = valid_utf8(step.stage);
    object["position"] = step.position;
    object["count"] = step.count;
    object["line"] = step.line;
    object["text"] = valid_utf8(step.text);
    return object;
}

class RawjsonReporter final : public Reporter {
public:
    explicit RawjsonReporter(Console console) : console_(std::move(console)) {}

    void report(const Event& event) override {
        const std::lock_guard lock(mutex_);
        now_ = format_rfc3339(Instant(console_.now()));
        console_.write(json::serialize(std::visit([this](const auto& e) { return document(e); }, event)) + "\n");
    }

private:
    json::object document(const StepHit& e) {
        started_[e.step] = now_;
        auto vertex = completed_vertex(e.step);
        vertex["cached"] = true;
        return {{"dbuild", about("step_hit", e.step)}, {"vertexes", json::array{vertex}}};
    }
    json::object document(const StepStarted& e) {
        started_[e.step] = now_;
        auto own = about("step_started", e.step);
        own["reason"] = valid_utf8(e.reason);
        return {{"dbuild", own}, {"vertexes", json::array{vertex(e.step)}}};
    }
    json::object document(const StepOutput& e) const {
        return {{"dbuild", about("step_output", e.step)},
                {"logs", json::array{json::object{{"vertex", vertex_digest(e.step)},
                                                  {"stream", 1}, // executors tell no difference between the two
                                                  {"data", base64_encode(e.bytes)},
                                                  {"timestamp", now_}}}}};
    }
    json::object document(const StepFinished& e) {
        auto own = about("step_finished", e.step);
        own["wall_seconds"] = e.wall.count();
        own["is_cached_by_engine"] = e.is_cached_by_engine;
        return {{"dbuild", own}, {"vertexes", json::array{completed_vertex(e.step)}}};
    }
    json::object document(const StepFailed& e) {
        auto own = about("step_failed", e.step);
        own["exit_code"] = e.exit_code;
        own["message"] = valid_utf8(e.message);
        own["reproduction"] = valid_utf8(e.reproduction);
        auto failed = completed_vertex(e.step);
        failed["error"] = cause(e);
        return {{"dbuild", own}, {"vertexes", json::array{failed}}};
    }
    static json::object document(const Note& e) {
        auto own = about("note");
        own["text"] = valid_utf8(e.text);
        return {{"dbuild", own}};
    }
    static json::object document(const Warning& e) {
        auto own = about("warning");
        own["text"] = valid_utf8(e.text);
        return {{"dbuild", own},
                {"warnings", json::array{json::object{{"level", 1}, {"short", base64_encode(e.text)}}}}};
    }
    static json::object document(const BuildFinished& e) {
        auto own = about("build_finished");
        own["hit"] = e.hit;
        own["ran"] = e.ran;
        own["wall_seconds"] = e.wall.count();
        json::array images;
        for (const auto& image : e.images)
            images.push_back(
                json::object{{"id", image.id}, {"bytes", image.bytes}, {"tags", json::value_from(image.tags)}});
        own["images"] = std::move(images);
        return {{"dbuild", own}};
    }
    static void add_error(json::object& own, const Error& error) {
        own["message"] = valid_utf8(error.message);
        own["file"] = error.where ? json::value(valid_utf8(error.where->file)) : json::value(nullptr);
        own["line"] = error.where ? json::value(error.where->first_line) : json::value(nullptr);
        json::array context;
        for (const auto& text : error.context) context.emplace_back(valid_utf8(text));
        own["context"] = std::move(context);
    }
    static json::object document(const ImageFailed& e) {
        auto own = about("image_failed");
        own["image"] = valid_utf8(e.image);
        add_error(own, e.error);
        return {{"dbuild", own}};
    }
    static json::object document(const BuildFailed& e) {
        auto own = about("build_failed");
        add_error(own, e.error);
        return {{"dbuild", own}};
    }
    static json::object document(const ImagesFinished& e) {
        auto own = about("images_finished");
        json::array images;
        for (const auto& image : e.images)
            images.push_back(json::object{{"name", valid_utf8(image.name)},
                                          {"outcome", image.outcome},
                                          {"hit", image.hit},
                                          {"ran", image.ran},
                                          {"wall_seconds", image.wall.count()},
                                          {"id", image.id},
                                          {"bytes", image.bytes},
                                          {"tags", json::value_from(image.tags)}});
        own["images"] = std::move(images);
        own["wall_seconds"] = e.wall.count();
        return {{"dbuild", own}};
    }
    static json::object document(const BuildHandedOver& e) {
        auto own = about("build_handed_over");
        own["program"] = e.program;
        own["reason"] = valid_utf8(e.reason);
        return {{"dbuild", own}};
    }

    json::object vertex(const StepLabel& step) const {
        const auto started = started_.find(step);
        return {{"digest", vertex_digest(step)},
                {"name", title(step)},
                {"started", started == started_.end() ? now_ : started->second}};
    }
    json::object completed_vertex(const StepLabel& step) {
        auto object = vertex(step);
        object["completed"] = now_;
        started_.erase(step);
        return object;
    }

    std::mutex mutex_; // guards all that follows
    Console console_;
    std::string now_; // of the event that is told
    std::map<StepLabel, std::string> started_;
};

} // namespace

std::unique_ptr<Reporter> make_rawjson_reporter(Console console) {
    return std::make_unique<RawjsonReporter>(std::move(console));
}

} // namespace dbuild::orchestrator::progress
