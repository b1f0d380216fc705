// SPDX-License-Identifier: Apache-2.0
// What is named as the cause of a missing result, from the ingredients of a step's key now and in the scope's last
// build.
#include "orchestrator/explain.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <deque>

using namespace dbuild;
using namespace dbuild::orchestrator;

namespace {

/// A RUN of the stage `build`, on scratch, with its key.
struct Run {
    std::string text, chain = "base", environment = "1:A", user = "";

    PastStep keyed() const {
        cache::StepKeyBuilder key("run");
        key.add("chain", sha256(chain));
        key.add("environment", std::vector<std::string>{environment});
        key.add("user", user);
        return {text, key.finish().digest.to_string(), key.ingredients()};
    }
};

struct Fixture {
    TempDir folder = TempDir::create("dbuild-test-").value();
    Project project;
    std::deque<dockerfile_parser::Instruction> instructions;
    ResolvedStage stage;
    PlannedStage plan;

    Fixture() {
        project.graph.stages.resize(1);
        project.graph.stages.front().name = "build";
        stage.base.kind = dockerfile_parser::StageReference::Kind::scratch;
        plan.stage = &stage;
    }

    void remember(const std::vector<Run>& runs, const std::string& base = "scratch") const {
        PastStage past{"build", base, {}};
        for (const auto& run : runs) past.steps.push_back(run.keyed());
        auto history = StepHistory::open(folder.path(), "scope");
        REQUIRE(history.save({past}));
    }

    /// The causes of the last one, which misses; those before it have their keys.
    std::vector<std::string> causes(const std::vector<Run>& runs) {
        stage.steps.clear();
        plan.steps.clear();
        for (const auto& run : runs) {
            auto& instruction = instructions.emplace_back();
            instruction.text = run.text;
            auto& step = stage.steps.emplace_back();
            step.instruction = &instruction;
            step.position = static_cast<int>(stage.steps.size());
            step.operation = RunOperation{};
        }
        for (std::size_t i = 0; i < runs.size(); ++i) {
            const auto keyed = runs[i].keyed();
            auto& planned = plan.steps.emplace_back();
            planned.step = &stage.steps[i];
            planned.key = cache::StepKey{Digest::parse(keyed.key).value()};
            planned.ingredients = keyed.ingredients;
        }
        const auto missing = std::move(plan.steps.back());
        plan.steps.pop_back();
        std::vector<std::string> texts;
        for (const auto& cause : causes_of(project, StepHistory::open(folder.path(), "scope"), plan, missing))
            texts.push_back(cause.to_string());
        return texts;
    }
};

using Texts = std::vector<std::string>;

} // namespace

TEST_SUITE_BEGIN("orchestrator/explain");

TEST_CASE_FIXTURE(Fixture, "without an earlier build, or without an earlier step, there is nothing to compare with") {
    CHECK(causes({{"RUN a"}}) == Texts{"first build"});
    remember({{"RUN a"}});
    CHECK(causes({{"RUN a"}, {"RUN b"}}) == Texts{"new instruction"});
}

TEST_CASE_FIXTURE(Fixture, "the same key had a result, which is gone") {
    remember({{"RUN a"}});
    CHECK(causes({{"RUN a"}}) == Texts{"result removed"});
}

TEST_CASE_FIXTURE(Fixture, "fields of the key are named with both values, variables one by one") {
    remember({{"RUN a", "base", "A=1", "one"}});
    CHECK(causes({{"RUN a", "base", "A=1", "two"}}) == Texts{"user: one -> two"});
    CHECK(causes({{"RUN a", "base", "A=1", ""}}) == Texts{"user: one -> (unset)"});
    CHECK(causes({{"RUN a", "base", "A=2", "one"}}) == Texts{"variable: A 1 -> 2"});
    CHECK(causes({{"RUN a", "base", "B=1", "one"}}) == Texts{"variable: A 1 -> (unset)", "variable: B (unset) -> 1"});
}

TEST_CASE_FIXTURE(Fixture,
                  "a changed chain is owed to the base, or to the first earlier step that is not what it was") {
    remember({{"RUN a"}, {"RUN b", "after a"}}, "image:1 sha256:1");
    CHECK(causes({{"RUN a", "other"}}) == Texts{"base image: image:1 sha256:1 -> scratch"});
    remember({{"RUN a"}, {"RUN b", "after a"}});
    CHECK(causes({{"RUN a", "base", "A=2"}, {"RUN b", "other"}}) == Texts{"earlier step: RUN a"});
    CHECK(causes({{"RUN c"}, {"RUN b", "other"}}) == Texts{"earlier step: RUN c"});
    CHECK(causes({{"RUN b", "other"}}) == Texts{"earlier step removed: RUN a"});
    CHECK(causes({{"RUN a"}, {"RUN b", "other"}}) == Texts{"earlier step"}); // ran again, with another outcome
}

TEST_CASE_FIXTURE(Fixture, "another instruction in a step's place is compared with it") {
    remember({{"RUN a"}, {"RUN b", "after a"}});
    CHECK(causes({{"RUN a"}, {"RUN c", "after a"}}) == Texts{"result removed"}); // the text is in no key
    CHECK(causes({{"RUN a"}, {"RUN c", "after a", "A=2"}}).front() == "instruction: RUN b -> RUN c");
}

TEST_CASE_FIXTURE(Fixture, "the nearest of the last builds is compared with, of equally near ones the newest") {
    remember({{"RUN a", "base", "A=1", "one"}});
    remember({{"RUN a", "base", "A=2", "two"}});
    CHECK(causes({{"RUN a", "base", "A=1", "three"}}) == Texts{"user: one -> three"});
    CHECK(causes({{"RUN a", "base", "A=2", "three"}}) == Texts{"user: two -> three"});
    remember({{"RUN a", "base", "A=3", "two"}});
    CHECK(causes({{"RUN a", "base", "A=4", "two"}}) == Texts{"variable: A 3 -> 4"});
    remember({{"RUN other"}});
    CHECK(causes({{"RUN a", "base", "A=4", "two"}}) == Texts{"variable: A 3 -> 4"}); // the newest has no such step
}

TEST_CASE_FIXTURE(Fixture, "a result that is gone is known from any of the last builds") {
    remember({{"RUN a", "base", "A=1"}});
    remember({{"RUN a", "base", "A=2"}});
    CHECK(causes({{"RUN a", "base", "A=1"}}) == Texts{"result removed"});
}

TEST_CASE_FIXTURE(Fixture, "the last eight builds are remembered, a repeated one once") {
    const auto text = [](int i) { return "RUN " + std::to_string(i); };
    remember({{text(0)}});
    for (int i = 1; i < 8; ++i) remember({{text(i)}});
    CHECK(causes({{text(0)}}) == Texts{"result removed"});
    remember({{text(0)}}); // the newest again, so the next one is forgotten instead
    remember({{text(8)}});
    CHECK(causes({{text(0)}}) == Texts{"result removed"});
    CHECK(causes({{text(1), "base", "A=2"}}).front() == "instruction: " + text(8) + " -> " + text(1));
}

TEST_CASE_FIXTURE(Fixture, "a damaged history is as good as none") {
    remember({{"RUN a"}});
    const auto files = list_folder(folder.path()).value();
    REQUIRE(files.size() == 1);
    for (const auto& file : files) REQUIRE(write_file(file, "torn"));
    CHECK(causes({{"RUN a"}}) == Texts{"first build"});
}

TEST_CASE("one line says so many causes, and how many are left") {
    const std::vector<Cause> causes = {
        {"file content", "a\nb", "", ""}, {"build argument", "V", "1", "2"}, {"mount", "", "", ""}};
    CHECK(in_one_line(causes, 3) == "file content: a b; build argument: V 1 -> 2; mount");
    CHECK(in_one_line(causes, 1) == "file content: a b; and 2 more");
    CHECK(in_one_line({}, 1).empty());
}

TEST_SUITE_END();
