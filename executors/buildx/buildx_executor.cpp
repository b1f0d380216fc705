// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/buildx_executor.hpp"

#include "executors/buildx/buildx_program.hpp"
#include "executors/buildx/oci_exchange.hpp"
#include "executors/buildx/progress_stream.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <map>

namespace fs = std::filesystem;

namespace dbuild::executors::buildx {
namespace {

/// The generated Dockerfile. Arguments arrive through a global indirection, because a plain `--build-arg V=` would also
/// override what a later `ARG V=` of the segment says.
std::string generate_dockerfile(const Segment& segment) {
    std::string text;
    if (segment.escape != '\\') text += fmt::format("# escape={}\n", segment.escape);
    for (std::size_t i = 0; i < segment.arguments.size(); ++i)
        text += fmt::format("ARG DBUILD_{0}\nARG {1}=$DBUILD_{0}\n", i, segment.arguments[i].first);
    text += fmt::format("FROM {}\n", k_root_name);
    for (const auto& step : segment.steps) text += step.text + "\n";
    return text;
}

/// What one call of docker buildx build needs on disk, and what came out of it.
struct Workspace {
    Workspace(TempDir folder, std::unique_ptr<LayerExchange> layers)
        : temporary(std::move(folder)), exchange(std::move(layers)) {}
    TempDir temporary;
    std::unique_ptr<LayerExchange> exchange; // below the folder, so destroyed before it
    fs::path dockerfile() const { return temporary.path() / "Dockerfile"; }
};

/// What one call of buildx told.
struct Outcome {
    std::size_t first_number = 0;      // of the vertex of the first layer-making step; 0: not known yet
    std::vector<VertexState> unplaced; // numbered vertices that came before that was known
    int exit_status = 0;
    bool was_cancelled = false;
    std::map<std::size_t, VertexState> vertices; // by number of the layer-making step, from 0
    std::string text;                            // plain lines and errors of vertices
    std::optional<std::size_t> failed;           // number of the layer-making step
};

using StepsByVertex =
    std::map<std::string, std::size_t, std::less<>>; // vertex digest → number of the layer-making step

/// A builder that lost a blob asks for it, gets the empty placeholder, and says one of these. (Tried: design §5, 1.)
bool lacks_a_blob(const Outcome& outcome) {
    return outcome.text.find("short read") != std::string::npos ||
           outcome.text.find("unexpected EOF") != std::string::npos;
}

/// A step that the builder ran for a call which was killed meanwhile may stay in its cache without files, for
/// everybody. (Seen on Docker 26.1.5.)
bool has_broken_cache(const Outcome& outcome) {
    return outcome.text.find("failed to stat active key during commit") != std::string::npos;
}

int exit_code_in(std::string_view message) {
    constexpr std::string_view marker = "exit code: ";
    const auto at = message.rfind(marker);
    if (at == message.npos) return 0;
    int code = 0;
    const auto digits = message.substr(at + marker.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), code);
    return code;
}

/// The classic image store can neither take OCI layouts in nor give them out. (Seen on Docker 26.1.5.)
bool lacks_oci_layouts(const Outcome& outcome) {
    return outcome.text.find("is not supported for the docker driver") != std::string::npos ||
           outcome.text.find("unknown scheme oci-layout") != std::string::npos;
}

class BuildxExecutor final : public Executor {
public:
    BuildxExecutor(EngineImages engine, std::vector<fs::path> plugin_folders)
        : engine_(std::move(engine)), plugin_folders_(std::move(plugin_folders)) {}
    std::string_view name() const override { return "buildx"; }

    Result<SegmentResult> run(const Segment& segment, const SegmentObserver& observer, const LayerReader& read_layer,
                              const CancelCheck& is_cancelled) override {
        DBUILD_TRY_ASSIGN(auto attempt,
                          run_once(segment, observer, read_layer, LayerBlobs::placeholders, is_cancelled));
        if (!attempt) { // the builder lost what it had: it is not harmed, and gets the real layers
            DBUILD_TRY_ASSIGN(attempt, run_once(segment, observer, read_layer, LayerBlobs::real, is_cancelled));
            if (!attempt) return fail(ErrorKind::unavailable, "docker buildx cannot read the layers that it was given");
        }
        if (attempt->finished_steps == segment.steps.size()) return std::move(attempt->result);
        return with_finished_layers(segment, std::move(*attempt), read_layer);
    }

private:
    struct Attempt {
        SegmentResult result;
        std::size_t finished_steps = 0; // leading steps of the segment; all of them: the layers are in the result
    };

    /// Nothing: the builder lacks a layer of which it was given a placeholder.
    Result<std::optional<Attempt>> run_once(const Segment& segment, const SegmentObserver& observer,
                                            const LayerReader& read_layer, LayerBlobs blobs,
                                            const CancelCheck& is_cancelled) {
        const bool through_images = uses_images_;
        DBUILD_TRY_ASSIGN(const auto workspace, make_workspace(through_images));
        DBUILD_TRY_ASSIGN(const auto command, prepare(segment, *workspace, read_layer, blobs));
        DBUILD_TRY_ASSIGN(const auto outcome, call_buildx(segment, command, observer, is_cancelled));
        if (!through_images && outcome.exit_status != 0 && lacks_oci_layouts(outcome)) {
            if (!uses_images_.exchange(true) && observer.on_note)
                observer.on_note(
                    "this engine has Docker's classic image store: layers go through images and `docker save`, which "
                    "is "
                    "slow; its containerd image store (\"containerd-snapshotter\" in daemon.json) makes it fast");
            return run_once(segment, observer, read_layer, blobs, is_cancelled);
        }
        Attempt attempt;
        auto& result = attempt.result;
        result.files = workspace;
        result.was_cancelled = outcome.was_cancelled;
        if (outcome.was_cancelled) {
            attempt.finished_steps = step_index(segment, count_finished(outcome));
            return attempt;
        }
        if (outcome.exit_status == 0) {
            DBUILD_TRY_ASSIGN(auto layers, collect_layers(segment, *workspace, outcome, read_layer));
            result.needs_engine_cache_ignored = !layers;
            if (layers) result.layers = std::move(*layers);
            attempt.finished_steps = segment.steps.size();
            return attempt;
        }
        if (has_broken_cache(outcome) && !segment.ignores_engine_cache) {
            result.needs_engine_cache_ignored = true;
            attempt.finished_steps = segment.steps.size();
            return attempt;
        }
        if (lacks_a_blob(outcome)) {
            if (blobs == LayerBlobs::placeholders) return std::nullopt;
            return fail(ErrorKind::unavailable, "docker buildx build failed: " + outcome.text);
        }
        if (!outcome.failed) return fail(ErrorKind::unavailable, "docker buildx build failed: " + outcome.text);
        const auto& message = outcome.vertices.at(*outcome.failed).error;
        attempt.finished_steps = step_index(segment, *outcome.failed);
        result.failure = StepFailure{attempt.finished_steps, exit_code_in(message), message};
        return attempt;
    }

    /// A failing segment exports nothing; the same one cut after what it finished is all cached in the builder.
    Result<SegmentResult> with_finished_layers(const Segment& segment, Attempt attempt, const LayerReader& read_layer) {
        Segment finished = segment;
        finished.steps.resize(attempt.finished_steps);
        finished.ignores_engine_cache = false;
        const bool has_layers = std::any_of(finished.steps.begin(), finished.steps.end(),
                                            [](const SegmentStep& step) { return step.makes_layer; });
        if (!has_layers) return std::move(attempt.result);
        auto kept = run_once(finished, {}, read_layer, LayerBlobs::placeholders, nullptr);
        if (kept && *kept &&
            (*kept)->finished_steps == finished.steps.size()) { // else only the keeping failed: no news
            attempt.result.layers = std::move((*kept)->result.layers);
            attempt.result.files = std::move((*kept)->result.files);
        }
        return std::move(attempt.result);
    }

    /// Leading layer-making steps that ended well.
    static std::size_t count_finished(const Outcome& outcome) {
        std::size_t count = 0;
        for (const auto& [layer, vertex] : outcome.vertices) {
            if (layer != count || !vertex.completed || !vertex.error.empty()) break;
            ++count;
        }
        return count;
    }

    Result<std::shared_ptr<Workspace>> make_workspace(bool through_images) const {
        DBUILD_TRY_ASSIGN(auto temporary, TempDir::create("dbuild-segment"));
        const auto folder = temporary.path() / "layers";
        DBUILD_TRY(make_directories(folder));
        auto exchange = through_images ? make_image_exchange(folder, engine_) : make_oci_exchange(folder);
        return std::make_shared<Workspace>(std::move(temporary), std::move(exchange));
    }

    /// Writes what the command line names, and returns that command line.
    Result<std::vector<std::string>> prepare(const Segment& segment, const Workspace& workspace,
                                             const LayerReader& read_layer, LayerBlobs blobs) const {
        auto command = buildx_program(plugin_folders_);
        command.insert(command.end(), {"build", "--progress=rawjson", "--provenance=false"});
        DBUILD_TRY_ASSIGN(const auto exchange, workspace.exchange->hand_in(segment, blobs, read_layer));
        command.insert(command.end(), exchange.begin(), exchange.end());
        for (std::size_t i = 0; i < segment.arguments.size(); ++i) {
            command.push_back("--build-arg");
            command.push_back(fmt::format("DBUILD_{}={}", i, segment.arguments[i].second));
        }
        for (const auto& [name, value] : segment.proxy_arguments) {
            command.push_back("--build-arg");
            command.push_back(name + "=" + value);
        }
        for (const auto& secret : segment.secrets) command.insert(command.end(), {"--secret", secret});
        for (const auto& agent : segment.ssh_agents) command.insert(command.end(), {"--ssh", agent});
        if (segment.ignores_engine_cache) command.push_back("--no-cache");
        DBUILD_TRY(write_inputs(segment, workspace));
        command.push_back("-f");
        command.push_back(workspace.dockerfile().string());
        DBUILD_TRY_ASSIGN(const auto context, name_context(segment, workspace));
        command.push_back(context.string());
        return command;
    }

    static Status write_inputs(const Segment& segment, const Workspace& workspace) {
        DBUILD_TRY(write_file(workspace.dockerfile(), generate_dockerfile(segment)));
        // The comment makes the file count: BuildKit takes an empty one for an absent one.
        return write_file(workspace.temporary.path() / "Dockerfile.dockerignore",
                          "# dbuild\n" + segment.ignore_patterns);
    }

    /// BuildKit shares transferred contexts by the base name of their directory, and does not read a file again whose
    /// size and mtime are as before. So each content of each directory gets a name of its own. (Tried: design §5, 7.)
    static Result<fs::path> name_context(const Segment& segment, const Workspace& workspace) {
        if (segment.context.empty()) {
            DBUILD_TRY(make_directories(workspace.temporary.path() / "empty"));
            return workspace.temporary.path() / "empty";
        }
        std::error_code error;
        const auto real = fs::canonical(segment.context, error);
        if (error)
            return fail(ErrorKind::unavailable, "cannot resolve " + segment.context.string() + ": " + error.message());
        const auto name = sha256(real.string() + '\0' + segment.context_digest).hex().substr(0, 24);
        const auto link = workspace.temporary.path() / ("dbuild-" + name);
        fs::create_directory_symlink(real, link, error);
        if (error) return fail(ErrorKind::unavailable, "cannot link " + link.string() + ": " + error.message());
        return link;
    }

    Result<Outcome> call_buildx(const Segment& segment, const std::vector<std::string>& command,
                                const SegmentObserver& observer, const CancelCheck& is_cancelled) const {
        Outcome outcome;
        StepsByVertex step_of;
        ProgressStream stream({
            .on_vertex = [&](const VertexState& vertex) { note_vertex(segment, vertex, observer, outcome, step_of); },
            .on_output =
                [&](std::string_view digest, std::string_view output) {
                    const auto step = step_of.find(digest);
                    if (step != step_of.end() && observer.on_output)
                        observer.on_output(step_index(segment, step->second), output);
                },
            .on_text = [&](std::string_view line) { outcome.text.append(line).append("\n"); },
        });
        if (observer.on_process_started) observer.on_process_started();
        ProcessOptions options;
        options.arguments = command;
        // What git would be asked for is in the provenance only.
        options.environment = {"BUILDX_GIT_INFO=false", k_plugin_environment};
        const auto process = run_process(
            options, [](std::string_view) {}, [&](std::string_view bytes) { stream.feed(bytes); }, is_cancelled);
        stream.finish();
        outcome.was_cancelled = !process && process.error().kind == ErrorKind::interrupted;
        if (!process && !outcome.was_cancelled) return fail(process.error());
        outcome.exit_status = process ? process->exit_status : 0;
        return outcome;
    }

    /// Vertices are numbered "[k/n]". Whether FROM counts depends on where it comes from: it has number 1, or (a named
    /// context, seen with buildx 0.13) no number at all, or does not exist (scratch). So number 1 says where steps
    /// begin.
    static void note_vertex(const Segment& segment, const VertexState& vertex, const SegmentObserver& observer,
                            Outcome& outcome, StepsByVertex& step_of) {
        const auto number = vertex_number(vertex.name);
        if (!number) {
            if (!vertex.error.empty()) outcome.text += vertex.error + "\n";
            return;
        }
        if (outcome.first_number == 0 && number->number != 1) {
            outcome.unplaced.push_back(vertex);
            return;
        }
        if (outcome.first_number == 0) {
            outcome.first_number = vertex.name.find("] FROM ") == std::string::npos ? 1 : 2;
            for (const auto& earlier : std::exchange(outcome.unplaced, {}))
                note_vertex(segment, earlier, observer, outcome, step_of);
        }
        if (number->number < outcome.first_number) return; // FROM
        const auto layer = number->number - outcome.first_number;
        if (layer >= count_layers(segment)) return;
        const auto index = step_index(segment, layer);
        step_of[vertex.digest] = layer;
        auto& known = outcome.vertices[layer];
        if (vertex.started && !known.started && observer.on_started) observer.on_started(index);
        const bool finishes = vertex.completed && !known.completed;
        known = vertex;
        if (!vertex.error.empty()) {
            outcome.failed = layer;
            outcome.text += vertex.error + "\n";
        } else if (finishes && vertex.started && observer.on_finished) {
            observer.on_finished(index, *vertex.completed - *vertex.started, vertex.is_cached);
        }
    }

    static std::size_t count_layers(const Segment& segment) {
        return static_cast<std::size_t>(std::count_if(segment.steps.begin(), segment.steps.end(),
                                                      [](const SegmentStep& step) { return step.makes_layer; }));
    }

    /// Index into Segment::steps of the n-th layer-making one.
    static std::size_t step_index(const Segment& segment, std::size_t n) {
        for (std::size_t i = 0; i < segment.steps.size(); ++i)
            if (segment.steps[i].makes_layer && n-- == 0) return i;
        return segment.steps.size();
    }

    /// Layers by position: the k-th layer-making step made diff_ids[root layers + k]. Nothing where they stand on other
    /// layers, or their number is another one: BuildKit 0.13 finds results of RUN --mount=type=secret and type=ssh by
    /// the content of the root file system, and takes one that stands on other layers (tests/cli/other_layers.sh).
    static Result<std::optional<std::vector<MadeLayer>>> collect_layers(const Segment& segment,
                                                                        const Workspace& workspace,
                                                                        const Outcome& outcome,
                                                                        const LayerReader& read_layer) {
        DBUILD_TRY_ASSIGN(const auto exported, workspace.exchange->take_out(segment, read_layer));
        const auto below = segment.root.layers.size();
        const auto count = count_layers(segment);
        const auto& given = segment.root.layers;
        const auto is_same = [](const RootLayer& layer, const auto& found) { return layer.diff_id == found.diff_id; };
        if (exported.size() != below + count || !std::equal(given.begin(), given.end(), exported.begin(), is_same))
            return std::nullopt;
        std::vector<MadeLayer> layers;
        const auto now = Instant(std::chrono::system_clock::now());
        for (std::size_t k = 0; k < count; ++k) {
            const auto vertex = outcome.vertices.find(k);
            const bool is_known = vertex != outcome.vertices.end();
            const auto started = is_known ? vertex->second.started.value_or(now) : now;
            const auto finished = is_known ? vertex->second.completed.value_or(now) : now;
            layers.push_back({exported[below + k].diff_id, exported[below + k].blob, started, finished});
        }
        return layers;
    }

    EngineImages engine_;
    std::vector<fs::path> plugin_folders_;
    std::atomic<bool> uses_images_ = false; // the engine was found to know no OCI layouts
};

} // namespace

std::unique_ptr<Executor> make_buildx_executor(EngineImages engine, std::vector<fs::path> plugin_folders) {
    return std::make_unique<BuildxExecutor>(std::move(engine), std::move(plugin_folders));
}

} // namespace dbuild::executors::buildx
