// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/metadata_file.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator;

namespace {

ImageReport image() {
    ImageReport report;
    report.id = report.digest = "sha256:11";
    report.config_digest = "sha256:22";
    report.manifest_bytes = 33;
    return report;
}

} // namespace

TEST_SUITE("orchestrator/metadata_file") {
    TEST_CASE("an image whose ID is its manifest's has a descriptor, and full names") {
        auto named = image();
        named.tags = {"app:latest", "example.com/team/app:1"};
        CHECK(metadata_json(named) ==
              R"({"containerimage.config.digest":"sha256:22","containerimage.digest":"sha256:11",)"
              R"("containerimage.descriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
              R"("digest":"sha256:11","size":33},)"
              R"("image.name":"docker.io/library/app:latest,example.com/team/app:1"})");
    }
    TEST_CASE("of several images there is an object for each, besides those that docker buildx wrote") {
        CHECK(metadata_json({{"b", R"({"x":1})"}}, R"({"a":{"y":2}})") == R"({"a":{"y":2},"b":{"x":1}})");
        CHECK(metadata_json({{"b", "{}"}}, "") == R"({"b":{}})");
    }
    TEST_CASE("an image whose ID is its configuration's has none, and one without tags no name") {
        auto classic = image();
        classic.id = classic.config_digest;
        CHECK(metadata_json(classic) ==
              R"({"containerimage.config.digest":"sha256:22","containerimage.digest":"sha256:22"})");
    }
}
