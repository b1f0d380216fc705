// SPDX-License-Identifier: Apache-2.0
// The command that tries a failed step again: what is in it for which step. That it works is tests/cli/progress.sh's
// business.
#include "orchestrator/reproduction.hpp"

#include "dockerfile_parser/parser.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;
namespace parser = dbuild::dockerfile_parser;

namespace {

using Arguments = std::map<std::string, std::string>;

/// A project of one stage whose last step failed. Its Dockerfile is a file; %F in the expected text stands for it.
struct Failed {
    explicit Failed(std::string_view instructions, Arguments arguments = {}) {
        auto created = TempDir::create("dbuild-test");
        REQUIRE(created);
        folder = std::make_unique<TempDir>(std::move(*created));
        project.options.dockerfile = folder->path() / "Dockerfile";
        project.options.context = "src";
        project.options.build_arguments = std::move(arguments);
        const auto text = "FROM scratch\n" + std::string(instructions);
        REQUIRE(write_file(project.options.dockerfile, text));
        auto parsed = parser::parse_dockerfile(text, project.options.dockerfile.string());
        REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
        project.dockerfile = std::make_unique<parser::Dockerfile>(std::move(*parsed));
        const Arguments globals;
        parser::StageNode node;
        auto resolved = resolve_stage({project.dockerfile.get(), &project.options.build_arguments, &globals}, node,
                                      state_from_scratch("linux", "amd64", ""));
        REQUIRE_MESSAGE(resolved, (resolved ? "" : resolved.error().message));
        stage = std::move(*resolved);
    }
    std::string command() const {
        auto text = reproduction(project, stage.steps.back());
        const auto name = project.options.dockerfile.string();
        for (auto at = text.find(name); at != text.npos; at = text.find(name)) text.replace(at, name.size(), "%F");
        return text;
    }

    std::unique_ptr<TempDir> folder;
    Project project;
    ResolvedStage stage;
};

} // namespace

TEST_SUITE("orchestrator/reproduction") {
    TEST_CASE("a RUN is repeated in a container of what was built before it") {
        CHECK(Failed("COPY a b\nRUN make \\\n  all\n").command() ==
              "docker run --rm --entrypoint /bin/sh $(head -n 2 %F | dbuild build -q -f - src) -c 'make   all'");
        CHECK(Failed("RUN [\"/bin/tool\", \"a b\", \"\"]\n").command() ==
              "docker run --rm --entrypoint /bin/tool $(head -n 1 %F | dbuild build -q -f - src) 'a b' ''");
    }
    TEST_CASE("arguments in force and the build's own are given; ENV is in the image") {
        CHECK(Failed("ARG V=1\nENV E=2\nRUN x\n", {{"V", "it's"}, {"OTHER", "$x"}}).command() ==
              "docker run --rm -e 'V=it'\\''s' --entrypoint /bin/sh $(head -n 3 %F | dbuild build -q --build-arg "
              "'OTHER=$x' "
              "--build-arg 'V=it'\\''s' -f - src) -c x");
    }
    TEST_CASE("secrets are left to the environment, where the user gave them") {
        CHECK(Failed("ARG NPM_TOKEN\nRUN x\n", {{"NPM_TOKEN", "s3cret"}, {"KEYBOARD", "us"}, {"db-Password", "p"}})
                  .command() == "docker run --rm -e NPM_TOKEN --entrypoint /bin/sh $(head -n 2 %F | dbuild build -q "
                                "--build-arg KEYBOARD=us "
                                "--build-arg NPM_TOKEN --build-arg db-Password -f - src) -c x");
        CHECK(Failed("ARG TOKEN=public\nRUN x\n").command().find("-e TOKEN=public") != std::string::npos);
    }
    TEST_CASE("other steps, and RUNs that only BuildKit can do, are built again") {
        CHECK(Failed("RUN x\nCOPY a \\\n b\n").command() == "head -n 4 %F | dbuild build -f - src");
        Failed mount("RUN --mount=type=secret,id=t x\n");
        mount.project.options.secrets = {"id=t,env=T"};
        mount.project.options.ssh_agents = {"default"};
        CHECK(mount.command() == "head -n 2 %F | dbuild build --secret id=t,env=T --ssh default -f - src");
        CHECK(Failed("RUN <<END\n#!/bin/awk -f\nBEGIN {}\nEND\n").command() == "head -n 5 %F | dbuild build -f - src");
        CHECK(Failed("RUN " + std::string(3000, 'x') + "\n").command() == "head -n 2 %F | dbuild build -f - src");
    }
    TEST_CASE("a script keeps its lines, and control characters are spelled") {
        const auto script = Failed("RUN <<END\necho 'a'\necho b\nEND\n").command();
        CHECK(script.ends_with("-c 'echo '\\''a'\\''\necho b\n'"));
        const auto control = Failed("RUN printf '\x1b[31m\\n'\n").command();
        CHECK(control.ends_with("-c $'printf \\'\\x1b[31m\\\\n\\''"));
    }
    TEST_CASE("a RUN without network is repeated without one") {
        CHECK(Failed("RUN --network=none x\n").command().starts_with("docker run --rm --network none --entrypoint "));
    }
    TEST_CASE("without a file that can be cut there is no command") {
        Failed from_stdin("RUN x\n");
        from_stdin.project.options.dockerfile = "-";
        CHECK(from_stdin.command().empty());
        Failed own_ignore_file("RUN x\n");
        REQUIRE(write_file(own_ignore_file.project.options.dockerfile.string() + ".dockerignore", "a\n"));
        CHECK(own_ignore_file.command().empty());
    }
}
