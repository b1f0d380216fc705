// SPDX-License-Identifier: Apache-2.0
// The OCI layout that is handed to BuildKit: placeholders or real blobs, and a digest that depends on nothing else.
#include "executors/buildx/oci_exchange.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::executors;
using namespace dbuild::executors::buildx;
namespace oci = dbuild::cache::oci;

namespace {

RootFileSystem one_layer() {
    RootFileSystem root;
    root.config.os = "linux";
    root.config.architecture = "amd64";
    root.config.on_build = {"RUN true"};
    root.layers.push_back({sha256("tar"), 3, oci::uncompressed_layer(sha256("tar"), 3)});
    return root;
}

Status no_layer(const Digest&, const oci::ByteSink&) { return fail(ErrorKind::not_found, "no such layer"); }
Status the_layer(const Digest&, const oci::ByteSink& sink) { return sink("tar"); }

} // namespace

TEST_SUITE_BEGIN("executors/oci_exchange");

TEST_CASE("a layer stands as an empty file, and everything else is there under its digest") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto digest = write_oci_layout(folder.path(), one_layer(), LayerBlobs::placeholders, no_layer);
    REQUIRE(digest);
    const auto blobs = folder.path() / "blobs/sha256";
    CHECK(fs::file_size(blobs / sha256("tar").hex()) == 0);
    const auto manifest_json = read_file(blobs / digest->hex()).value();
    CHECK(sha256(manifest_json) == *digest);
    const auto manifest = oci::Manifest::parse(manifest_json);
    REQUIRE(manifest);
    REQUIRE(manifest->layers.size() == 1);
    CHECK(manifest->layers[0] == one_layer().layers[0].descriptor);
    const auto config_json = read_file(blobs / manifest->config.digest.hex()).value();
    CHECK(sha256(config_json) == manifest->config.digest);
    const auto config = oci::ImageConfig::parse(config_json);
    REQUIRE(config);
    CHECK(config->diff_ids == std::vector{sha256("tar")});
    CHECK(config->history.size() == 1);
    CHECK(config->on_build.empty()); // triggers would run again
    const auto entries = oci::parse_index(read_file(folder.path() / "index.json").value());
    REQUIRE(entries);
    REQUIRE(entries->size() == 1);
    CHECK(entries->at(0).descriptor.digest == *digest);
    CHECK(read_file(folder.path() / "oci-layout").value() == R"({"imageLayoutVersion":"1.0.0"})");
}

TEST_CASE("real blobs are written, and the digest is that of the placeholders") {
    const auto first = TempDir::create("dbuild-test-").value();
    const auto second = TempDir::create("dbuild-test-").value();
    const auto with_placeholders = write_oci_layout(first.path(), one_layer(), LayerBlobs::placeholders, no_layer);
    const auto with_blobs = write_oci_layout(second.path(), one_layer(), LayerBlobs::real, the_layer);
    REQUIRE(with_placeholders);
    REQUIRE(with_blobs);
    CHECK(*with_placeholders == *with_blobs);
    CHECK(read_file(second.path() / "blobs/sha256" / sha256("tar").hex()).value() == "tar");
}

TEST_CASE("a layer that cannot be read fails the layout with the reader's error") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto digest = write_oci_layout(folder.path(), one_layer(), LayerBlobs::real, no_layer);
    REQUIRE_FALSE(digest);
    CHECK(digest.error().message == "no such layer");
}

TEST_CASE("a root without layers is a layout too") {
    const auto folder = TempDir::create("dbuild-test-").value();
    CHECK(write_oci_layout(folder.path(), {}, LayerBlobs::placeholders, no_layer));
}

TEST_CASE("a seam stands below the lowest layer that was made in process, and such layers come with their bytes") {
    CHECK(!with_seam(one_layer()).seam);
    CHECK(with_seam(one_layer()).root.layers.size() == 1);
    auto root = one_layer();
    root.layers.push_back({sha256("made"), 4, oci::uncompressed_layer(sha256("made"), 4), true});
    root.layers.push_back({sha256("run"), 3, oci::uncompressed_layer(sha256("run"), 3)});
    root.layers.push_back({sha256("made too"), 8, oci::uncompressed_layer(sha256("made too"), 8), true});
    const auto seamed = with_seam(root);
    REQUIRE(seamed.seam == std::optional<std::size_t>(1));
    REQUIRE(seamed.root.layers.size() == 5);
    CHECK(seamed.root.layers[1].diff_id.to_string() ==
          "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
    CHECK(seamed.root.layers[2].diff_id == sha256("made"));

    const auto folder = TempDir::create("dbuild-test-").value();
    const auto made_only = [](const Digest& blob, const oci::ByteSink& sink) -> Status {
        if (blob == sha256("made")) return sink("made");
        if (blob == sha256("made too")) return sink("made too");
        return fail(ErrorKind::not_found, "no such layer");
    };
    REQUIRE(write_oci_layout(folder.path(), seamed.root, LayerBlobs::placeholders, made_only));
    const auto blobs = folder.path() / "blobs/sha256";
    CHECK(fs::file_size(blobs / sha256("run").hex()) == 0);
    CHECK(fs::file_size(blobs / sha256("made").hex()) == 4);
    CHECK(fs::file_size(blobs / seamed.root.layers[1].diff_id.hex()) == 1024);
}

TEST_SUITE_END();
