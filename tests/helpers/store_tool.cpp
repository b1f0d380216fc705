// SPDX-License-Identifier: Apache-2.0
// The layer store from the command line, for tests that kill it and for benchmarks that time it.
//     store_tool put ROOT [--no-flush] TAR...     stores layers; prints "DIFF_ID SECONDS" of each, then "flush SECONDS"
//     store_tool read ROOT DIFF_ID                writes the tar to standard output
//     store_tool time-read ROOT DIFF_ID           reads it only; prints "DIFF_ID SECONDS"
//     store_tool has ROOT DIFF_ID...              succeeds if all are there
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

Status run(std::span<const std::string> words) {
    if (words.size() < 2) return fail(ErrorKind::usage, "put|read|time-read|has ROOT ...");
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
