// SPDX-License-Identifier: Apache-2.0
// The unpacked layers of a machine: made once, kept while somebody lives who uses them, and gone after a reboot.
#include "executors/runtime/layer_folders.hpp"

#include "cache/oci/byte_source.hpp"
#include "tests/unit/executors/runtime/made_layer.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache::oci;
using namespace dbuild::executors;
using namespace dbuild::executors::runtime;

namespace {

constexpr std::uint64_t k_no_limit = ~std::uint64_t{0};
const bool is_user = ::geteuid() != 0; // who cannot give files to root: skipped, not passed

/// A layer with one file, whose bytes are also what tells it from the others.
struct TestLayer {
    explicit TestLayer(std::string bytes) : tar(tar_of({file("f", std::move(bytes))})) {
        layer.diff_id = sha256(tar);
        layer.descriptor.digest = sha256("blob of " + tar); // as of a compressed one
    }
    TableOfContents contents() const { return scan_layer(text_source(tar))->contents; }

    std::string tar;
    RootLayer layer;
};

/// A root of folders, and what its users may ask.
class Root {
public:
    fs::path path() const { return temp_.path() / "unpacked"; }
    fs::path folder_of(const TestLayer& layer) const { return path() / layer.layer.diff_id.hex(); }
    bool has(const TestLayer& layer) const { return fs::exists(folder_of(layer)); }
    LayerFolders open(std::uint64_t max_bytes = k_no_limit) const {
        auto folders = LayerFolders::open(path(), max_bytes);
        REQUIRE_MESSAGE(folders, (folders ? "" : folders.error().message));
        return std::move(*folders);
    }
    /// Counts in reads().
    Result<UnpackedLayer> get(LayerFolders& folders, const TestLayer& layer) {
        return folders.get(layer.layer, [&](const Digest& blob, const ByteSink& sink) -> Status {
            ++reads_;
            if (blob != layer.layer.descriptor.digest) return fail(ErrorKind::internal, "another blob");
            return sink(layer.tar);
        });
    }
    /// As a process does that then ends.
    void unpack(const TestLayer& layer) {
        auto folders = open();
        REQUIRE(get(folders, layer));
    }
    int reads() const { return reads_; }
    fs::path make_upper(std::string_view bytes) const {
        const auto upper = temp_.path() / "upper";
        fs::create_directory(upper);
        REQUIRE(write_file(upper / "f", bytes));
        return upper;
    }
    void set_used(const TestLayer& layer, std::chrono::hours age) const {
        fs::last_write_time(folder_of(layer) / "contents", fs::file_time_type::clock::now() - age);
    }
    std::size_t temporaries() const {
        std::size_t count = 0;
        const auto paths = list_folder(path()).value();
        for (const auto& found : paths) count += found.filename().string().starts_with("tmp");
        return count;
    }

private:
    TempDir temp_ = TempDir::create("dbuild-test").value();
    std::atomic<int> reads_ = 0;
};

std::string text_of(const Result<UnpackedLayer>& unpacked) {
    REQUIRE_MESSAGE(unpacked, (unpacked ? "" : unpacked.error().message));
    return read_file(unpacked->folder / "f").value();
}

} // namespace

TEST_SUITE_BEGIN("executors/runtime/layer_folders");

TEST_CASE("a layer is read once, and later processes find it" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    for (int process = 0; process < 2; ++process) {
        auto folders = root.open();
        for (int use = 0; use < 2; ++use) {
            const auto unpacked = root.get(folders, layer);
            CHECK(text_of(unpacked) == "text");
            CHECK(encode(*unpacked->contents) == encode(layer.contents()));
        }
    }
    CHECK(root.reads() == 1);
    CHECK(root.temporaries() == 0);
    struct stat status {};
    REQUIRE(::stat(root.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("a layer of which only the bytes are known is found by what they are" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    {
        auto folders = root.open();
        const auto scan = folders.take(text_source(layer.tar));
        REQUIRE_MESSAGE(scan, (scan ? "" : scan.error().message));
        CHECK(scan->diff_id == layer.layer.diff_id);
        CHECK(scan->size == layer.tar.size());
        CHECK(encode(scan->contents) == encode(layer.contents()));
        CHECK(text_of(root.get(folders, layer)) == "text");
        CHECK(folders.take(text_source(layer.tar))); // again
    }
    CHECK(root.reads() == 0);
    CHECK(root.temporaries() == 0);
    auto folders = root.open();
    CHECK_FALSE(folders.take(text_source("no tar at all")));
    CHECK(root.has(layer));
}

TEST_CASE("threads that need the same layer unpack it once" * doctest::skip(is_user)) {
    Root root;
    const TestLayer one(std::string(1 << 20, 'x')), two("another");
    auto folders = root.open(), of_other_process = root.open();
    std::atomic<int> right = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                const auto first = root.get(folders, one);
                const auto second = root.get(folders, two);
                right += first && second && fs::file_size(first->folder / "f") == 1 << 20;
            });
    }
    CHECK(right == 4);
    CHECK(root.reads() == 2);
    CHECK(text_of(root.get(of_other_process, two)) == "another");
    CHECK(root.reads() == 2);
}

TEST_CASE("of two processes that unpack one layer the first one's folder is kept" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    auto folders = root.open(), of_other_process = root.open();
    ino_t first_inode = 0;
    const auto unpacked = folders.get(layer.layer, [&](const Digest&, const ByteSink& sink) {
        struct stat status {};
        REQUIRE(::stat(root.get(of_other_process, layer)->folder.c_str(), &status) == 0);
        first_inode = status.st_ino;
        return sink(layer.tar);
    });
    CHECK(text_of(unpacked) == "text");
    struct stat status {};
    REQUIRE(::stat(unpacked->folder.c_str(), &status) == 0);
    CHECK(status.st_ino == first_inode);
    CHECK(root.temporaries() == 0);
}

TEST_CASE("bytes of another layer, and a reader that fails, leave nothing behind" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text"), other("other");
    auto folders = root.open();
    const auto wrong = folders.get(layer.layer, [&](const Digest&, const ByteSink& sink) { return sink(other.tar); });
    REQUIRE(!wrong);
    CHECK(wrong.error().kind == ErrorKind::corrupt);
    const auto failed = folders.get(
        layer.layer, [](const Digest&, const ByteSink&) -> Status { return fail(ErrorKind::transient, "x"); });
    REQUIRE(!failed);
    CHECK(failed.error().kind == ErrorKind::transient);
    CHECK_FALSE(root.has(layer));
    CHECK(root.temporaries() == 0);
    CHECK(text_of(root.get(folders, layer)) == "text");
}

TEST_CASE("a damaged folder is made again" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    const auto check_made_again = [&](const auto& damage) {
        root.unpack(layer);
        damage();
        const auto before = root.reads();
        auto folders = root.open();
        CHECK(text_of(root.get(folders, layer)) == "text");
        CHECK(root.reads() == before + 1);
        CHECK(root.temporaries() == 0);
    };
    const auto folder = root.folder_of(layer);
    check_made_again([&] { fs::resize_file(folder / "contents", 20); });
    check_made_again([&] { fs::remove(folder / "contents"); });
    check_made_again([&] { fs::remove_all(folder / "files"); });
}

TEST_CASE("an adopted upper folder is the layer's" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    auto folders = root.open();
    const auto upper = root.make_upper("adopted");
    const auto adopted = folders.adopt(upper, layer.layer.diff_id, layer.contents());
    CHECK(text_of(adopted) == "adopted");
    CHECK(adopted->folder == root.folder_of(layer) / "files");
    CHECK_FALSE(fs::exists(upper));
    auto of_other_process = root.open();
    CHECK(text_of(root.get(of_other_process, layer)) == "adopted");
    CHECK(root.reads() == 0);

    const auto again = of_other_process.adopt(root.make_upper("again"), layer.layer.diff_id, layer.contents());
    CHECK(text_of(again) == "adopted");
    CHECK_FALSE(fs::exists(upper));
    CHECK(root.temporaries() == 0);
}

TEST_CASE("an upper folder that is not there is unavailable" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    auto folders = root.open();
    const auto adopted = folders.adopt("/nowhere/upper", layer.layer.diff_id, layer.contents());
    REQUIRE(!adopted);
    CHECK(adopted.error().kind == ErrorKind::unavailable);
    CHECK_FALSE(root.has(layer));
}

TEST_CASE("the last one to go leaves the layers that were used last" * doctest::skip(is_user)) {
    Root root;
    const TestLayer a(std::string(100, 'a')), b(std::string(100, 'b')), c(std::string(100, 'c'));
    {
        auto folders = root.open(200), of_other_process = root.open();
        for (const auto* layer : {&a, &b, &c}) REQUIRE(root.get(folders, *layer));
        root.set_used(a, std::chrono::hours(3));
        root.set_used(b, std::chrono::hours(2));
        root.set_used(c, std::chrono::hours(1));
        const auto gone = std::move(folders); // goes before the other one
        CHECK(root.get(of_other_process, a)); // which used this one now
    }
    CHECK(root.has(b));
    { const auto folders = root.open(200); }
    CHECK(root.has(a));
    CHECK_FALSE(root.has(b));
    CHECK(root.has(c));
    { const auto folders = root.open(100); }
    CHECK(root.has(a));
    CHECK_FALSE(root.has(c));
    { const auto folders = root.open(0); }
    CHECK_FALSE(root.has(a));
    CHECK(root.temporaries() == 0);
}

TEST_CASE("what dead processes left goes with the last living one" * doctest::skip(is_user)) {
    const Root root;
    {
        const auto living = root.open();
        fs::create_directories(root.path() / "tmp-dead00/layer/files");
        fs::create_directories(root.path() / std::string(64, 'a') / "files"); // half a folder
        { const auto folders = root.open(); }
        CHECK(root.temporaries() == 1);
    }
    CHECK(root.temporaries() == 0);
    CHECK_FALSE(fs::exists(root.path() / std::string(64, 'a')));
}

TEST_CASE("what was unpacked before a reboot is not used" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    root.unpack(layer);
    REQUIRE(root.has(layer));
    REQUIRE(write_file(root.path() / "boot", "00000000-0000-0000-0000-000000000000\n"));
    auto folders = root.open();
    CHECK_FALSE(root.has(layer));
    CHECK(text_of(root.get(folders, layer)) == "text");
    CHECK(root.reads() == 2);
    const auto of_other_process = root.open(); // of the same boot
    CHECK(root.has(layer));
}

TEST_CASE("what a process of another boot still uses, as on a shared disk, is left alone" * doctest::skip(is_user)) {
    Root root;
    const TestLayer layer("text");
    auto folders = root.open();
    const auto unpacked = root.get(folders, layer);
    REQUIRE(write_file(root.path() / "boot", "00000000-0000-0000-0000-000000000000\n"));
    const auto here = LayerFolders::open(root.path(), 0);
    REQUIRE(!here);
    CHECK(here.error().kind == ErrorKind::unavailable);
    CHECK(text_of(unpacked) == "text");
}

TEST_SUITE_END();
