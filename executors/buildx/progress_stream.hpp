// SPDX-License-Identifier: Apache-2.0
// Reads what `docker buildx build --progress=rawjson` writes to stderr: a stream of solve-status objects
// (pretty-printed or one a line, by version), with plain text lines between and after them. Knows nothing of segments.
#pragma once

#include "support/time.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::executors::buildx {

/// One state of one vertex; the same vertex is told again as it starts and completes.
struct VertexState {
    std::string digest;
    std::string name; // "[2/4] RUN make"
    std::optional<Instant> started, completed;
    bool is_cached = false;
    std::string error; // empty: none
};

struct ProgressSink {
    std::function<void(const VertexState&)> on_vertex;
    std::function<void(std::string_view vertex_digest, std::string_view output)> on_output;
    std::function<void(std::string_view line)> on_text;
};

class ProgressStream {
public:
    explicit ProgressStream(ProgressSink sink);
    ~ProgressStream();
    void feed(std::string_view bytes); // any cut
    void finish();                     // hands over a last line without an end

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The number k of "[k/n] …" or "[stage k/n] …", with n; nothing for other vertices.
struct VertexNumber {
    std::size_t number = 0, total = 0;
};
std::optional<VertexNumber> vertex_number(std::string_view name);

} // namespace dbuild::executors::buildx
