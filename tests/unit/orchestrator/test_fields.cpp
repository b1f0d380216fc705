// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/fields.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator;

TEST_SUITE("orchestrator/fields") {
    TEST_CASE("fields keep their order, and a bare word has no value") {
        CHECK(parse_fields("type=local,src=a=b,plain").value() ==
              Fields{{"type", "local"}, {"src", "a=b"}, {"plain", "", true}});
        CHECK(parse_fields("").value().empty());
        CHECK(parse_fields("a=1,").value() == Fields{{"a", "1"}, {"", "", true}});
        CHECK(parse_fields("a=").value() == Fields{{"a", ""}});
    }
    TEST_CASE("a quoted field holds commas and quotes") {
        CHECK(parse_fields(R"(type=oci,"dest=a,""b""")").value() == Fields{{"type", "oci"}, {"dest", "a,\"b\""}});
    }
    TEST_CASE("a quote that is out of place is an error") {
        for (const auto* text : {R"(a="b")", R"("a)", R"("a"b)"}) {
            CAPTURE(text);
            CHECK(parse_fields(text).error().kind == dbuild::ErrorKind::usage);
        }
    }
    TEST_CASE("what is written is read again") {
        const Fields fields = {{"type", "local"}, {"dest", "a,b"}, {"name", "say \"hi\""}, {"word", ""}};
        CHECK(parse_fields(to_string(fields)).value() == fields);
        CHECK(to_string({{"type", "local"}, {"src", "x"}}) == "type=local,src=x");
    }
    TEST_CASE("of two values for a name the last one counts") {
        CHECK(field_of(parse_fields("a=1,a=2").value(), "a") == "2");
        CHECK(field_of(parse_fields("a=1").value(), "b").empty());
    }
}
