// SPDX-License-Identifier: Apache-2.0
// An archive that is read once: layers pass on their way to the target, the rest is held; what is cut off or has other
// bytes than its name says is refused.
#include "cache/oci/archive_stream.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/byte_source.hpp"
#include "cache/oci/tar_header.hpp"
#include "support/compression.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace dbuild;
using namespace dbuild::cache::oci;

namespace {

class MemoryTarget : public ImageTarget {
public:
    Result<Presence> find_image(const Descriptor&) override { return Presence::absent; }
    Result<PushOutcome> put_blob(const Descriptor& blob, ImageSource& from) override {
        if (blobs.contains(blob.digest)) return PushOutcome::was_there;
        types.emplace(blob.digest, blob.media_type);
        std::string bytes;
        DBUILD_TRY(from.read_blob(blob, [&](std::string_view piece) -> Status {
            bytes += piece;
            return {};
        }));
        blobs.emplace(blob.digest, std::move(bytes));
        return PushOutcome::uploaded;
    }
    Status put_manifest(const FetchedManifest& manifest, Role) override {
        root = manifest.descriptor.digest;
        return {};
    }
    std::map<Digest, std::string> blobs, types;
    Digest root;
};

std::string blob_name(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }
std::string member(const std::string& name, const std::string& bytes) {
    return tar_header(name, bytes.size()) + bytes + tar_padding(bytes.size());
}

struct Saved {
    const std::string small = "a layer", large = std::string(300'000, 'l'), config = R"({"os":"linux"})";
    std::string manifest_json;
    std::string tar; // layers, then what describes them
    Saved() {
        Manifest manifest;
        manifest.config = {std::string(k_config_type), sha256(config), config.size()};
        for (const auto& layer : {small, large})
            manifest.layers.push_back({std::string(k_layer_type), sha256(layer), layer.size()});
        manifest_json = manifest.to_json();
        const Descriptor root{std::string(k_manifest_type), sha256(manifest_json), manifest_json.size()};
        for (const auto& bytes : {large, config, manifest_json, small}) tar += member(blob_name(sha256(bytes)), bytes);
        tar += member("index.json", make_index_json(root, {}, "")) + member("manifest.json", "[]") +
               std::string(k_tar_end_bytes, '\0');
    }
};

/// In: piece — bytes that a read gives at most.
Result<PassedArchive> pass(std::string_view tar, ImageTarget& to, std::size_t piece) {
    const ByteSource source = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        const auto count = tar.copy(buffer, std::min(capacity, piece));
        tar.remove_prefix(count);
        return count;
    };
    return pass_archive(source, to);
}

} // namespace

TEST_SUITE_BEGIN("cache/archive_stream");

TEST_CASE("layers pass to the target, and the texts that are held make the image whole") {
    const Saved saved;
    for (const std::size_t piece : {1000, 65536}) {
        CAPTURE(piece);
        MemoryTarget target;
        target.blobs[sha256(saved.small)] = saved.small;
        auto passed = pass(saved.tar, target, piece);
        REQUIRE(passed);
        CHECK(passed->report.blobs_moved == 1);
        CHECK(passed->report.bytes_moved == saved.large.size());
        CHECK(passed->report.blobs_there == 1);
        CHECK(target.blobs.size() == 2);
        CHECK(target.blobs.at(sha256(saved.large)) == saved.large);
        const auto copied = copy_image(*passed->texts, target);
        REQUIRE(copied);
        CHECK(copied->blobs_moved == 1); // the configuration
        CHECK(target.blobs.at(sha256(saved.config)) == saved.config);
        CHECK(target.root == sha256(saved.manifest_json));
    }
}

TEST_CASE("a blob is told by its first bytes: JSON, a tar whatever its first name, something compressed") {
    const auto tar = member("{arch}/file", "text") + std::string(k_tar_end_bytes, '\0');
    const auto zstd = zstd_compress(tar).value();
    std::string archive;
    for (const auto& bytes : {tar, zstd, std::string("{\"a\":1}")}) archive += member(blob_name(sha256(bytes)), bytes);
    MemoryTarget target;
    const auto passed = pass(archive + std::string(k_tar_end_bytes, '\0'), target, 65536);
    REQUIRE(passed);
    CHECK(target.blobs.size() == 2);
    CHECK(target.types.at(sha256(tar)) == k_layer_type);
    CHECK(target.types.at(sha256(zstd)) == "");
    CHECK(passed->texts->read_manifest(std::nullopt).error().kind == ErrorKind::not_found); // no index.json
}

TEST_CASE("JSON that has octal digits where a tar has its size is JSON, and what begins with blanks too") {
    std::string config = R"({"architecture":"amd64","config":{"Env":["PATH=/usr/bin"],"Labels":{"a":")";
    config.resize(124, ' ');
    config += "00000000007 \"}}}" + std::string(600, ' ');
    const std::string pretty = "\n  {\"a\": 1}";
    std::string archive;
    for (const auto& bytes : {config, pretty}) archive += member(blob_name(sha256(bytes)), bytes);
    MemoryTarget target;
    const auto passed = pass(archive + std::string(k_tar_end_bytes, '\0'), target, 65536);
    REQUIRE(passed);
    CHECK(target.blobs.empty());
    std::string read;
    for (const auto& bytes : {config, pretty})
        CHECK(passed->texts->read_blob({"", sha256(bytes), bytes.size()}, [&](std::string_view piece) -> Status {
            read += piece;
            return {};
        }));
    CHECK(read == config + pretty);
}

TEST_CASE("JSON that is too long for a manifest or a configuration, and what is too much, passes like a layer") {
    const auto json = [](std::size_t bytes, char fill) { return "{" + std::string(bytes - 2, fill) + "}"; };
    constexpr std::size_t k_most = std::size_t{8} << 20;
    std::string archive;
    const auto huge = json(k_most + 1, ' ');
    archive += member(blob_name(sha256(huge)), huge);
    for (const char fill : {'1', '2', '3', '4', '5', '6', '7', '8', '9'}) {
        const auto large = json(k_most, fill);
        archive += member(blob_name(sha256(large)), large);
    }
    MemoryTarget target;
    const auto passed = pass(archive + std::string(k_tar_end_bytes, '\0'), target, 65536);
    REQUIRE(passed);
    CHECK(target.blobs.size() == 2); // the first, and the last: eight are 64 MiB
    CHECK(target.blobs.contains(sha256(huge)));
    CHECK(target.blobs.contains(sha256(json(k_most, '9'))));
}

TEST_CASE("an archive that is cut off anywhere is corrupt") {
    const Saved saved;
    for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{512}, std::size_t{2000},
                                   saved.large.size() + 600, saved.tar.size() - k_tar_end_bytes}) {
        CAPTURE(size);
        MemoryTarget target;
        const auto passed = pass(std::string_view(saved.tar).substr(0, size), target, 65536);
        REQUIRE_FALSE(passed);
        CHECK(passed.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("a layer or a text with other bytes than its name says is corrupt, and what is no tar too") {
    const auto broken = [](std::string tar) {
        MemoryTarget target;
        const auto passed = pass(tar, target, 65536);
        REQUIRE_FALSE(passed);
        CHECK(passed.error().kind == ErrorKind::corrupt);
    };
    const std::string end(k_tar_end_bytes, '\0');
    broken(member(blob_name(sha256("one")), "two") + end);
    broken(member(blob_name(sha256("{one}")), "{two}") + end);
    broken(member("blobs/sha256/short", "layer") + end);
    broken(std::string(4096, 'x'));
}

TEST_SUITE_END();
