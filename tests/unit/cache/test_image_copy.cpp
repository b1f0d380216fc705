// SPDX-License-Identifier: Apache-2.0
// Copying between places in memory: what moves, in which order, and which image of an index a platform gets.
#include "cache/oci/image_copy.hpp"

#include "cache/oci/byte_source.hpp"

#include <doctest/doctest.h>

#include <map>
#include <mutex>
#include <set>

using namespace dbuild;
using namespace dbuild::cache::oci;

namespace {

class MemorySource : public ImageSource {
public:
    Descriptor add(std::string bytes, std::string_view type) {
        Descriptor blob{std::string(type), sha256(bytes), bytes.size()};
        blobs[blob.digest] = std::move(bytes);
        return blob;
    }
    /// An image with these layers. In: config — any text.
    Descriptor add_image(const std::string& config, const std::vector<std::string>& layers) {
        Manifest manifest;
        manifest.config = add(config, k_config_type);
        for (const auto& layer : layers) manifest.layers.push_back(add(layer, k_layer_type));
        return root = add(manifest.to_json(), k_manifest_type);
    }
    struct Entry {
        Descriptor image;
        std::string platform; // members of the JSON object
    };
    void add_index(const std::vector<Entry>& entries) {
        std::string list;
        for (const auto& [image, platform] : entries)
            list += std::string(list.empty() ? "" : ",") + R"({"mediaType":")" + image.media_type + R"(","digest":")" +
                    image.digest.to_string() + R"(","size":)" + std::to_string(image.size) +
                    (platform.empty() ? "" : R"(,"platform":{)" + platform + "}") + "}";
        root = add(R"({"schemaVersion":2,"manifests":[)" + list + "]}", k_index_type);
    }
    Result<FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        const auto& bytes = blobs.at(digest.value_or(root.digest));
        DBUILD_TRY_ASSIGN(auto type, manifest_type_of(bytes));
        return FetchedManifest{{std::move(type), digest.value_or(root.digest), bytes.size()}, bytes};
    }
    Status read_blob(const Descriptor& blob, const ByteSink& sink) override {
        return copy_checked(text_source(blobs.at(blob.digest)), blob, sink);
    }
    std::map<Digest, std::string> blobs;
    Descriptor root;
};

class MemoryTarget : public ImageTarget {
public:
    Result<Presence> find_image(const Descriptor&) override { return presence; }
    Result<PushOutcome> put_blob(const Descriptor& blob, ImageSource& from) override {
        const std::scoped_lock lock(mutex);
        if (has.contains(blob.digest)) return PushOutcome::was_there;
        DBUILD_TRY(from.read_blob(blob, [](std::string_view) { return Status(); }));
        has.insert(blob.digest);
        return PushOutcome::uploaded;
    }
    Status put_manifest(const FetchedManifest& manifest, Role role) override {
        manifests.push_back(manifest.descriptor.digest);
        if (role == Role::root) root = manifest.descriptor.digest;
        return {};
    }
    Presence presence = Presence::absent;
    std::mutex mutex;
    std::set<Digest> has;
    std::vector<Digest> manifests;
    Digest root;
};

const std::string k_amd64 = R"("os":"linux","architecture":"amd64")";
const std::string k_arm64 = R"("os":"linux","architecture":"arm64","variant":"v8")";
const std::string k_armv6 = R"("os":"linux","architecture":"arm","variant":"v6")";

} // namespace

TEST_SUITE_BEGIN("cache/image_copy");

TEST_CASE("only what is missing moves") {
    MemorySource from;
    const auto old = from.add_image("one", {"a", "b"});
    MemoryTarget to;
    CHECK(copy_image(from, to)->blobs_moved == 3);
    from.add_image("two", {"a", "b", "c"});
    const auto report = copy_image(from, to);
    REQUIRE(report);
    CHECK(report->blobs_moved == 2);
    CHECK(report->bytes_moved == 4);
    CHECK(report->blobs_there == 2);
    CHECK(report->digest == from.root.digest);
}

TEST_CASE("an image that is there is not looked at, and one without the name gets it") {
    MemorySource from;
    from.add_image("one", {"a"});
    MemoryTarget to;
    to.presence = ImageTarget::Presence::complete;
    CHECK(copy_image(from, to)->was_complete);
    CHECK(to.manifests.empty());
    to.presence = ImageTarget::Presence::unnamed;
    CHECK_FALSE(copy_image(from, to)->was_complete);
    CHECK(to.manifests.size() == 1);
    CHECK(to.has.empty());
}

TEST_CASE("all images of an index come before it, and a blob that two have moves once") {
    MemorySource from;
    const auto one = from.add_image("one", {"shared", "a"}), two = from.add_image("two", {"shared", "b"});
    from.add_index({{one, k_amd64}, {two, k_arm64}});
    MemoryTarget to;
    const auto report = copy_image(from, to);
    REQUIRE(report);
    CHECK(report->blobs_moved == 5);
    CHECK(to.manifests == std::vector{one.digest, two.digest, from.root.digest});
    CHECK(to.root == from.root.digest);
}

TEST_CASE("a blob with other bytes than its name says ends the copy before its manifest") {
    MemorySource from;
    from.add_image("one", {"a", "b", "c", "d", "e", "f"});
    from.blobs[sha256("c")] = "x";
    MemoryTarget to;
    const auto report = copy_image(from, to);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::corrupt);
    CHECK(to.manifests.empty());
}

TEST_CASE("an endless chain of indexes ends in an error") {
    MemorySource from;
    auto inner = from.add_image("one", {});
    for (int i = 0; i < 8; ++i) {
        from.add_index({{inner, ""}});
        inner = from.root;
    }
    MemoryTarget to;
    CHECK_FALSE(copy_image(from, to));
    CHECK_FALSE(read_platform_manifest(from, "linux/amd64"));
}

TEST_CASE("a platform gets its image, an older variant where there is none, or an error") {
    MemorySource from;
    const auto amd64 = from.add_image("amd64", {}), arm64 = from.add_image("arm64", {}),
               arm = from.add_image("arm", {});
    from.add_index({{amd64, k_amd64}, {arm64, k_arm64}, {arm, k_armv6}});
    CHECK(read_platform_manifest(from, "linux/amd64")->descriptor.digest == amd64.digest);
    CHECK(read_platform_manifest(from, "linux/arm64")->descriptor.digest == arm64.digest);
    CHECK(read_platform_manifest(from, "linux/arm/v7")->descriptor.digest == arm.digest);
    CHECK(read_platform_manifest(from, "linux/arm")->descriptor.digest == arm.digest);
    for (const char* platform : {"linux/arm/v5", "linux/s390x", "windows/amd64"}) {
        CAPTURE(platform);
        const auto none = read_platform_manifest(from, platform);
        REQUIRE_FALSE(none);
        CHECK(none.error().kind == ErrorKind::not_found);
    }
}

TEST_SUITE_END();
