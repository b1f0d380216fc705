// SPDX-License-Identifier: Apache-2.0
// The layer store from the command line, for tests that kill it and for benchmarks that time it.
//     store_tool put ROOT [--no-flush] TAR...     stores layers; prints "DIFF_ID SECONDS" of each that is kept, then
//                                                 "flush SECONDS"
//     store_tool read ROOT DIFF_ID                writes the tar to standard output
//     store_tool time-read ROOT DIFF_ID           reads it only; prints "DIFF_ID SECONDS"
//     store_tool has ROOT DIFF_ID...              succeeds if all are there
//     store_tool time-lookups ROOT COUNT          records COUNT steps, opens the index anew and looks them up as a plan
//     of
//                                                 hits does; prints "lookups SECONDS"
#include "cache/store/catalog.hpp"
#include "cache/store/index.hpp"
#include "cache/store/layer_store.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <chrono>
#include <span>
#include <unistd.h>

using namespace dbuild;
using namespace dbuild::cache;

namespace {

double seconds_of(const std::function<Status()>& work, Status& done) {
    const auto start = std::chrono::steady_clock::now();
    done = work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<Digest> digest_of_file(const std::string& path) {
    DBUILD_TRY_ASSIGN(const auto source, store::file_source(path));
    Sha256 hasher;
    std::string buffer(std::size_t{1} << 20, '\0');
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), buffer.size()));
        if (count == 0) return hasher.finish();
        hasher.update({buffer.data(), count});
    }
}

Status put(const store::LayerStore& layers, std::span<const std::string> words) {
    bool is_flushed = true;
    Status done;
    for (const auto& word : words) {
        if (word == "--no-flush") {
            is_flushed = false;
            continue;
        }
        DBUILD_TRY_ASSIGN(const auto diff_id, digest_of_file(word));
        const auto seconds = seconds_of(
            [&]() -> Status {
                DBUILD_TRY(layers.put_file(word, diff_id));
                return {};
            },
            done);
        DBUILD_TRY(std::move(done));
        if (layers.catalog().is_private()) continue; // it is here as long as this process
        fmt::print("{} {:.6f}\n", diff_id.to_string(), seconds);
        std::fflush(stdout);
    }
    if (!is_flushed) _exit(0); // as if killed
    const auto seconds = seconds_of([&] { return layers.flush(); }, done);
    fmt::print("flush {:.6f}\n", seconds);
    return done;
}

Status read(const store::LayerStore& layers, const std::string& word, bool is_timed) {
    DBUILD_TRY_ASSIGN(const auto diff_id, Digest::parse(word));
    Status done;
    const auto seconds = seconds_of(
        [&] {
            return layers.read(
                diff_id, [&](std::string_view bytes) { return is_timed ? Status() : write_all(1, bytes, "output"); });
        },
        done);
    if (is_timed) fmt::print("{} {:.6f}\n", word, seconds);
    return done;
}

Status has(const store::LayerStore& layers, std::span<const std::string> words) {
    for (const auto& word : words) {
        DBUILD_TRY_ASSIGN(const auto diff_id, Digest::parse(word));
        if (!layers.has(diff_id)) return fail(ErrorKind::not_found, word + " is not there");
    }
    return {};
}

Status time_lookups(const std::string& root, int count) {
    constexpr std::string_view scope = "example.com/team/image";
    std::vector<StepKey> keys;
    std::vector<store::StepRecord> records;
    for (int i = 0; i < count; ++i) {
        keys.push_back({sha256("key " + std::to_string(i))});
        records.push_back({keys.back(), sha256("layer " + std::to_string(i)), sha256("content " + std::to_string(i)),
                           4096, "2026-11-21T05:43:13Z", 200, std::string(500, 'i')});
    }
    {
        DBUILD_TRY_ASSIGN(auto index, store::Index::open(root));
        for (const auto& record : records) DBUILD_TRY(index.record_layer(record.diff_id, {record.layer_bytes}, {}));
        DBUILD_TRY(index.record_steps(records, scope, store::Index::OnConflict::keep_first));
    }
    Status done;
    const auto seconds = seconds_of(
        [&]() -> Status {
            DBUILD_TRY_ASSIGN(auto index, store::Index::open(root));
            {
                const store::Index::ReadTransaction planning(index);
                for (const auto& key : keys) {
                    DBUILD_TRY_ASSIGN(const auto step, index.find_step(key));
                    if (!step) return fail(ErrorKind::internal, "a step that was recorded is not there");
                    DBUILD_TRY(index.find_layer(step->diff_id));
                }
            }
            return index.use_steps(keys, scope);
        },
        done);
    fmt::print("lookups {:.6f}\n", seconds);
    return done;
}

Status run(std::span<const std::string> words) {
    if (words.size() < 2) return fail(ErrorKind::usage, "put|read|time-read|has|time-lookups ROOT ...");
    if (words.size() == 3 && words[0] == "time-lookups") return time_lookups(words[1], std::stoi(words[2]));
    DBUILD_TRY_ASSIGN(const auto layers, store::LayerStore::open(words[1]));
    Status done = fail(ErrorKind::usage, "no such command: " + words[0]);
    if (words[0] == "put") done = put(layers, words.subspan(2));
    if (words.size() == 3 && (words[0] == "read" || words[0] == "time-read"))
        done = read(layers, words[2], words[0] == "time-read");
    if (words[0] == "has") done = has(layers, words.subspan(2));
    for (const auto& warning : layers.take_warnings()) fmt::print(stderr, "warning: {}\n", warning);
    return done;
}

} // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    const auto done = run(arguments);
    if (!done) fmt::print(stderr, "store_tool: {}\n", done.error().message);
    return done ? 0 : 1;
}
