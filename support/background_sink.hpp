// SPDX-License-Identifier: Apache-2.0
// A sink that works in a thread of its own, so that who makes bytes does not wait for who takes them.
#pragma once

#include "support/result.hpp"

#include <functional>
#include <memory>
#include <string_view>

namespace dbuild {

/// Hands a stream on in order, in pieces of 256 KiB, of which eight may wait. A stream that fits into one piece needs
/// no thread.
class BackgroundSink {
public:
    using Sink = std::function<Status(std::string_view)>;
    explicit BackgroundSink(Sink sink);
    /// Without finish(): drops what the sink has not taken yet.
    ~BackgroundSink();
    BackgroundSink(BackgroundSink&&) noexcept;

    /// Errors: the sink's, of these bytes or of earlier ones; it gets nothing after its first.
    Status write(std::string_view bytes);
    /// Waits until the sink has taken everything; once. Errors: the sink's.
    Status finish();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild
