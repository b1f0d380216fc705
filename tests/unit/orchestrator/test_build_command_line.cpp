// SPDX-License-Identifier: Apache-2.0
// The command line of a build: docker's grammar, which options come out, what is handed over, and what is wrong usage.
#include "orchestrator/command_line/build_command_line.hpp"

#include "orchestrator/command_line/build_flags.hpp"
#include "support/platform.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

using namespace dbuild;
using namespace dbuild::orchestrator;

namespace {

using Words = std::vector<std::string>;

BuildCommandLine parse(const Words& words) {
    auto parsed = parse_build_command_line(words);
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
    return std::move(*parsed);
}

/// Why the words, with "." as the path, are handed over; "" if they are not.
std::string reason(Words words) {
    words.push_back(".");
    return parse(words).handed_over_because;
}

std::string usage_error(const Words& words) {
    const auto parsed = parse_build_command_line(words);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == ErrorKind::usage);
    return parsed.error().message;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

struct Variable {
    const char* name;
    Variable(const char* variable, const char* value) : name(variable) { ::setenv(variable, value, 1); }
    ~Variable() { ::unsetenv(name); }
};

} // namespace

TEST_SUITE("orchestrator/build_command_line") {
    TEST_CASE("without options everything is at its default") {
        const auto line = parse({"."});
        CHECK(line.progress == progress::Form::automatic);
        CHECK(line.executor == ExecutorKind::automatic);
        CHECK(line.handed_over_because.empty());
        CHECK(line.options.dockerfile.empty());
        CHECK(line.options.tags.empty());
        CHECK(line.options.build_arguments.empty());
        CHECK_FALSE(line.options.ignores_cache);
        CHECK_FALSE(line.options.pulls_bases);
        CHECK_FALSE(line.options.is_quiet);
    }
    TEST_CASE("options take their value after a blank, an equals sign, or directly, before and after the path") {
        const auto options = parse({"-f", "D", "-tone", "--tag=two", "--target", "s", "/", "-t", "three", "-t=four",
                                    "--no-cache", "--iidfile", "i", "--scope=x", "--report", "r"})
                                 .options;
        CHECK(options.dockerfile == "D");
        CHECK(options.tags == Words{"one", "two", "three", "four"});
        CHECK(options.target == "s");
        CHECK(options.context == "/");
        CHECK(options.ignores_cache);
        CHECK(options.image_id_file == "i");
        CHECK(options.scope == "x");
        CHECK(options.report == "r");
    }
    TEST_CASE("policies of the cache: durations as in Go, salts by the secret's id") {
        const auto options =
            parse({"--cache-ttl", "1h30m", "--secret-salt", "token=a=b", "--secret-salt=other=", "."}).options;
        CHECK(options.cache_ttl == std::chrono::minutes(90));
        CHECK(options.secret_salts == std::map<std::string, std::string>{{"token", "a=b"}, {"other", ""}});
        CHECK(usage_error({"--cache-ttl=1d", "."}) == "--cache-ttl: time: unknown unit \"d\" in duration \"1d\"");
        CHECK(usage_error({"--cache-ttl=-1h", "."}) == "--cache-ttl: a time to live cannot be negative");
        CHECK(usage_error({"--secret-salt", "token", "."}) == "--secret-salt takes ID=TEXT, with the id of a secret");
    }
    TEST_CASE("short flags can be joined, and the first that takes a value takes the rest") {
        const auto joined = parse({"-qt", "name", "."}).options;
        CHECK(joined.is_quiet);
        CHECK(joined.tags == Words{"name"});
        CHECK(parse({"-qtname", "."}).options.tags == Words{"name"});
        CHECK(parse({"-qt=name", "."}).options.tags == Words{"name"});
    }
    TEST_CASE("a boolean takes its value only after an equals sign") {
        CHECK_FALSE(parse({"--no-cache=false", "."}).options.ignores_cache);
        CHECK(parse({"--no-cache=1", "."}).options.ignores_cache);
        CHECK_FALSE(parse({"-q=false", "."}).options.is_quiet);
        CHECK(contains(usage_error({"--pull", "false", "."}), "false ."));
        CHECK(contains(usage_error({"--pull=maybe", "."}), "--pull"));
    }
    TEST_CASE("of a flag that is no list the last value counts, as docker takes it") {
        CHECK(parse({"--target", "a", "--target", "b", "."}).options.target == "b");
    }
    TEST_CASE("after two dashes nothing is a flag") {
        CHECK(contains(usage_error({"--", "-t"}), "\"-t\""));
        CHECK(parse({"-t", "a", "--", "/"}).options.context == "/");
    }
    TEST_CASE("a Dockerfile on standard input is a dash, and no flag") {
        CHECK(parse({"-f", "-", "."}).options.dockerfile == "-");
        CHECK(parse({"-f-", "."}).options.dockerfile == "-");
    }
    TEST_CASE("build arguments keep every byte after the first equals sign, and the last of a name wins") {
        const auto values =
            parse({"--build-arg", "a=1=2", "--build-arg=b=", "--build-arg", "c=x,\"y\" \\z", "--build-arg", "b=2", "."})
                .options.build_arguments;
        CHECK(values == std::map<std::string, std::string>{{"a", "1=2"}, {"b", "2"}, {"c", "x,\"y\" \\z"}});
    }
    TEST_CASE("a build argument without a value is the environment's, and nothing when it is not set there") {
        const Variable variable("DBUILD_TEST_ARGUMENT", "from environment");
        ::unsetenv("DBUILD_TEST_NOT_SET");
        const auto values = parse({"--build-arg", "DBUILD_TEST_ARGUMENT", "--build-arg", "DBUILD_TEST_NOT_SET", "."})
                                .options.build_arguments;
        CHECK(values == std::map<std::string, std::string>{{"DBUILD_TEST_ARGUMENT", "from environment"}});
    }
    TEST_CASE("a label without a value is empty") {
        CHECK(parse({"--label", "a=1=2", "--label", "b", "."}).options.labels ==
              std::map<std::string, std::string>{{"a", "1=2"}, {"b", ""}});
    }
    TEST_CASE("quiet comes from either flag, and prints the image ID alone") {
        CHECK(parse({"-q", "."}).progress == progress::Form::quiet);
        CHECK(parse({"--quiet", "."}).options.is_quiet);
        const auto quiet = parse({"--progress", "quiet", "."});
        CHECK(quiet.progress == progress::Form::quiet);
        CHECK(quiet.options.is_quiet);
        CHECK(contains(usage_error({"-q", "--progress", "plain", "."}), "--progress"));
    }
    TEST_CASE("every kind of progress that docker has is taken, the environment's only as a default") {
        CHECK(parse({"--progress=auto", "."}).progress == progress::Form::automatic);
        CHECK(parse({"--progress=plain", "."}).progress == progress::Form::plain);
        CHECK(parse({"--progress=none", "."}).progress == progress::Form::none);
        const Variable variable("BUILDKIT_PROGRESS", "plain");
        CHECK(parse({"."}).progress == progress::Form::plain);
        CHECK(parse({"--progress=auto", "."}).progress == progress::Form::automatic);
        CHECK(parse({"-q", "."}).progress == progress::Form::quiet);
        const Variable own("DBUILD_PROGRESS", "rawjson");
        CHECK(parse({"."}).progress == progress::Form::rawjson);
        const Variable wrong("DBUILD_PROGRESS", "fancy");
        CHECK(contains(usage_error({"."}), "DBUILD_PROGRESS"));
        CHECK(parse({"--progress=tty", "."}).progress == progress::Form::tty);
    }
    TEST_CASE("the executor is chosen by name") {
        CHECK(parse({"--executor", "buildx", "."}).executor == ExecutorKind::buildx);
        CHECK(parse({"--executor=auto", "."}).executor == ExecutorKind::automatic);
    }
    TEST_CASE("what docker buildx is given are the words without dbuild's own flags") {
        CHECK(parse({"--scope", "x", "-t", "a", "--report=r", ".", "--executor", "auto", "--debug"})
                  .options.docker_arguments == Words{"-t", "a", ".", "--debug"});
        CHECK(parse({"--label", "--scope", "."}).options.docker_arguments == Words{"--label", "--scope", "."});
        CHECK(parse({"--secret", "id=a", "--", "."}).options.docker_arguments == Words{"--secret", "id=a", "--", "."});
    }
    TEST_CASE("flags that dbuild does not plan hand the build over, and are named without their values") {
        CHECK(reason({"--debug"}) == "--debug");
        CHECK(reason({"--debug=false"}).empty());
        CHECK(reason({"--annotation", "index:token=x"}) == "--annotation index of an image for one platform");
        CHECK(reason({"--network", "host"}) == "--network");
        CHECK(reason({"--network", "default"}).empty());
        CHECK(reason({"--add-host=a:1.2.3.4", "--debug"}) == "--add-host");
        CHECK(reason({"-m", "1g"}) == "--memory");
        CHECK(reason({"-o", "type=docker,dest=x,attestation-manifest=false"}) == "--output with attestation-manifest");
        CHECK(reason({"-o", "type=oci,dest=x,compression=estargz"}) == "--output with compression=estargz");
        CHECK(reason({"--cache-from", "a", "--cache-to", "b"}) == "--cache-from");
        CHECK(reason({"--build-context", "a=b"}) == "--build-context");
        CHECK(reason({"--check"}) == "--check");
        CHECK(reason({"--call=build"}).empty());
        CHECK(reason({"--provenance=true"}) == "--provenance");
        CHECK(reason({"-f", "https://example.com/Dockerfile"}) == "--file is a URL");
    }
    TEST_CASE("remotes are a list, those of the environment a default") {
        const Variable variable("DBUILD_CACHE_REMOTE", " dir:/a  dir:/b?mode=read ");
        auto options = parse({"."}).options;
        REQUIRE(options.cache_remotes.size() == 2);
        CHECK(options.cache_remotes[0].path == "/a");
        CHECK(options.cache_remotes[1].access == cache::remote::Access::read_only);
        CHECK(options.cache_deadline == std::chrono::seconds(30));
        options = parse({"--cache-remote", "dir:/c", "--cache-deadline=2m", "--scope-from", "x", "--scope-from=y", "."})
                      .options;
        REQUIRE(options.cache_remotes.size() == 1);
        CHECK(options.cache_remotes[0].path == "/c");
        CHECK(options.cache_deadline == std::chrono::seconds(120));
        CHECK(options.fallback_scopes == Words{"x", "y"});
        CHECK(contains(usage_error({"--cache-remote", "ftp://x", "."}), "--cache-remote"));
        CHECK(contains(usage_error({"--cache-deadline", "soon", "."}), "--cache-deadline"));
        const Variable wrong("DBUILD_CACHE_REMOTE", "nonsense");
        CHECK(contains(usage_error({"."}), "DBUILD_CACHE_REMOTE"));
    }
    TEST_CASE("a local cache of BuildKit's becomes a remote in that folder, read and written once") {
        CHECK(reason({"--cache-from", "type=local,src=a"}).empty());
        auto remotes = parse({"--cache-from", "src=a,type=local", "--cache-to", "type=local,mode=max,dest=b", "."})
                           .options.cache_remotes;
        REQUIRE(remotes.size() == 2);
        CHECK(remotes[0].path == "a");
        CHECK(remotes[0].access == cache::remote::Access::read_only);
        CHECK(remotes[1].path == "b");
        CHECK(remotes[1].access == cache::remote::Access::read_and_write);
        remotes =
            parse({"--cache-from", "type=local,src=a", "--cache-to", "type=local,dest=a", "."}).options.cache_remotes;
        REQUIRE(remotes.size() == 1);
        CHECK(remotes[0].access == cache::remote::Access::read_and_write);
        CHECK(reason({"--cache-from", "type=local"}) == "--cache-from");
        CHECK(reason({"--cache-to", "type=registry,ref=x"}) == "--cache-to");
    }
    TEST_CASE("secrets, agents and stages without a cache are lists") {
        const auto options = parse({"--secret", "id=a,src=/t", "--secret=id=b", "--ssh", "default", "--ssh=x=/s",
                                    "--no-cache-filter", "One,two", "--no-cache-filter=three", "."})
                                 .options;
        CHECK(options.secrets == Words{"id=a,src=/t", "id=b"});
        CHECK(options.ssh_agents == Words{"default", "x=/s"});
        CHECK(options.uncached_stages == Words{"one", "two", "three"});
        CHECK(contains(usage_error({"--no-cache", "--no-cache-filter=a", "."}), "--no-cache-filter"));
    }
    TEST_CASE("flags that ask for what dbuild does anyway hand nothing over") {
        CHECK(reason({"--load", "-o", "type=docker", "--provenance=false", "--sbom=false", "--rm", "--force-rm",
                      "--compress"})
                  .empty());
    }
    TEST_CASE("outputs that dbuild makes itself are a list, and --load and --push are in it once") {
        using Kind = exporters::Output::Kind;
        const auto outputs =
            parse({"-o", "type=oci,dest=a.tar,compression=zstd,compression-level=5", "--load", "--push", "--load=true",
                   "-o", "type=docker,dest=b.tar", "-o", "type=oci,tar=false,dest=c", "-t", "a", "-otype=cacheonly",
                   "-o", "d", "-o", "type=tar,dest=e", "-o", "type=image,name=r.io/a:1,push=true", "."})
                .options.outputs;
        std::vector<Kind> kinds;
        for (const auto& output : outputs) kinds.push_back(output.kind);
        CHECK(kinds == std::vector{Kind::archive, Kind::engine, Kind::registry, Kind::archive, Kind::layout_folder,
                                   Kind::nothing, Kind::folder, Kind::tar, Kind::registry});
        CHECK(outputs[0].path == "a.tar");
        CHECK(outputs[0].packing.compression.kind == exporters::Compression::Kind::zstd);
        CHECK(outputs[0].packing.compression.level == 5);
        CHECK(outputs[6].path == "d");
        CHECK(outputs[8].names == Words{"r.io/a:1"});
        CHECK(parse({"--push=false", "."}).options.outputs.empty());
        CHECK(contains(usage_error({"-o", "type=oci,dest=x,compression-level=10", "."}), "compression-level"));
        CHECK(contains(usage_error({"-o", "type=oci,dest=x,tar=maybe", "."}), "tar=maybe"));
        CHECK(contains(usage_error({"-o", "type=oci,tar=false", "."}), "dest=FOLDER"));
        CHECK(contains(usage_error({"-o", "type=local", "."}), "dest=FOLDER"));
        CHECK(contains(usage_error({"-o", "type=local,\"dest=a", "."}), "--output"));
        const auto quoted = parse({"-o", "type=registry,\"name=r.io/a:1,r.io/b:2\"", "-o", "a=b", "."}).options.outputs;
        CHECK(quoted[0].names == Words{"r.io/a:1", "r.io/b:2"});
        CHECK(contains(usage_error({"-o", "type=image,name=name=a", "."}), "invalid reference"));
        CHECK(contains(usage_error({"-o", "type=local,dest,xdest=1", "."}), "NAME=VALUE"));
        CHECK(quoted[1].kind == Kind::folder);
        CHECK(quoted[1].path == "a=b");
        CHECK(contains(usage_error({"-o", "type=local,dest", "."}), "NAME=VALUE"));
        CHECK(contains(usage_error({"--push", "."}), "a tag is needed"));
        CHECK(contains(usage_error({"--pull=maybe", "."}), "neither true nor false nor never"));
        CHECK(parse({"--pull=never", "--load", "."}).options.never_pulls);
        CHECK(parse({"--pull=never", "--load", "."}).options.docker_arguments == Words{"--load", "."});
    }
    TEST_CASE("only this machine's platform is planned, in all of its spellings") {
        const auto native = native_platform();
        CHECK(reason({"--platform", native}).empty());
        CHECK(reason({"--platform", native.substr(native.find('/') + 1)}).empty());
        CHECK(reason({"--platform=local"}).empty());
        CHECK(reason({"--platform=windows/amd64"}) == "--platform windows/amd64");
        CHECK(reason({"--platform", native + ",linux/s390x"}) ==
              "--platform " + native + ",linux/s390x for an engine or a folder of files");
        const auto both = parse({"--platform", native + ",linux/s390x,s390x", "-o", "type=oci,dest=x", "."});
        CHECK(both.handed_over_because.empty());
        CHECK(both.options.platforms == std::vector<std::string>{native, "linux/s390x"});
        const Variable variable("DOCKER_DEFAULT_PLATFORM", "linux/s390x");
        CHECK(parse({"."}).options.platforms == std::vector<std::string>{"linux/s390x"});
        CHECK(reason({"--platform", native}).empty());
    }
    TEST_CASE("variables that docker buildx reads into the build hand it over") {
        const Variable variable("BUILDX_GIT_LABELS", "1");
        CHECK(reason({}) == "BUILDX_GIT_LABELS is set");
    }
    TEST_CASE("SOURCE_DATE_EPOCH of the environment is a build argument where none is given") {
        const Variable variable("SOURCE_DATE_EPOCH", "7");
        CHECK(parse({"."}).options.build_arguments.at("SOURCE_DATE_EPOCH") == "7");
        CHECK(parse({"--build-arg=SOURCE_DATE_EPOCH=5", "."}).options.build_arguments.at("SOURCE_DATE_EPOCH") == "5");
    }
    TEST_CASE("the builder is --builder's, else the environment's") {
        const Variable variable("BUILDX_BUILDER", "other");
        CHECK(parse({"."}).builder == "other");
        CHECK(parse({"--builder", "mine", "."}).builder == "mine");
    }
    TEST_CASE("standard input and URLs as a context are handed over") {
        CHECK(parse({"-"}).handed_over_because == "the context is standard input");
        for (const char* url : {"https://example.com/x.git#main:sub", "git://example.com/x", "ssh://git@example.com/x",
                                "git@example.com:x/y.git", "github.com/x/y", "someone@example.com:x/y"})
            CHECK_MESSAGE(parse({url}).handed_over_because == "the context is a URL", url);
        CHECK(contains(usage_error({"-f", "-", "-"}), "standard input"));
    }
    TEST_CASE("help needs no path") {
        CHECK(parse({"-h"}).wants_help);
        CHECK(parse({"--help", "."}).wants_help);
    }
    TEST_CASE("the table has no name twice, and the help names every flag") {
        std::set<std::string> names;
        std::set<char> short_names;
        const auto help = build_flags_help();
        for (const auto& row : build_flags()) {
            CHECK(names.insert(std::string(row.flag.name)).second);
            if (row.flag.short_name) CHECK(short_names.insert(row.flag.short_name).second);
            CHECK_MESSAGE(contains(help, "--" + std::string(row.flag.name)), row.flag.name);
        }
    }
    TEST_CASE("wrong usage names the flag or the path") {
        CHECK(contains(usage_error({}), "PATH"));
        CHECK(contains(usage_error({"/no/such/folder"}), "/no/such/folder"));
        CHECK(contains(usage_error({"/dev/null"}), "is not a folder"));
        CHECK(usage_error({"--no-cach", "."}) == "unknown flag --no-cach (did you mean --no-cache?)");
        CHECK(contains(usage_error({"--nonsense", "."}), "--nonsense"));
        CHECK(contains(usage_error({"-x", "."}), "-x"));
        CHECK(contains(usage_error({".", "--tag"}), "--tag needs a value"));
        CHECK(contains(usage_error({".", "-t"}), "-t needs a value"));
        CHECK(contains(usage_error({"--build-arg", "=x", "."}), "--build-arg"));
        CHECK(contains(usage_error({"-t", "No:::Name", "."}), "--tag"));
        CHECK(contains(usage_error({"--progress", "fancy", "."}), "--progress"));
        CHECK(contains(usage_error({"--executor", "magic", "."}), "--executor"));
        CHECK(contains(usage_error({"--executor", "podman", "."}), "--executor"));
        CHECK(contains(usage_error({".", "/dev"}), "/dev"));
    }
}
