// SPDX-License-Identifier: Apache-2.0
// The store's formats under libFuzzer: tests/fuzz/run.sh store_formats FORMAT SECONDS, FORMAT being one of
//     tables    the tables and the trailer of a pack: read without harm; what is accepted can be written and read again
//     recipe    a segment of a recipe: the literal bytes that it gives are its own
//     tar       the splitter: whatever comes in, in whatever slices, the parts are the input again
//     contents  a table of contents: what is accepted is written the same again
//     records   the records of an export: what is accepted can be written and read again
#include "cache/oci/layer_tar.hpp"
#include "cache/store/pack_format.hpp"
#include "cache/store/recipe.hpp"
#include "cache/store/record_transfer.hpp"
#include "cache/store/schema.hpp"
#include "cache/store/tar_splitter.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

using namespace dbuild;
using namespace dbuild::cache::store;

namespace {

void require(bool is_true, const char* what) {
    if (is_true) return;
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
}

void fuzz_tables(std::string_view bytes) {
    PackTables tables;
    tables.blocks = {{16, 100, 2000}, {116, 50, 50}};
    if (bytes.empty()) return;
    const auto table = static_cast<PackTable>(static_cast<unsigned char>(bytes[0]) % k_table_count);
    bytes.remove_prefix(1);
    if (decode_table(bytes, table, tables)) {
        const auto written = encode_table(tables, table);
        require(decode_table(written, table, tables).has_value(), "what was accepted can be read again");
        require(encode_table(tables, table) == written, "and is the same");
    }
    if (bytes.size() < k_trailer_bytes) return;
    const auto end = bytes.substr(bytes.size() - k_trailer_bytes);
    if (const auto trailer = decode_trailer(end, bytes.size()))
        for (const auto& place : trailer->tables)
            require(place.offset + place.stored_bytes <= bytes.size(), "a table lies in the file");
}

void fuzz_recipe(std::string_view bytes) {
    const auto parts = read_segment(bytes);
    if (!parts) return;
    std::size_t literal_bytes = 0;
    for (const auto& part : *parts) {
        literal_bytes += part.bytes.size();
        require(part.bytes.empty() || (part.bytes.data() >= bytes.data() &&
                                       part.bytes.data() + part.bytes.size() <= bytes.data() + bytes.size()),
                "literals lie in the segment");
    }
    require(literal_bytes <= bytes.size(), "literals are not used twice");
}

struct Joined final : TarPartSink {
    std::string bytes;
    Status literal(std::string_view part) override { return add(part); }
    Status zeros(std::uint64_t count) override { return add(std::string(static_cast<std::size_t>(count), '\0')); }
    Status piece(std::string_view part) override {
        require(!part.empty() && part.size() <= k_max_piece_bytes, "a piece has a size");
        return add(part);
    }
    Status add(std::string_view part) {
        bytes += part;
        return {};
    }
};

/// The first byte says how long the slices are; a right checksum is put into each header, or few would get past it.
void fuzz_tar(std::string_view input) {
    if (input.size() < 513) return;
    const std::size_t slice = static_cast<unsigned char>(input[0]) * 7u + 1u;
    std::string bytes(input.substr(1));
    for (std::size_t at = 0; at + 512 <= bytes.size(); at += 512) {
        if (bytes[at] == '\0') continue;
        bytes.replace(at + 148, 8, "        ");
        unsigned sum = 0;
        for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(bytes[at + i]);
        char text[8];
        std::snprintf(text, sizeof text, "%06o", sum);
        bytes.replace(at + 148, 7, text, 7);
    }
    Joined joined;
    TarSplitter splitter(joined);
    for (std::size_t at = 0; at < bytes.size(); at += slice)
        (void)splitter.write(std::string_view(bytes).substr(at, slice));
    (void)splitter.finish();
    require(joined.bytes == bytes, "the parts are the input");
}

void fuzz_contents(std::string_view bytes) {
    if (const auto contents = cache::oci::decode_contents(bytes))
        require(cache::oci::encode(*contents) == bytes, "a table of contents has one form");
}

void fuzz_records(std::string_view bytes) {
    if (bytes.empty()) return;
    const auto format = bytes[0] == '1' ? ExportFormat::first : ExportFormat::second;
    auto database = Database::create_in_memory(k_schema);
    require(database.has_value(), "a database can be made");
    if (!decode_records(bytes.substr(1), format, *database)) return;
    const auto written = encode_records(*database);
    require(written.has_value(), "what was accepted can be written");
    auto second = Database::create_in_memory(k_schema);
    const auto read = decode_records(written->bytes, ExportFormat::second, *second);
    require(read.has_value() && *read == written->count, "and can be read again");
    require(encode_records(*second)->bytes == written->bytes, "and is the same");
}

std::function<void(std::string_view)> chosen;

} // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* format = std::getenv("DBUILD_FUZZ_FORMAT");
    const std::string name = format ? format : "";
    if (name == "tables") chosen = fuzz_tables;
    if (name == "recipe") chosen = fuzz_recipe;
    if (name == "tar") chosen = fuzz_tar;
    if (name == "contents") chosen = fuzz_contents;
    if (name == "records") chosen = fuzz_records;
    require(static_cast<bool>(chosen), "DBUILD_FUZZ_FORMAT is one of those in the head of this file");
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    chosen({reinterpret_cast<const char*>(data), size});
    return 0;
}
