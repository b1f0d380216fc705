// SPDX-License-Identifier: Apache-2.0
// The JSON report: the fields of docs/report.md, and null where nothing is known.
#include "orchestrator/report.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

using namespace dbuild::orchestrator;
namespace json = boost::json;

namespace {

json::object read(const Report& report) {
    const auto text = report.to_json();
    CHECK(text.ends_with("}\n"));
    return json::parse(text).as_object();
}

} // namespace

TEST_SUITE("orchestrator/report") {
    TEST_CASE("an empty report has every top-level field") {
        const auto document = read({});
        CHECK(document.at("version").as_int64() == 1);
        CHECK(document.at("exit_code").as_int64() == 0);
        CHECK(document.at("error").is_null());
        CHECK(document.at("scope").as_string().empty());
        CHECK(document.at("steps").as_array().empty());
        CHECK(document.at("images").as_array().empty());
        CHECK(document.at("totals").as_object().size() == 9);
        CHECK(document.size() == 7);
    }
    TEST_CASE("a failed build keeps its error text, whatever is in it") {
        Report report;
        report.exit_code = 1;
        report.error = "\"a\"\n\\b";
        const auto document = read(report);
        CHECK(document.at("exit_code").as_int64() == 1);
        CHECK(document.at("error").as_string() == "\"a\"\n\\b");
    }
    TEST_CASE("a step without key, reason and executor has null there and was not reached") {
        Report report;
        report.steps.emplace_back();
        const auto document = read(report);
        const auto& step = document.at("steps").as_array().at(0).as_object();
        CHECK(step.at("key").is_null());
        CHECK(step.at("reason").is_null());
        CHECK(step.at("executor").is_null());
        CHECK(step.at("status").as_string() == "not_reached");
    }
    TEST_CASE("steps keep their order and all fields") {
        Report report;
        StepReport run;
        run.image = "i";
        run.stage = "s";
        run.platform = "linux/amd64";
        run.position = 2;
        run.first_line = 3;
        run.last_line = 5;
        run.text = "RUN x";
        run.key = "k";
        run.status = "ran";
        run.reason = "r";
        run.executor = "buildx";
        run.wall_ms = 1.5;
        run.layer_bytes = 5'000'000'000;
        report.steps = {StepReport{}, run};
        const auto document = read(report);
        const auto& step = document.at("steps").as_array().at(1).as_object();
        CHECK(step.size() == 12);
        CHECK(step.at("image").as_string() == "i");
        CHECK(step.at("stage").as_string() == "s");
        CHECK(step.at("platform").as_string() == "linux/amd64");
        CHECK(step.at("position").as_int64() == 2);
        CHECK(step.at("lines") == json::array{3, 5});
        CHECK(step.at("text").as_string() == "RUN x");
        CHECK(step.at("key").as_string() == "k");
        CHECK(step.at("status").as_string() == "ran");
        CHECK(step.at("reason").as_string() == "r");
        CHECK(step.at("executor").as_string() == "buildx");
        CHECK(step.at("wall_ms").as_double() == doctest::Approx(1.5));
        CHECK(step.at("layer_bytes").to_number<std::uint64_t>() == 5'000'000'000);
    }
    TEST_CASE("images have their tags and sizes") {
        Report report;
        report.images.push_back({"sha256:id", "sha256:digest", {"a:1", "b:2"}, 12});
        const auto document = read(report);
        const auto& image = document.at("images").as_array().at(0).as_object();
        CHECK(image.at("id").as_string() == "sha256:id");
        CHECK(image.at("digest").as_string() == "sha256:digest");
        CHECK(image.at("tags") == json::array{"a:1", "b:2"});
        CHECK(image.at("bytes").to_number<int>() == 12);
    }
}
