// SPDX-License-Identifier: Apache-2.0
// Step keys as they are made from instructions: golden fields of every kind of step, texts that must mean the same and
// texts that must not. Files are what their names say; that their bytes count is test_context_tree's business.
#include "orchestrator/key_maker.hpp"

#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;
namespace parser = dbuild::dockerfile_parser;

namespace {

class NamedFiles final : public KeyMaker {
public:
    using KeyMaker::KeyMaker;

private:
    static Digest named(std::string text, const std::string& path, const Reading& reading) {
        text += " " + cache::oci::clean_path(path) + reading.filter.to_string();
        return sha256(reading.ignores_modes ? text + " without modes" : text);
    }
    Result<Digest> selection(const parser::StageReference& from, const std::string& path,
                             const Reading& reading) override {
        return named(from.image, path, reading);
    }
    Result<Digest> context_selection(const std::string& path, const Reading& reading) override {
        return named("context", path, reading);
    }
    Result<Digest> remote_content(const std::string& url, const std::optional<Digest>& checksum) override {
        return checksum.value_or(sha256(url));
    }
    Result<std::string> commit_of(const GitUrl& repository) override { return repository.reference + "-commit"; }
};

const cache::Chain k_below = cache::Chain::of_base({});

/// The keys of the steps of a stage FROM scratch, each as if it stood on k_below.
std::vector<KeyedStep> keys_of(const std::string& instructions, const std::map<std::string, std::string>& salts = {}) {
    Parts parts;
    Project project;
    project.platform = "linux/amd64";
    project.options.secret_salts = salts;
    auto parsed = parser::parse_dockerfile("FROM scratch\n" + instructions, "Dockerfile");
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
    project.dockerfile = std::make_unique<parser::Dockerfile>(std::move(*parsed));
    const std::map<std::string, std::string> none;
    auto graph = parser::build_stage_graph(*project.dockerfile, "", none, "linux/amd64");
    REQUIRE_MESSAGE(graph, (graph ? "" : graph.error().message));
    project.graph = std::move(*graph);
    auto stage = resolve_stage({project.dockerfile.get(), &none, &none}, project.graph.stages.front(),
                               state_from_scratch("linux", "amd64", ""));
    REQUIRE_MESSAGE(stage, (stage ? "" : stage.error().message));

    std::map<int, PlannedStage> plans;
    NamedFiles maker(parts, project, plans);
    PlannedStage& plan = plans[0];
    plan.stage = &*stage;
    std::vector<KeyedStep> keys;
    for (std::size_t i = 0; i < stage->steps.size(); ++i) {
        plan.steps.emplace_back().step = &stage->steps[i];
        if (!stage->steps[i].makes_layer()) continue;
        auto key = maker.key_of(plan, i, k_below);
        REQUIRE_MESSAGE(key, (key ? "" : key.error().message));
        plan.steps.back().key = key->value().key;
        keys.push_back(std::move(**key));
    }
    return keys;
}

/// Of the last step.
Digest key_of(const std::string& instructions) { return keys_of(instructions).back().key.digest; }

std::string hex(std::string_view named) { return sha256(named).to_string(); }

void check_golden(const std::string& instructions, const std::string& fields, std::string_view key) {
    const auto made = keys_of(instructions).back();
    CHECK(made.ingredients == fields);
    CHECK(made.key.digest.hex() == key);
}

const std::string k_chain = "chain=" + k_below.digest().to_string() + "\n";
const std::string k_path = "65:PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

} // namespace

TEST_SUITE_BEGIN("orchestrator/key_maker");

TEST_CASE("the fields of RUN are golden") {
    check_golden(
        "ENV B=2 A=1\nWORKDIR /w\nUSER u\n"
        "RUN --network=none --mount=type=secret,id=s --mount=type=tmpfs,target=/t,size=1k"
        " --mount=type=cache,target=c --mount=target=/b,source=d make",
        "kind=run\n" + k_chain + "platform=linux/amd64\narguments=7:/bin/sh2:-c4:make\nenvironment=3:A=13:B=2" +
            k_path +
            "\ndirectory=/w\nuser=u\nnetwork=none\nmount=4:bind2:/b9:read-only\nmount content=" + hex("context d") +
            "\nmount=5:tmpfs2:/t8:writable9:size=1024\n"
            "mount=5:cache4:/w/c8:writable7:default\nmount state=\n"
            "mount=6:secret14:/run/secrets/s9:read-only8:mode=4005:uid=05:gid=04:id=s9:variable=8:optional\n",
        "2d614f220cc67bccf360976aba676ee4470f538e1695fbe09319665c5d684333");
    check_golden("RUN <<EOF\n#!/bin/x\n1\nEOF\n",
                 "kind=run\n" + k_chain + "platform=linux/amd64\narguments=7:/bin/sh2:-c14:/dev/pipes/EOF\n" +
                     "environment=" + k_path + "\ndirectory=/\nuser=\nscript=" + hex("#!/bin/x\n1\n") + "\n",
                 "ccf99ff316084867b106e6c25586bca9e923d018bd0f22afa0b9919a7ca772a0");
}

TEST_CASE("the fields of COPY, ADD and WORKDIR are golden") {
    check_golden("COPY --chown=1 --chmod=0640 a b/c <<EOF x/\n1\nEOF\n",
                 "kind=copy\n" + k_chain + "link=no\ndestination=/x/\nowner=1\nmode=640\nsource name=a\n" +
                     "source content=" + hex("context a without modes") + "\nsource name=c\nsource content=" +
                     hex("context b/c without modes") + "\nfile name=EOF\nfile content=" + hex("1\n") + "\n",
                 "4371c97e272c183bb69266fa6abaa1856d0016a03be0c7aa85e9fb5a1aaba43a");
    check_golden("COPY --link --from=image a /x",
                 "kind=copy\nlink=yes\ndestination=/x\nowner=\nmode=\nsource name=a\nsource content=" +
                     hex("image:latest a") + "\n",
                 "01ffd47962772a8c063649bad5c05985f3bf85c85867bb9a580811c0f036292d");
    check_golden("ADD --chmod=u+x --chown=1 a https://example.org/f https://example.org/r.git#main:in /x/",
                 "kind=add\n" + k_chain +
                     "link=no\ndestination=/x/\nowner=1\nowner of what archives hold=1\nmode=symbols 2 u+x\n"
                     "source name=a\nsource content=" +
                     hex("context a") + "\nremote name=f\nremote content=" + hex("https://example.org/f") +
                     "\ngit commit=main-commit\ngit folder=in\n",
                 "bb9247b3576d3f65d1948d578f2e28cc3decc5ec2497f8df26a6641650d8b4a7");
    check_golden("USER u\nWORKDIR /w", "kind=workdir\n" + k_chain + "path=/w\nuser=u\n",
                 "ed9b967bbb3aabefa931f964c1541fa924b99560e18a43e43eac76cbabc1e73b");
}

TEST_CASE("what no result can depend on changes no key") {
    const std::pair<std::string, std::string> alike[] = {
        {"COPY --chmod=0644 f /x", "COPY --chmod=644 f /x"},
        {"COPY --chmod=000 f /x", "COPY --chmod=0 f /x"},
        {"COPY d /x", "COPY ./d/. /x/../x"},
        {"COPY . /x", "COPY / /x"},
        {"COPY . /x", "COPY d/.. /x"},
        {"COPY f /w/x", "WORKDIR /w\nCOPY f x"},
        {"COPY f /x", "# why\ncopy   f   /x"},
        {"RUN a", "ARG unset\nLABEL a=b\nCMD x\nRUN a"},
        {"ENV A=1 B=2\nRUN a", "ENV B=\"2\"\nARG A=1\nRUN a"},
        {"RUN a", "RUN --network=default a"},
        {"RUN a", "RUN [\"/bin/sh\", \"-c\", \"a\"]"},
        {"RUN --mount=type=tmpfs,target=/t,size=64m a", "RUN --mount=type=tmpfs,target=/t,size=65536KiB a"},
        {"RUN --mount=type=tmpfs,target=/t a", "RUN --mount=type=tmpfs,target=t/,size=0 a"},
        {"RUN --mount=type=secret,id=s a", "RUN --mount=type=secret,id=s,mode=0400,uid=0,gid=0,required=false a"},
        {"RUN --mount=type=secret,id=s a", "RUN --mount=type=secret,src=s,target=/run/secrets/s a"},
        {"RUN --mount=type=ssh a", "RUN --mount=type=ssh,id=default,mode=0600 a"},
        {"RUN --mount=type=cache,target=/c a", "RUN --mount=type=cache,target=/c,id=/c,sharing=shared a"},
        {"RUN --mount=type=cache,target=/c,id=x a", "RUN --mount=type=cache,target=/c,id=y,sharing=locked a"},
        {"RUN --mount=type=cache,target=/c,mode=755 a", "RUN --mount=type=cache,target=/c,uid=0 a"},
        {"RUN --mount=target=/b,source=d a", "RUN --mount=type=bind,dst=/b,src=/d/.,ro a"},
        {"RUN --mount=target=/b,source=d --mount=type=cache,target=/c --mount=type=tmpfs,target=/a x",
         "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/a --mount=target=/b,source=d x"},
    };
    for (const auto& [one, other] : alike) {
        CAPTURE(other);
        CHECK(key_of(one) == key_of(other));
    }
}

TEST_CASE("what a result can depend on changes the key") {
    const std::pair<std::string, std::string> different[] = {
        {"COPY f /x", "COPY f /x/"},
        {"COPY f /x", "COPY g /x"},
        {"COPY a/f /x", "COPY b/f /x"},
        {"COPY f g /x/", "COPY g f /x/"},
        {"COPY f /x", "ADD f /x"},
        {"COPY f /x", "COPY --link f /x"},
        {"COPY f /x", "COPY --chmod=0644 f /x"},
        {"COPY --chmod=644 f /x", "COPY --chmod=640 f /x"},
        {"COPY --chmod=u+x f /x", "COPY --chmod=a+x f /x"},
        {"COPY f /x", "COPY --chown=0 f /x"},
        {"COPY --exclude=a d /x", "COPY --exclude=b d /x"},
        {"COPY --exclude=a d /x", "COPY d /x"},
        {"COPY --parents d/f /x", "COPY d/f /x"},
        {"COPY --from=a f /x", "COPY --from=b f /x"},
        {"COPY <<A /x/\n1\nA", "COPY <<B /x/\n1\nB"},
        {"COPY <<A /x/\n1\nA", "COPY <<A /x/\n2\nA"},
        {"ADD f /x", "ADD --unpack=false f /x"},
        {"ADD https://example.org/f /x/", "ADD https://example.org/g /x/"},
        {"ADD https://example.org/r.git /x/", "ADD --keep-git-dir https://example.org/r.git /x/"},
        {"ADD https://example.org/r.git#a /x/", "ADD https://example.org/r.git#b /x/"},
        {"ADD https://example.org/r.git#a:x /x/", "ADD https://example.org/r.git#a:y /x/"},
        {"WORKDIR /a", "WORKDIR /b"},
        {"WORKDIR /a", "USER 1\nWORKDIR /a"},
        {"RUN a", "RUN b"},
        {"RUN a", "USER 1\nRUN a"},
        {"RUN a", "WORKDIR /w\nRUN a"},
        {"RUN a", "ENV A=1\nRUN a"},
        {"RUN a", "ARG A=\nRUN a"},
        {"RUN a", "SHELL [\"/bin/bash\", \"-c\"]\nRUN a"},
        {"RUN a", "RUN [\"a\"]"},
        {"RUN a", "RUN --network=none a"},
        {"RUN <<A\n#!/bin/x\n1\nA", "RUN <<A\n#!/bin/x\n2\nA"},
        {"RUN --mount=target=/b,source=d a", "RUN --mount=target=/b,source=e a"},
        {"RUN --mount=target=/b,source=d a", "RUN --mount=target=/c,source=d a"},
        {"RUN --mount=target=/b,source=d a", "RUN --mount=target=/b,source=d,rw a"},
        {"RUN --mount=target=/b,source=d a", "RUN --mount=target=/b,source=d,from=image a"},
        {"RUN --mount=target=/b,source=d --mount=target=/b,source=e a",
         "RUN --mount=target=/b,source=e --mount=target=/b,source=d a"},
        {"RUN --mount=type=tmpfs,target=/t,size=1m a", "RUN --mount=type=tmpfs,target=/t,size=2m a"},
        {"RUN --mount=type=cache,target=/c a", "RUN --mount=type=cache,target=/c,ro a"},
        {"RUN --mount=type=cache,target=/c a", "RUN --mount=type=cache,target=/c,mode=0700 a"},
        {"RUN --mount=type=cache,target=/c a", "RUN --mount=type=cache,target=/c,from=image a"},
        {"RUN --mount=type=secret,id=s a", "RUN --mount=type=secret,id=t,target=/run/secrets/s a"},
        {"RUN --mount=type=secret,id=s a", "RUN --mount=type=secret,id=s,required a"},
        {"RUN --mount=type=secret,id=s a", "RUN --mount=type=secret,id=s,uid=1 a"},
        {"RUN --mount=type=secret,id=s a", "RUN --mount=type=secret,id=s,env=S a"},
    };
    for (const auto& [one, other] : different) {
        CAPTURE(other);
        CHECK(key_of(one) != key_of(other));
    }
}

TEST_CASE("a step that mounts a cache depends on the step that last wrote to it") {
    const std::string reader = "\nRUN --mount=type=cache,target=/c,id=x read";
    const auto after = [&](const std::string& writer) { return key_of(writer + reader); };
    const auto writer = [](const std::string& command, const std::string& id = "x", const std::string& more = "") {
        return "RUN --mount=type=cache,target=/d,id=" + id + more + " " + command;
    };
    CHECK(after(writer("1")) != after(writer("2")));
    CHECK(after(writer("1")) == after(writer("1") + "\nRUN other"));
    CHECK(after(writer("1")) != after(writer("1") + "\n" + writer("2")));
    CHECK(after(writer("1") + "\n" + writer("3")) != after(writer("2") + "\n" + writer("3"))); // by way of the last one
    CHECK(after(writer("1", "y")) == after(writer("2", "y")));
    CHECK(after(writer("1", "x", ",ro")) == after(writer("2", "x", ",ro")));
}

TEST_CASE("a salt counts for the secret that it names, and its text is no ingredient") {
    const std::string run = "RUN --mount=type=secret,id=s a";
    const auto plain = keys_of(run).front(), salted = keys_of(run, {{"s", "grain"}}).front();
    CHECK(salted.key != plain.key);
    CHECK(salted.key != keys_of(run, {{"s", "other"}}).front().key);
    CHECK(keys_of(run, {{"t", "grain"}}).front().key == plain.key);
    CHECK(salted.ingredients.find("grain") == std::string::npos);
}

TEST_SUITE_END();
