// SPDX-License-Identifier: Apache-2.0
// What can happen in a build, as far as its user is told. Plain values: they may outlive the call that reports them,
// except for StepOutput's bytes. How they look is a Reporter's business.
#pragma once

#include "support/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

namespace dbuild::orchestrator::progress {

using Seconds = std::chrono::duration<double>;

/// Says which step an event is about.
struct StepLabel {
    std::string stage;   // its name, or "stage-0"
    int position = 0;    // of the instruction in its stage, from 1
    int count = 0;       // instructions of the stage
    std::string text;    // the instruction; may have several lines
    int line = 0;        // its first one in the Dockerfile, from 1
    std::string image{}; // of several that are built at once; else empty

    std::string to_string() const; // "[build 2/5]", "[image build 2/5]"
    friend bool operator<(const StepLabel& a, const StepLabel& b) {
        return std::tie(a.image, a.stage, a.position) < std::tie(b.image, b.stage, b.position);
    }
};

struct StepHit {
    StepLabel step;
};
struct StepStarted {
    StepLabel step;
    std::string reason; // why it is no hit; may be empty
};
struct StepOutput {
    StepLabel step;
    std::string_view bytes; // as the command wrote them, cut anywhere
};
struct StepFinished {
    StepLabel step;
    Seconds wall{};
    bool is_cached_by_engine = false; // dbuild had no result of it, but the engine did
};
struct StepFailed {
    StepLabel step;
    int exit_code = 0;        // 0: it failed without one
    std::string message;      // of the executor
    std::string reproduction; // a shell command that tries it again; empty: there is none
};

struct Note {
    std::string text;
};
struct Warning {
    std::string text;
};

/// One of several images cannot be built; the others go on.
struct ImageFailed {
    std::string image;
    Error error;
};

/// The last event is one of the following four.
struct BuildFinished {
    struct Image {
        std::string id;
        std::uint64_t bytes = 0; // of its uncompressed layers
        std::vector<std::string> tags;
    };
    std::size_t hit = 0, ran = 0; // steps
    Seconds wall{};
    std::vector<Image> images;
};
struct BuildFailed {
    Error error; // its context holds the excerpt of the Dockerfile
};
struct BuildHandedOver { // another program builds all of it, and prints from now on
    std::string program; // "docker buildx build"
    std::string reason;
};
/// Several images, in the order of their names.
struct ImagesFinished {
    struct Image {
        std::string name;
        std::string outcome; // "built", "failed", "not built", "handed over"
        std::size_t hit = 0, ran = 0;
        Seconds wall{};
        std::uint64_t bytes = 0; // of its uncompressed layers; 0: there is no image
        std::string id;
        std::vector<std::string> tags;
    };
    std::vector<Image> images;
    Seconds wall{};
};

using Event = std::variant<StepHit, StepStarted, StepOutput, StepFinished, StepFailed, Note, Warning, ImageFailed,
                           BuildFinished, BuildFailed, BuildHandedOver, ImagesFinished>;

} // namespace dbuild::orchestrator::progress
