// SPDX-License-Identifier: Apache-2.0
// What the tests of the store share: made-up layers, and a store in a folder of its own.
#pragma once

#include "cache/oci/tar_header.hpp"
#include "cache/store/layer_store.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <random>

namespace dbuild::cache::test {

inline oci::ByteSource source_of(std::string bytes) {
    return [bytes = std::move(bytes), at = std::size_t{0}](char* buffer,
                                                           std::size_t capacity) mutable -> Result<std::size_t> {
        const auto count = bytes.copy(buffer, capacity, at);
        at += count;
        return count;
    };
}

/// Text-like bytes; the same for the same seed.
inline std::string made_up_bytes(std::uint64_t seed, std::size_t size) {
    std::mt19937_64 random(seed);
    std::string bytes(size, '\0');
    for (auto& c : bytes) c = static_cast<char>('a' + random() % 16);
    return bytes;
}

/// A tar of one file.
inline std::string tar_of(std::string_view name, const std::string& content) {
    return oci::tar_header(name, content.size()) + content + oci::tar_padding(content.size()) +
           std::string(oci::k_tar_end_bytes, '\0');
}

/// Files of many sizes, so that pieces are cut in every way.
inline std::string big_tar(std::uint64_t seed, std::size_t file_count) {
    static constexpr std::size_t k_sizes[] = {
        0, 1, 511, 512, 513, 5000, 70'000, (256u << 10) - 1, 256u << 10, (256u << 10) + 1, 1'500'000};
    std::string tar;
    for (std::size_t i = 0; i < file_count; ++i) {
        const auto content = made_up_bytes(seed * 1000 + i, k_sizes[i % std::size(k_sizes)]);
        tar += oci::tar_header("file" + std::to_string(i), content.size()) + content + oci::tar_padding(content.size());
    }
    return tar + std::string(oci::k_tar_end_bytes, '\0');
}

inline Result<std::string> read_all(const store::LayerStore& layers, const Digest& digest) {
    std::string bytes;
    DBUILD_TRY(layers.read(digest, [&](std::string_view piece) -> Status {
        bytes += piece;
        return {};
    }));
    return bytes;
}

/// The files of layers, not those of the index, of locks and leases.
inline std::vector<std::filesystem::path> layer_files_below(const std::filesystem::path& root) {
    std::vector<std::filesystem::path> files;
    for (const auto* folder : {"packs", "spool", "layers", "tmp"})
        if (std::filesystem::exists(root / folder))
            for (const auto& item : std::filesystem::recursive_directory_iterator(root / folder))
                if (item.is_regular_file()) files.push_back(item.path());
    return files;
}

inline void flip_byte(const std::filesystem::path& file, std::size_t at) {
    auto bytes = read_file(file).value();
    bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x20);
    REQUIRE(write_file(file, bytes));
}

struct StoreFixture {
    TempDir root = TempDir::create("dbuild-test-").value();
    store::LayerStore layers = store::LayerStore::open(root.path()).value();

    /// Packed at once, into a pack of its own.
    Digest add_layer(const std::string& tar) {
        const auto diff_id = sha256(tar);
        REQUIRE(layers.put(source_of(tar), diff_id));
        REQUIRE(layers.flush());
        return diff_id;
    }
};

} // namespace dbuild::cache::test
