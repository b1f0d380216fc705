// SPDX-License-Identifier: Apache-2.0
// Golden bytes of the documented form: a change of them is a change of its version.
#include "dockerfile_parser/dockerfile_json.hpp"

#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild::dockerfile_parser;

TEST_SUITE("dockerfile_parser/dockerfile_json") {
    TEST_CASE("stages, flags and forms") {
        const auto file = parse_dockerfile(
            "# syntax=s\nARG A=1 B\nFROM --platform=p a AS b\nRUN --mount=type=ssh x\n"
            "COPY --from=c --link a b /d/\nCMD [\"x\", \"y\"]\nHEALTHCHECK --retries=2 --timeout=1s CMD z\n"
            "# dbuild: no-cutoff\nCOPY <<E /f\nt\nE\n# dbuild: ttl=1s\nRUN y\n",
            "D");
        REQUIRE(file);
        CHECK(
            to_json(*file) ==
            R"({"version":1,"escape":"\\","syntax":"s","global_arguments":[{"instruction":"ARG","lines":[2,2],"arguments":[)"
            R"({"name":"A","value":"1"},{"name":"B"}]}],"stages":[{"index":0,"lines":[3,3],"image":"a","name":"b","platform":"p",)"
            R"("instructions":[{"instruction":"RUN","lines":[4,4],"mounts":["type=ssh"],"form":"shell","words":["x"]},)"
            R"({"instruction":"COPY","lines":[5,5],"sources":["a","b"],"destination":"/d/","from":"c","link":true},)"
            R"({"instruction":"CMD","lines":[6,6],"form":"exec","words":["x","y"]},)"
            R"({"instruction":"HEALTHCHECK","lines":[7,7],"timeout_ns":1000000000,"retries":2,"form":"shell","words":["z"]},)"
            R"({"instruction":"COPY","lines":[9,11],"sources":[],"destination":"/f","heredocs":[{"name":"E","body":"t\n","expands":true,)"
            R"("strips_tabs":false}],"no_cutoff":true},)"
            R"({"instruction":"RUN","lines":[13,13],"form":"shell","words":["y"],"ttl_ns":1000000000}]}]})"
            "\n");
    }
    TEST_CASE("a trigger is typed too, unless it has errors") {
        const auto file = parse_dockerfile("FROM a\nONBUILD USER u\nONBUILD USER --x u\n", "D");
        REQUIRE(file);
        const std::string text = to_json(*file);
        CHECK(text.find(R"("trigger":"USER u","typed_trigger":{"instruction":"USER","user":"u"}})") != text.npos);
        CHECK(text.find(R"("trigger":"USER --x u"})") != text.npos);
    }
}
