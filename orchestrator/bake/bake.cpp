// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/bake.hpp"

#include "orchestrator/build.hpp"
#include "orchestrator/command_line/bake_command_line.hpp"
#include "orchestrator/shared_contexts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace dbuild::orchestrator {
namespace {

using Outcome = BakeImage::Outcome;

constexpr std::size_t k_images_at_once = 16; // a thread and an open cache each; most wait for one another's steps

/// Says of each event which image it is about.
class ImageReporter final : public progress::Reporter {
public:
    ImageReporter(std::string image, progress::Reporter& inner) : image_(std::move(image)), inner_(inner) {}

    void report(const progress::Event& event) override {
        auto named = event;
        std::visit([this](auto& e) { name(e); }, named);
        inner_.report(named);
    }

private:
    template <class Event>
    void name(Event& event) const {
        if constexpr (requires { event.step.image; }) event.step.image = image_;
    }
    void name(progress::Note& note) const { note.text = fmt::format("{}: {}", image_, note.text); }
    void name(progress::Warning& warning) const { warning.text = fmt::format("{}: {}", image_, warning.text); }

    std::string image_;
    progress::Reporter& inner_;
};

class Bakery {
public:
    Bakery(std::vector<BakeImage>& images, const BakeRun& run) : images_(images), run_(run) {}

    std::uint64_t bake() {
        constexpr auto k_look_for_a_signal = std::chrono::milliseconds(50);
        std::unique_lock lock(mutex_);
        std::vector<std::jthread> threads;
        for (;;) {
            if (run_.cancelled) must_end_ = true;
            for (auto& image : images_)
                if (!must_end_ && running_ < k_images_at_once && is_ready(image)) {
                    ++running_;
                    started_[image.target.name] = false;
                    threads.emplace_back([this, &image] { build_one(image); });
                }
            if (running_ == 0) break;
            ended_.wait_for(lock, k_look_for_a_signal);
        }
        lock.unlock();
        threads.clear(); // joins
        for (auto& image : images_)
            if (!started_.contains(image.target.name)) image.reason = {ErrorKind::interrupted, "not begun", {}, {}};
        return contexts_.bytes_read();
    }

private:
    /// What it reads has ended. One whose input there will not be is ended here.
    bool is_ready(BakeImage& image) {
        if (started_.contains(image.target.name)) return false;
        for (const auto& [context, other] : image.target.reads) {
            const auto read = started_.find(other);
            if (read == started_.end() || !read->second) return false;
            const auto& source = find(other);
            if (source.outcome == Outcome::built) continue;
            image.outcome = source.outcome == Outcome::handed_over ? Outcome::handed_over : Outcome::not_built;
            image.reason = {
                source.reason.kind, fmt::format("target {}, which it reads from, was not built here", other), {}, {}};
            started_[image.target.name] = true;
            return false;
        }
        return true;
    }

    BakeImage& find(const std::string& name) const {
        return *std::find_if(images_.begin(), images_.end(),
                             [&](const BakeImage& image) { return image.target.name == name; });
    }

    void build_one(BakeImage& image) {
        const auto begin = std::chrono::steady_clock::now();
        Status done = make(image);
        if (!done && done.error().kind == ErrorKind::corrupt && !image.target.reads.empty()) {
            if (make_read_targets_again(image)) done = make(image);
        }
        image.wall = std::chrono::steady_clock::now() - begin;
        const std::lock_guard lock(mutex_);
        note_outcome(image, std::move(done));
        started_[image.target.name] = true;
        --running_;
        ended_.notify_one();
    }

    /// Only reading a layer shows that the store has lost it, and only the target whose layer it is can make it again.
    Status make_read_targets_again(const BakeImage& image) {
        const std::lock_guard lock(remaking_);
        for (const auto& [context, other] : image.target.reads) {
            auto& read = find(other);
            DBUILD_TRY(make_read_targets_again(read));
            DBUILD_TRY(make(read));
        }
        return {};
    }

    Status make(BakeImage& image) {
        ImageReporter reporter(image.target.name, run_.reporter);
        std::shared_ptr<const BaseImage> made;
        {
            const std::lock_guard lock(mutex_);
            for (const auto& [context, other] : image.target.reads)
                image.line.options.image_contexts[context] = made_.at(other);
        }
        const auto work = [&](const Parts& parts, const BuildOptions& options) -> Status {
            auto own_parts = parts;
            own_parts.contexts = &contexts_;
            DBUILD_TRY_ASSIGN(auto base, build(own_parts, options, image.report));
            base.reference = "target:" + image.target.name;
            made = std::make_shared<const BaseImage>(std::move(base));
            return {};
        };
        if (!image.target.unplanned.empty()) return fail(ErrorKind::unsupported, image.target.unplanned);
        DBUILD_TRY(
            build_image(run_.machine, image.line, {EngineUse::build, work, &reporter, &must_end_}, image.report));
        const std::lock_guard lock(mutex_);
        made_[image.target.name] = std::move(made);
        return {};
    }

    void note_outcome(BakeImage& image, Status done) {
        image.outcome = Outcome::built;
        if (done) return;
        image.reason = std::move(done).error();
        if (image.reason.kind == ErrorKind::unsupported || image.reason.kind == ErrorKind::no_space) {
            image.outcome = Outcome::handed_over;
        } else if (image.reason.kind == ErrorKind::interrupted) {
            image.outcome = Outcome::not_built;
        } else {
            image.outcome = Outcome::failed;
            run_.reporter.report(progress::ImageFailed{image.target.name, image.reason});
            if (run_.at_failure == AtFailure::end_all) must_end_ = true;
        }
    }

    std::vector<BakeImage>& images_;
    const BakeRun& run_;
    SharedContexts contexts_;
    std::atomic<bool> must_end_ = false;
    std::recursive_mutex remaking_; // one at a time: what the first makes again, the second finds
    std::mutex mutex_;              // of what follows, and of outcomes
    std::condition_variable ended_;
    std::size_t running_ = 0;
    std::map<std::string, bool> started_;                          // and whether it has ended
    std::map<std::string, std::shared_ptr<const BaseImage>> made_; // shared with those that read them
};

} // namespace

Result<std::vector<BakeImage>> images_of(const BakeFile& file, const std::vector<std::string>& targets,
                                         const std::vector<std::string>& selected, const BakeCommandLine& line) {
    std::set<std::string> read;
    for (const auto& name : targets)
        for (const auto& [context, other] : file.target(name).reads) read.insert(other);
    std::vector<BakeImage> images;
    for (const auto& name : targets) {
        BakeImage image{file.target(name), {}, {}, {}, {}, {}, false};
        auto words = line.words;
        image.is_only_read = std::find(selected.begin(), selected.end(), name) == selected.end();
        if (image.is_only_read)
            words.emplace_back("--output=type=cacheonly");
        else if (line.is_pushed || line.is_loaded)
            words.emplace_back(line.is_pushed ? "--push" : "--load");
        const bool is_replaced = words.size() > line.words.size(); // as of docker buildx, which sets the only output
        for (const auto& word : image.target.words)
            if (!is_replaced || !word.starts_with("--output=")) words.push_back(word);
        auto parsed = parse_build_command_line(words);
        if (!parsed) {
            parsed.error().message = fmt::format("target {}: {}", name, parsed.error().message);
            return fail(std::move(parsed).error());
        }
        image.line = std::move(*parsed);
        auto& options = image.line.options;
        options.dockerfile_text = image.target.dockerfile_text;
        options.keeps_layers = read.contains(name);
        if (!line.scope.empty())
            options.scope = line.scope + "/" + name;
        else if (!image.target.has_tags)
            options.scope = name;
        images.push_back(std::move(image));
    }
    return images;
}

std::uint64_t bake(std::vector<BakeImage>& images, const BakeRun& run) { return Bakery(images, run).bake(); }

} // namespace dbuild::orchestrator
