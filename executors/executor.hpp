// SPDX-License-Identifier: Apache-2.0
// The one interface of everything that runs instructions: given a root file system, a configuration and the
// instructions of a segment, make one layer per layer-making instruction, or say which one failed. Planning and
// recording happen elsewhere.
#pragma once

#include "cache/oci/image.hpp"
#include "cache/oci/layer_tar.hpp"
#include "support/process.hpp"
#include "support/result.hpp"
#include "support/time.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbuild::executors {

/// One layer below a segment. `descriptor` names the blob under which an engine may know it (perhaps a compressed one).
struct RootLayer {
    Digest diff_id;
    std::uint64_t size = 0; // bytes of the uncompressed tar
    cache::oci::Descriptor descriptor;
    bool is_made_in_process = false; // no engine made it, so a builder may never have seen it
    bool is_new = false;             // made by this build: if in process, no engine has seen it yet
};

/// A root file system with the configuration in force on it. `layers` may be empty (scratch).
struct RootFileSystem {
    std::vector<RootLayer> layers; // lowest first
    cache::oci::ImageConfig config;
};

/// A layer that an executor made; `blob` is a plain or compressed tar that lives until the SegmentRun is destroyed.
struct MadeLayer {
    Digest diff_id;
    std::filesystem::path blob;
    Instant started, finished; // by the clock of whoever ran it
    std::shared_ptr<const cache::oci::LayerScan> scan =
        nullptr; // of a plain tar that dbuild wrote; null: to be found out
};

/// One RUN --mount of a command. Paths are absolute in the container.
struct CommandMount {
    enum class Type { bind, cache, tmpfs };
    enum class Sharing { shared, exclusive, own_copy }; // BuildKit's shared, locked and private
    Type type = Type::bind;
    std::string target;
    bool is_read_only = false;
    std::string source_name; // bind: of a SegmentSource, or of its own where send_source is set
    std::string source_path; // bind: in it; "" is its root
    /// Bind of the build context: hands on what the source holds, as a layer on nothing, and no more than once. Errors:
    /// the sink's; unavailable — a file cannot be read.
    std::function<Status(const cache::oci::EntrySink& sink)> send_source;
    std::string cache_id;
    Sharing sharing = Sharing::shared;
    std::uint32_t mode = 0755; // of a cache when it is made
    std::uint32_t uid = 0, gid = 0;
    std::optional<std::uint64_t> size_bytes; // tmpfs
};

/// What a RUN comes to once everything in it is expanded, for an executor that starts it itself.
struct RunCommand {
    std::vector<std::string> arguments;   // never empty
    std::string script;                   // not empty: of the file that the last argument names
    std::vector<std::string> environment; // NAME=VALUE, each name once
    std::string working_dir;              // absolute
    std::string user;                     // as USER has it; empty: root
    bool has_network = true;              // else nothing but a loop-back interface
    std::vector<CommandMount> mounts;
};

/// One instruction of a segment. Every layer-making one yields exactly one layer, perhaps the empty one.
struct SegmentStep {
    std::string text; // Dockerfile text, as written, but with `--from=` replaced by the name of a SegmentSource
    bool makes_layer = false;
    std::optional<RunCommand> command = std::nullopt; // of a RUN, where an executor was chosen that starts it itself
};

/// Another root file system that instructions of the segment copy from, under a generated lower-case name.
struct SegmentSource {
    std::string name;
    RootFileSystem root;
};

/// A run of consecutive instructions of one stage.
struct Segment {
    RootFileSystem root;
    std::vector<std::pair<std::string, std::string>>
        arguments; // values of the names that `ARG NAME` steps declare, unique
    std::vector<std::pair<std::string, std::string>> proxy_arguments; // undeclared HTTP_PROXY and the like
    std::vector<SegmentStep> steps;                                   // at least one that makes a layer
    std::vector<SegmentSource> sources;
    char escape = '\\';
    std::filesystem::path context;    // the build context; empty: none is needed
    std::string context_digest;       // of what the segment reads from it; part of the name the engine sees
    std::string ignore_patterns;      // text of the .dockerignore in force
    std::vector<std::string> secrets; // as `docker buildx build --secret` takes them; values never pass through dbuild
    std::vector<std::string> ssh_agents; // as --ssh takes them
    bool ignores_engine_cache = false;   // runs every step, and empties the cache mounts that they use

    /// Whether an executor that starts commands itself can take it.
    bool is_of_commands() const {
        return std::all_of(steps.begin(), steps.end(), [](const auto& s) { return !s.makes_layer || s.command; });
    }
};

struct StepFailure {
    std::size_t step = 0; // index into Segment::steps
    int exit_code = 0;    // 0: it failed without one
    std::string message;
};

/// Result of a segment: the layers of its leading layer-making steps; all of them unless it failed, was cancelled, or
/// the engine's cache is of no use for it.
struct SegmentResult {
    std::vector<MadeLayer> layers;
    std::optional<StepFailure> failure;
    bool was_cancelled = false;
    bool needs_engine_cache_ignored = false; // what is in it is of other steps, or broken: no layers
    std::shared_ptr<void> files;             // keeps the blobs; shared with nobody else
};

/// What a run of a segment tells while it goes on. Calls come one at a time, from the thread
/// that called run() or one that it waits for.
struct SegmentObserver {
    std::function<void(std::size_t step)>
        on_started; // by then the executor has its own copy of what the step reads of the context
    std::function<void(std::size_t step, std::chrono::duration<double> wall, bool is_cached)> on_finished;
    std::function<void(std::size_t step, std::string_view output)> on_output;
    std::function<void()> on_process_started;
    std::function<void(std::string text)> on_note; // something about the engine that the user should know, once
};

/// Hands over the blob of a layer that the executor lacks, by its descriptor's digest.
using LayerReader = std::function<Status(const Digest& blob, const cache::oci::ByteSink& sink)>;

class Executor {
public:
    virtual ~Executor() = default;
    virtual std::string_view name() const = 0; // as in the report: "buildx"
    /// False: run() has failed, and will fail, whatever it is given.
    virtual bool is_usable() const { return true; }
    /// Errors:  unsupported — this engine cannot do what the executor needs; unavailable; internal — the layers do not
    /// fit the
    ///          instructions; what read_layer fails with. A failing instruction and a cancelled run are no error of
    ///          this call.
    /// Threads: any number of calls at once. When is_cancelled says so, the run ends, and what was finished is kept.
    virtual Result<SegmentResult> run(const Segment& segment, const SegmentObserver& observer,
                                      const LayerReader& read_layer, const CancelCheck& is_cancelled) = 0;

    /// Looks into a layer that run() is about to be given. An executor that needs layers in another form makes that on
    /// the way.
    /// In:      blob — plain or compressed.
    /// Errors:  as scan_layer; unsupported — that form cannot be made, and the blob was not read to its end.
    /// Threads: as run().
    virtual Result<cache::oci::LayerScan> look_into(const cache::oci::ByteSource& blob) {
        return cache::oci::scan_layer(blob);
    }
};

} // namespace dbuild::executors
