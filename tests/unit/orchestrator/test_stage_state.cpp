// SPDX-License-Identifier: Apache-2.0
// Evaluating a stage: history texts, the image configuration, the build environment, and what is left to buildx.
#include "orchestrator/stage_state.hpp"

#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;
namespace parser = dbuild::dockerfile_parser;

namespace {

using Words = std::vector<std::string>;
using Arguments = std::map<std::string, std::string>;

/// A Dockerfile and its evaluated stages; the instructions are borrowed from it, so it stays where it is.
struct Evaluation {
    parser::Dockerfile dockerfile;
    Arguments build_arguments, global_arguments;

    explicit Evaluation(std::string_view text, Arguments arguments = {}) : build_arguments(std::move(arguments)) {
        auto parsed = parser::parse_dockerfile(text, "Dockerfile");
        REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
        dockerfile = std::move(*parsed);
        auto globals = parser::global_arguments(dockerfile, "", build_arguments, "linux/amd64");
        REQUIRE(globals);
        global_arguments = std::move(*globals);
    }
    Evaluation(const Evaluation&) = delete;
    Evaluation& operator=(const Evaluation&) = delete;

    Result<ResolvedStage> stage(int index, BuildState initial) const {
        const auto graph = parser::build_stage_graph(dockerfile, "", build_arguments, "linux/amd64");
        REQUIRE_MESSAGE(graph, (graph ? "" : graph.error().message));
        const auto& node = graph->stages[static_cast<std::size_t>(index)];
        return resolve_stage({&dockerfile, &build_arguments, &global_arguments}, node, std::move(initial));
    }
};

BuildState scratch() { return state_from_scratch("linux", "amd64", ""); }

ResolvedStage resolved(const Evaluation& evaluation, BuildState initial = scratch(), int index = 0) {
    auto stage = evaluation.stage(index, std::move(initial));
    REQUIRE_MESSAGE(stage, (stage ? "" : stage.error().message));
    return std::move(*stage);
}

Words history_of(const ResolvedStage& stage) {
    Words texts;
    for (const auto& step : stage.steps)
        for (const auto& entry : step.history) texts.push_back(entry.created_by);
    return texts;
}

/// The history texts of the instructions after `FROM scratch`.
Words history(const std::string& instructions, Arguments build_arguments = {}) {
    const Evaluation evaluation("FROM scratch\n" + instructions, std::move(build_arguments));
    return history_of(resolved(evaluation));
}

cache::oci::ImageConfig config(const std::string& instructions, BuildState initial = scratch()) {
    const Evaluation evaluation("FROM scratch\n" + instructions);
    return resolved(evaluation, std::move(initial)).final.config;
}

Words assignments(const BuildState& state) {
    Words list;
    for (const auto& variable : state.variables.variables_at(state.variables.size()))
        if (variable.name != "PATH") list.push_back(variable.name + "=" + variable.value);
    return list;
}

Words assignments(const std::string& instructions, Arguments build_arguments = {}) {
    const Evaluation evaluation("FROM scratch\n" + instructions, std::move(build_arguments));
    return assignments(resolved(evaluation).final);
}

Error error_of(const std::string& instructions) {
    const Evaluation evaluation("FROM scratch\n" + instructions);
    auto stage = evaluation.stage(0, scratch());
    REQUIRE_FALSE(stage);
    return stage.error();
}

const std::string k_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

} // namespace

TEST_SUITE("orchestrator/stage_state") {
    TEST_CASE("the history text of every instruction is BuildKit's") {
        struct Row {
            const char* instruction;
            const char* text;
        };
        const Row rows[] = {
            {"RUN make  all", "RUN /bin/sh -c make  all # buildkit"},
            {"RUN [\"a\", \"b c\"]", "RUN a b c # buildkit"},
            {"COPY a b /d/", "COPY a b /d/ # buildkit"},
            {"COPY --link --chown=1:2 --chmod=644 a /d", "COPY --chown=1:2 --chmod=644 a /d # buildkit"},
            {"COPY --parents --exclude=x --link a b /d", "COPY --parents a b /d # buildkit"},
            {"ADD a.tar .", "ADD a.tar . # buildkit"},
            {"ADD --unpack=false --chown=a a.tar /d", "ADD --chown=a a.tar /d # buildkit"},
            {"ADD --keep-git-dir=true https://a.example/b.git /d", "ADD https://a.example/b.git /d # buildkit"},
            {"RUN <<E\na\nb\nE", "RUN /bin/sh -c a\nb\n # buildkit"},
            {"RUN --mount=type=tmpfs,target=/t --network=none a", "RUN /bin/sh -c a # buildkit"},
            {"COPY <<x <<y a /d/\n1\nx\n2\ny", "COPY a <<x <<y /d/ # buildkit"},
            {"WORKDIR app", "WORKDIR /app"},
            {"WORKDIR /", "WORKDIR /"},
            {"ENV a=1 b=\"2 3\"", "ENV a=1 b=2 3"},
            {"ENV a 1 2", "ENV a=1 2"},
            {"ARG a b=1", "ARG a b=1"},
            {"LABEL a=1 b=2", "LABEL a=1 b=2"},
            {"CMD [\"a\", \"b c\"]", "CMD [\"a\" \"b c\"]"},
            {"CMD a b", "CMD [\"/bin/sh\" \"-c\" \"a b\"]"},
            {"CMD [\"a\\\"\\n\\t\"]", "CMD [\"a\\\"\\n\\t\"]"},
            {"CMD []", "CMD []"},
            {"ENTRYPOINT [\"a\"]", "ENTRYPOINT [\"a\"]"},
            {"SHELL [\"/bin/bash\", \"-c\"]", "SHELL [/bin/bash -c]"},
            {"USER a:b", "USER a:b"},
            {"EXPOSE 90/udp 80", "EXPOSE [80/tcp 90/udp]"},
            {"EXPOSE 80 ${p:-90}", "EXPOSE [90/tcp 80/tcp]"}, // sorted as written
            {"VOLUME /a /b", "VOLUME [/a /b]"},
            {"STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"},
            {"HEALTHCHECK --interval=90s --timeout=500ms --retries=3 CMD a b",
             "HEALTHCHECK {Test:[CMD-SHELL a b] Interval:1m30s Timeout:500ms StartPeriod:0s StartInterval:0s "
             "Retries:3}"},
            {"HEALTHCHECK NONE",
             "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}"},
            {"MAINTAINER x y", "MAINTAINER x y"},
        };
        for (const auto& row : rows) {
            const std::string instruction = row.instruction;
            CAPTURE(instruction);
            const auto texts = history(instruction + "\n");
            REQUIRE(texts.size() == 1);
            CHECK(texts.front() == row.text);
        }
    }
    TEST_CASE("ONBUILD leaves no history, only a trigger") {
        CHECK(history("ONBUILD RUN a\n").empty());
        CHECK(config("ONBUILD RUN a\nONBUILD RUN b\n").on_build == Words{"RUN a", "RUN b"});
    }
    TEST_CASE("only RUN, COPY, ADD and WORKDIR other than the root make a layer") {
        const Evaluation evaluation(
            "FROM scratch\nRUN a\nCOPY a /b\nADD a /b\nWORKDIR /a\nWORKDIR /\nENV a=1\nUSER u\n");
        const auto stage = resolved(evaluation);
        std::vector<bool> layers;
        for (const auto& step : stage.steps) {
            layers.push_back(step.makes_layer());
            REQUIRE(step.history.size() == 1);
            CHECK(step.history[0].empty_layer == !step.makes_layer());
            CHECK(step.history[0].comment == "buildkit.dockerfile.v0");
            CHECK(step.history[0].created.empty());
        }
        CHECK(layers == std::vector<bool>{true, true, true, true, false, false, false});
        CHECK(stage.steps[2].position == 3);
        CHECK(stage.steps[2].instruction == &evaluation.dockerfile.stages[0].instructions[2]);
    }
    TEST_CASE("a RUN's history lists the declared arguments once each, in order, with their values at that point") {
        CHECK(history("ARG b=1\nARG a\nARG b=2\nRUN x\n", {{"a", "9"}}).back() ==
              "RUN |2 b=2 a=9 /bin/sh -c x # buildkit");
        CHECK(history("ARG unset\nRUN x\n").back() == "RUN |1 unset= /bin/sh -c x # buildkit");
        CHECK(history("ARG a=1\nENV a=2\nRUN x\n").back() == "RUN |1 a=2 /bin/sh -c x # buildkit");
        CHECK(history("ENV a=2\nRUN x\n").back() == "RUN /bin/sh -c x # buildkit");
        CHECK(history("RUN x\nARG a=1\n").front() == "RUN /bin/sh -c x # buildkit");
    }
    TEST_CASE("a RUN's command is not expanded, the shell does that") {
        CHECK(history("ENV a=1\nRUN echo $a \"$a\"\n").back() == "RUN /bin/sh -c echo $a \"$a\" # buildkit");
    }
    TEST_CASE("a RUN of nothing but a heredoc runs its body, another one gives the whole text to the shell") {
        const Evaluation evaluation("FROM scratch\nRUN <<E\na $b\nE\nRUN cat <<E && x\na\nE\n");
        const auto stage = resolved(evaluation);
        CHECK(std::get<RunOperation>(stage.steps[0].operation).arguments == Words{"/bin/sh", "-c", "a $b\n"});
        CHECK(std::get<RunOperation>(stage.steps[1].operation).arguments ==
              Words{"/bin/sh", "-c", "cat <<E && x\na\nE"});
    }
    TEST_CASE("SHELL applies to later shell forms and not to exec forms") {
        CHECK(history("RUN a\nSHELL [\"b\", \"-c\"]\nRUN a\nCMD a\nENTRYPOINT [\"a\"]\n") ==
              Words{"RUN /bin/sh -c a # buildkit", "SHELL [b -c]", "RUN b -c a # buildkit", "CMD [\"b\" \"-c\" \"a\"]",
                    "ENTRYPOINT [\"a\"]"});
    }

    TEST_CASE("a stage inherits the shell of its parent, and a base's counts as well") {
        const Evaluation evaluation("FROM scratch AS p\nSHELL [\"b\", \"-c\"]\nFROM p\nRUN a\n");
        const auto parent = resolved(evaluation);
        CHECK(history_of(resolved(evaluation, state_from_stage(parent.final), 1)) == Words{"RUN b -c a # buildkit"});
        CHECK(config("CMD a\n", state_from_image(parent.final.config)).cmd == Words{"b", "-c", "a"});
    }
    TEST_CASE("the history of ARG tells a value that is known, wherever it comes from") {
        const Evaluation evaluation("ARG a=global\nFROM scratch\nARG a b c=\nARG TARGETOS\n");
        CHECK(history_of(resolved(evaluation)) == Words{"ARG a=global b c=", "ARG TARGETOS=linux"});
        CHECK(history("ARG a=1\n", {{"a", ""}}) == Words{"ARG a="});
    }
    TEST_CASE("the last HEALTHCHECK counts, also over the base's") {
        const auto first = config("HEALTHCHECK CMD a\n");
        const auto second = config("HEALTHCHECK CMD a\nHEALTHCHECK --retries=2 CMD [\"b\"]\n", state_from_image(first));
        REQUIRE(second.healthcheck);
        CHECK(second.healthcheck->test == Words{"CMD", "b"});
        CHECK(second.healthcheck->retries == 2);
    }

    TEST_CASE("variables stand in the order of their last assignment") {
        CHECK(assignments("ENV a=1\nENV b=1\nENV a=2\n") == Words{"b=1", "a=2"});
        CHECK(assignments("ARG a=1\nENV b=1\nARG c=1\n") == Words{"a=1", "b=1", "c=1"});
    }
    TEST_CASE("the image keeps the place of a replaced ENV and never an ARG") {
        CHECK(config("ENV a=1 b=1\nARG c=1\nENV a=2\n").env == Words{k_path, "a=2", "b=1"});
    }
    TEST_CASE("the later of ARG and ENV wins for the build; the image keeps the ENV's value") {
        CHECK(assignments("ARG a=arg\nENV a=env\n") == Words{"a=env"});
        CHECK(assignments("ENV a=env\nARG a=arg\n") == Words{"a=arg"});
        CHECK(config("ENV a=env\nARG a=arg\n").env == Words{k_path, "a=env"});
    }
    TEST_CASE("a declared argument without a value is no variable, and leaves an older value") {
        CHECK(assignments("ARG a\n").empty());
        CHECK(assignments("ENV a=1\nARG a\n") == Words{"a=1"});
        CHECK(assignments("ARG a=\n") == Words{"a="});
    }
    TEST_CASE("one ENV sees the variables before it, one ARG those of its own line too") {
        CHECK(assignments("ENV a=old\nENV a=new b=$a\n") == Words{"a=new", "b=old"});
        CHECK(assignments("ARG a=old\nARG a=new b=$a\n") == Words{"a=new", "b=new"});
    }
    TEST_CASE("an argument's value comes from the command line, else its default, else the global argument") {
        const std::string text = "ARG a=global\nFROM scratch\nARG a";
        const Evaluation inherited(text + "\n");
        CHECK(assignments(resolved(inherited).final) == Words{"a=global"});
        const Evaluation own(text + "=own\n");
        CHECK(assignments(resolved(own).final) == Words{"a=own"});
        const Evaluation given(text + "=own\n", {{"a", "given"}, {"undeclared", "x"}});
        CHECK(assignments(resolved(given).final) == Words{"a=given"});
        const Evaluation undeclared("ARG a=global\nFROM scratch\nUSER u$a\n");
        CHECK(resolved(undeclared).final.config.user == "u");
    }
    TEST_CASE("an automatic argument is seen once it is declared") {
        CHECK(assignments("ENV x=$TARGETARCH\n") == Words{"x="});
        CHECK(assignments("ARG TARGETARCH\nENV x=$TARGETARCH\n") == Words{"TARGETARCH=amd64", "x=amd64"});
    }
    TEST_CASE("an error in a default that the command line replaces is not reported") {
        CHECK(history("ARG a=${b?no}\n", {{"a", "1"}}) == Words{"ARG a=1"});
        const auto error = error_of("ENV c=1\nARG a=${b?no}\n");
        CHECK(error.kind == ErrorKind::invalid_dockerfile);
        REQUIRE(error.where);
        CHECK(error.where->first_line == 3);
    }
    TEST_CASE("a step remembers the state before it") {
        const Evaluation evaluation("FROM scratch\nENV a=1\nRUN x\nENV a=2\n");
        const auto stage = resolved(evaluation);
        CHECK(stage.steps[0].before.variables().size() == 1); // PATH
        REQUIRE(stage.steps[1].before.variables().size() == 2);
        CHECK(stage.steps[1].before.variables()[1].value == "1");
        CHECK(*stage.final.variables.find("a") == "2");
        const auto config = stage.steps[1].before.config_for(stage.final.config);
        CHECK(config.env == Words{k_path, "a=1"});
        CHECK(config.architecture == "amd64");
        CHECK(config.working_dir == "/");
    }
    TEST_CASE("a child stage inherits the arguments, and its parent's environment is assigned again over them") {
        const Evaluation evaluation("FROM scratch AS p\nARG x=1\nENV a=env\nARG a=arg\nFROM p\nRUN y\n");
        const auto parent = resolved(evaluation);
        CHECK(assignments(parent.final) == Words{"x=1", "a=arg"});
        const auto child = resolved(evaluation, state_from_stage(parent.final), 1);
        CHECK(assignments(child.final) == Words{"x=1", "a=env"});
        CHECK(history_of(child) == Words{"RUN |2 x=1 a=env /bin/sh -c y # buildkit"});
    }

    TEST_CASE("scratch starts with the default PATH in the root folder") {
        const auto state = scratch();
        CHECK(state.config.env == Words{k_path});
        CHECK(state.config.working_dir == "/");
        CHECK(state.config.os == "linux");
        CHECK(state.config.architecture == "amd64");
        REQUIRE(state.variables.find("PATH"));
    }
    TEST_CASE("a base image brings its environment, and the default PATH only when it has none") {
        cache::oci::ImageConfig base;
        base.env = {"a=1=2", "PATH=/p"};
        base.history.push_back({});
        const auto state = state_from_image(base);
        CHECK(state.config.env == Words{"a=1=2", "PATH=/p"});
        CHECK(state.config.history.empty());
        REQUIRE(state.variables.find("a"));
        CHECK(*state.variables.find("a") == "1=2");
        CHECK(state.working_dir() == "/");
        CHECK(state_from_image({}).config.env == Words{k_path});
    }
    TEST_CASE("WORKDIR joins relative paths, cleans them and stays below the root") {
        CHECK(config("WORKDIR /a\nWORKDIR b/./c/\nWORKDIR ../d\n").working_dir == "/a/b/d");
        CHECK(config("WORKDIR /a\nWORKDIR /b\n").working_dir == "/b");
        CHECK(config("WORKDIR ../..\n").working_dir == "/");
        CHECK(config("WORKDIR //a//b\n").working_dir == "/a/b");
        CHECK(config("ENV p=/x\nWORKDIR $p/y\n").working_dir == "/x/y");
        const Evaluation evaluation("FROM scratch\nWORKDIR a\n");
        CHECK(std::get<WorkdirOperation>(resolved(evaluation).steps[0].operation).path == "/a");
    }
    TEST_CASE("ENTRYPOINT clears an inherited CMD, not one of the same stage") {
        cache::oci::ImageConfig base;
        base.cmd = Words{"inherited"};
        CHECK_FALSE(config("ENTRYPOINT [\"e\"]\n", state_from_image(base)).cmd);
        CHECK(config("CMD [\"c\"]\nENTRYPOINT [\"e\"]\n", state_from_image(base)).cmd == Words{"c"});
        CHECK(config("ENTRYPOINT [\"e\"]\nCMD [\"c\"]\n", state_from_image(base)).cmd == Words{"c"});
        CHECK(config("USER u\n", state_from_image(base)).cmd == Words{"inherited"});
        BuildState parent = scratch();
        parent.config.cmd = Words{"c"};
        parent.has_own_cmd = true;
        CHECK_FALSE(config("ENTRYPOINT [\"e\"]\n", state_from_stage(parent)).cmd);
    }
    TEST_CASE("CMD marks its arguments as escaped, and an empty one is set and empty") {
        const auto result = config("CMD []\n");
        REQUIRE(result.cmd);
        CHECK(result.cmd->empty());
        CHECK(result.args_escaped);
        CHECK_FALSE(config("ENTRYPOINT [\"e\"]\n").args_escaped);
    }
    TEST_CASE("EXPOSE takes ranges, protocols and variables with several ports, and merges with the base's") {
        cache::oci::ImageConfig base;
        base.exposed_ports = {"80/tcp"};
        CHECK(config("ENV p=\"90 91/UDP\"\nEXPOSE 80 8000-8001 $p\n", state_from_image(base)).exposed_ports ==
              Words{"80/tcp", "8000/tcp", "8001/tcp", "90/tcp", "91/udp"});
        for (const std::string bad : {"x", "70000", "9-8", "1-", "-1"}) {
            CAPTURE(bad);
            CHECK(error_of("EXPOSE " + bad + "\n").kind == ErrorKind::invalid_dockerfile);
        }
    }
    TEST_CASE("labels merge, volumes are a set, user, signal and author replace") {
        cache::oci::ImageConfig base;
        base.labels = {{"a", "1"}, {"b", "1"}};
        base.volumes = {"/v"};
        base.user = "old";
        const auto result = config("LABEL b=2 c=3\nVOLUME [\"/v\", \"/u\"]\nUSER new\nSTOPSIGNAL 9\nMAINTAINER m\n",
                                   state_from_image(base));
        CHECK(result.labels == std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}, {"c", "3"}});
        CHECK(result.volumes == Words{"/u", "/v"});
        CHECK(result.user == "new");
        CHECK(result.stop_signal == "9");
        CHECK(result.author == "m");
        CHECK(error_of("VOLUME $unset\n").kind == ErrorKind::invalid_dockerfile);
    }
    TEST_CASE("HEALTHCHECK replaces the base's, in shell form, exec form or as NONE") {
        using namespace std::chrono_literals;
        const auto shell = config("HEALTHCHECK --interval=90s --retries=3 CMD a b\n").healthcheck;
        REQUIRE(shell);
        CHECK(shell->test == Words{"CMD-SHELL", "a b"});
        CHECK(shell->interval == 90s);
        CHECK(shell->timeout == 0s);
        CHECK(shell->retries == 3);
        CHECK(config("HEALTHCHECK CMD [\"a\", \"b\"]\n").healthcheck->test == Words{"CMD", "a", "b"});
        CHECK(config("HEALTHCHECK NONE\n").healthcheck->test == Words{"NONE"});
    }

    TEST_CASE("COPY expands its paths and joins the destination to the working folder") {
        const Evaluation evaluation(
            "FROM scratch\nWORKDIR /w\nENV s=a o=1:2\nCOPY --chown=$o $s d/\nCOPY a .\nCOPY a ../e\n");
        const auto stage = resolved(evaluation);
        const auto& first = std::get<CopyOperation>(stage.steps[2].operation);
        CHECK_FALSE(first.from);
        CHECK(first.sources == Words{"a"});
        CHECK(first.destination == "/w/d/");
        CHECK(first.chown == "1:2");
        CHECK(std::get<CopyOperation>(stage.steps[3].operation).destination == "/w/");
        CHECK(std::get<CopyOperation>(stage.steps[4].operation).destination == "/e");
    }
    TEST_CASE("COPY expands a heredoc unless its name is quoted") {
        const Evaluation evaluation("FROM scratch\nENV a=1\nCOPY <<x <<'y' /d/\n$a\nx\n$a\ny\n");
        const auto stage = resolved(evaluation);
        const auto& files = std::get<CopyOperation>(stage.steps[1].operation).files;
        REQUIRE(files.size() == 2);
        CHECK(files[0].body == "1\n");
        CHECK(files[1].body == "$a\n");
    }
    TEST_CASE("COPY --from names an earlier stage; --link counts only without --chmod") {
        const Evaluation evaluation(
            "FROM scratch AS p\nFROM scratch\nCOPY --from=P --link a b\nCOPY --link --chmod=1 a b\n");
        const auto stage = resolved(evaluation, scratch(), 1);
        const auto& copy = std::get<CopyOperation>(stage.steps[0].operation);
        REQUIRE(copy.from);
        CHECK(copy.from->kind == parser::StageReference::Kind::stage);
        CHECK(copy.from->stage_index == 0);
        CHECK(copy.is_link);
        CHECK_FALSE(std::get<CopyOperation>(stage.steps[1].operation).is_link);
    }
    TEST_CASE("COPY --from and RUN --mount=from name images in familiar form") {
        const Evaluation evaluation(
            "FROM scratch\nCOPY --from=docker.io/library/a b c\nRUN --mount=from=a:1,target=/x y\n");
        const auto stage = resolved(evaluation);
        CHECK(stage.steps[0].sources() ==
              std::vector{parser::StageReference{parser::StageReference::Kind::image, -1, "a:latest"}});
        CHECK(stage.steps[1].sources() ==
              std::vector{parser::StageReference{parser::StageReference::Kind::image, -1, "a:1"}});
    }
    TEST_CASE("RUN --mount gets its defaults from the state") {
        const Evaluation evaluation("FROM scratch\nWORKDIR /w\nARG P=q\nRUN --mount=type=cache,target=c/../${P} "
                                    "--mount=type=secret,target=/x/s --mount=type=secret,src=t --mount=type=ssh y\n");
        const auto stage = resolved(evaluation);
        const auto& mounts = std::get<RunOperation>(stage.steps[2].operation).mounts;
        REQUIRE(mounts.size() == 4);
        CHECK(mounts[0].target == "/w/q");
        CHECK(mounts[0].cache_id == "/w/q");
        CHECK(mounts[1].secret_id == "s");
        CHECK(mounts[2].secret_id == "t");
        CHECK(mounts[2].target == "/run/secrets/t");
        CHECK(mounts[3].secret_id == "default");
        CHECK(error_of("RUN --mount=target=/ x\n").message == "invalid mount target \"/\"");
        CHECK(error_of("RUN --mount=type=tmpfs x\n").kind == ErrorKind::invalid_dockerfile);
    }
    TEST_CASE("a heredoc that begins with #! becomes a file that the shell runs") {
        const Evaluation evaluation("FROM scratch\nRUN <<E\n#!/bin/x\nE\n");
        const auto stage = resolved(evaluation);
        const auto& run = std::get<RunOperation>(stage.steps[0].operation);
        CHECK(run.script == "#!/bin/x\n");
        CHECK(run.arguments == Words{"/bin/sh", "-c", "/dev/pipes/E"});
    }
    TEST_CASE("a #! behind tabs is a comment of the shell, though the tabs go") {
        const Evaluation evaluation("FROM scratch\nRUN <<-E\n\t#!/bin/x\n\ty\n\tE\n");
        const auto stage = resolved(evaluation);
        const auto& run = std::get<RunOperation>(stage.steps[0].operation);
        CHECK(run.script.empty());
        CHECK(run.arguments == Words{"/bin/sh", "-c", "#!/bin/x\ny\n"});
    }
    TEST_CASE("a heredoc alone is the script, in every spelling") {
        for (const std::string line : {"<<EOF", "<< EOF", "3<<EOF", "<<\"EOF\"", "<<-EOF"}) {
            CAPTURE(line);
            CHECK(history("RUN " + line + "\n\tx\nEOF\n") ==
                  Words{line == "<<-EOF" ? "RUN /bin/sh -c x\n # buildkit" : "RUN /bin/sh -c \tx\n # buildkit"});
        }
        CHECK(history("RUN <<\"E F\"\nx\nE F\n") == Words{"RUN /bin/sh -c x\n # buildkit"});
    }
    TEST_CASE("a heredoc inside of a command keeps its tabs, which the shell strips") {
        CHECK(history("RUN cat <<-E\n\tx\n\tE\n") == Words{"RUN /bin/sh -c cat <<-E\n\tx\nE # buildkit"});
    }
    TEST_CASE("arguments that direct the builder never become variables") {
        CHECK(assignments("ARG BUILDKIT_SBOM_SCAN_STAGE=1\nARG BUILDKIT_SBOM_SCAN_CONTEXT=1\nARG a=1\n") ==
              Words{"a=1"});
    }
    TEST_CASE("an unknown signal and an unknown protocol are refused on their line") {
        for (const std::string instruction : {"STOPSIGNAL SIGNONE", "EXPOSE 80/http"}) {
            CAPTURE(instruction);
            const auto error = error_of("USER u\n" + instruction + "\n");
            CHECK(error.kind == ErrorKind::invalid_dockerfile);
            CHECK(error.where->first_line == 3);
        }
    }
    TEST_CASE("what this version does not plan is unsupported, with its place") {
        for (const std::string instruction :
             {"RUN --mount=from=scratch,target=/c x", "RUN --mount=source=a*,target=/c x", "RUN --network=host x",
              "RUN --security=insecure x", "RUN --device=d x", "COPY --from=scratch a b", "ADD https://bob@h/a.git b",
              "EXPOSE 1.2.3.4:80:80"}) {
            CAPTURE(instruction);
            const auto error = error_of("USER u\n" + instruction + "\n");
            CHECK(error.kind == ErrorKind::unsupported);
            REQUIRE(error.where);
            CHECK(error.where->first_line == 3);
        }
    }
    TEST_CASE("the default network and security modes are planned") {
        CHECK(history("RUN --network=default --security=sandbox x\n") == Words{"RUN /bin/sh -c x # buildkit"});
    }
    TEST_CASE("a stage does not keep the ONBUILD triggers of what it is built on, image or stage") {
        cache::oci::ImageConfig base;
        base.on_build = {"RUN x"};
        CHECK(config("USER u\n", state_from_image(base)).on_build.empty());
        BuildState parent = scratch();
        parent.config.on_build = base.on_build;
        CHECK(config("USER u\n", state_from_stage(parent)).on_build.empty());
    }
}
