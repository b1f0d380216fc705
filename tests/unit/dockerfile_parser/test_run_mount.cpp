// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/run_mount.hpp"

#include <doctest/doctest.h>

using namespace dbuild::dockerfile_parser;
using dbuild::Result;

namespace {

Result<RunMount> read(std::string_view value) {
    const VariableLookup lookup = [](std::string_view name) -> std::optional<std::string> {
        return name == "NAME" ? std::optional<std::string>("value") : std::nullopt;
    };
    return parse_run_mount(value, lookup, '\\');
}

std::string error(std::string_view value) {
    const auto mount = read(value);
    return mount ? "accepted" : mount.error().message;
}

} // namespace

TEST_SUITE("dockerfile_parser/run_mount") {
    TEST_CASE("types have their own defaults") {
        CHECK(read("target=/x").value().type == MountType::bind);
        CHECK(read("target=/x").value().is_read_only);
        CHECK_FALSE(read("type=cache,target=/x").value().is_read_only);
        CHECK_FALSE(read("type=tmpfs,target=/x").value().is_read_only);
        CHECK(read("type=secret,id=x").value().is_read_only);
        CHECK(read("type=SSH").value().type == MountType::ssh);
    }

    TEST_CASE("keys are read in any case, the last one counts, variables are expanded except in from") {
        const auto mount =
            read("TYPE=cache,Target=/${NAME},id=$NAME,sharing=LOCKED,mode=0700,uid=5,gid=6,from=stage").value();
        CHECK(mount.target == "/value");
        CHECK(mount.id == "value");
        CHECK(mount.sharing == "locked");
        CHECK(mount.mode == 0700);
        CHECK(mount.uid == 5);
        CHECK(mount.gid == 6);
        CHECK(mount.from == "stage");
        CHECK(read("target=/a,dst=/b,destination=/c").value().target == "/c");
        CHECK(read("\"target=/a,b\"").value().target == "/a,b");
    }

    TEST_CASE("access is a flag with or without a value") {
        CHECK_FALSE(read("target=/x,rw").value().is_read_only);
        CHECK_FALSE(read("target=/x,ro=false").value().is_read_only);
        CHECK(read("target=/x,rw=0").value().is_read_only);
        CHECK(read("type=cache,target=/x,readonly").value().is_read_only);
        CHECK(read("type=secret,id=x,required").value().is_required);
        CHECK_FALSE(read("type=secret,id=x,required=false").value().is_required);
    }

    TEST_CASE("sizes are go-units'") {
        const auto size = [](const std::string& text) {
            const auto mount = read("type=tmpfs,target=/t,size=" + text);
            return mount ? static_cast<long long>(mount->size_bytes.value()) : -1;
        };
        for (const auto* text : {"1536k", "1536kb", "1536KiB", "1536 K", "1.5m", "1572864", "1572864b"})
            CHECK(size(text) == 1572864);
        CHECK(size("0") == 0);
        CHECK(size("2p") == 2LL << 50);
        for (const auto* text : {"", "m", "1x", "1mm", "-1", "1.2.3", "0x10", "inf", "nan", "1e3", "9999999p"})
            CHECK(size(text) == -1);
    }

    TEST_CASE("errors are BuildKit's") {
        CHECK(error("type=bnd,target=/x") == "unsupported mount type \"bnd\" (did you mean bind?)");
        CHECK(error("target") == "invalid field 'target' must be a key=value pair");
        CHECK(error("targt=/x") == "unexpected key 'targt' in 'targt=/x' (did you mean target?)");
        CHECK(error("target=/x,ro=maybe") == "invalid value for ro: maybe");
        CHECK(error("type=cache,target=/x,mode=9") == "invalid value 9 for mode");
        CHECK(error("type=cache,target=/x,uid=-1") == "invalid value -1 for uid");
        CHECK(error("target=/x,uid=1") == "uid not allowed for \"bind\" type mounts");
        CHECK(error("type=tmpfs,target=/x,mode=1") == "mode not allowed for \"tmpfs\" type mounts");
        CHECK(error("type=cache,target=/x,sharing=some") == "unsupported sharing value \"some\"");
        CHECK(error("target=/x,sharing=shared") == "invalid cache sharing set for bind mount");
        CHECK(error("type=secret") == "invalid secret mount. one of source, target required");
        CHECK(error("type=secret,id=a,src=b") == "both source and id can't be set");
        CHECK(error("type=secret,id=a,from=b") == "secret mount should not have a from");
    }

    TEST_CASE("from is known before any variable, and can be replaced") {
        CHECK(mount_from("type=bind,FROM=tools,target=/x").value() == "tools");
        CHECK(mount_from("type=bind,target=/from=x").value() == "");
        CHECK(mount_from("from=a$").value() == "a$"); // a last `$` begins no variable
        CHECK_FALSE(mount_from("from=$x"));
        CHECK(with_mount_from("type=bind,FROM=tools,target=/x", "other") == "type=bind,from=other,target=/x");
        CHECK(with_mount_from("from=a,\"target=/a,\"\"b\"", "c") == "from=c,\"target=/a,\"\"b\"");
    }

    TEST_CASE("CSV quotes keep commas together") {
        CHECK(split_mount_fields("a,\"b,\"\"c\",d").value() == std::vector<std::string>{"a", "b,\"c", "d"});
        CHECK_FALSE(split_mount_fields("a\"b"));
        CHECK_FALSE(split_mount_fields("\"a"));
        CHECK_FALSE(split_mount_fields("\"a\"b"));
    }
}
