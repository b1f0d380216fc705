// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/registry_image.hpp"

#include "cache/oci/byte_source.hpp"
#include "support/files.hpp"
#include "support/parallel.hpp"

#include <atomic>
#include <fcntl.h>
#include <functional>
#include <future>
#include <map>
#include <type_traits>
#include <unistd.h>

namespace dbuild::cache::oci {
namespace {

/// A manifest is asked for by its digest where there is one: the tag may have moved.
std::string manifest_reference(const ImageReference& image) { return image.digest.empty() ? image.tag : image.digest; }

/// Reads from the mirrors of the registry, in turn, and from itself where none of them delivers.
class RegistrySource : public ImageSource {
public:
    RegistrySource(Registries& registries, ImageReference image) : image_(std::move(image)) {
        if (image_.domain == "docker.io")
            for (const auto& mirror : registries.settings().mirrors) places_.push_back(&registries.at(mirror));
        places_.push_back(&registries.at(image_.domain));
    }
    Result<FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        const auto reference = digest ? digest->to_string() : manifest_reference(image_);
        return ask([&](Registry& place) { return place.fetch_manifest(image_.path, reference); });
    }
    Status read_blob(const Descriptor& blob, const ByteSink& sink) override {
        bool has_begun = false; // what the sink has cannot be taken back
        const auto fetch = [&](Registry& place) {
            return place.fetch_blob(image_.path, blob, [&](std::string_view bytes) {
                has_begun = true;
                return sink(bytes);
            });
        };
        return ask(fetch, [&] { return !has_begun; });
    }
    std::string repository_in(std::string_view host) override { return host == image_.domain ? image_.path : ""; }

private:
    ImageReference image_;
    std::vector<Registry*> places_;      // the registry itself is the last
    std::atomic<std::size_t> first_ = 0; // those before it could not be reached

    template <class Question>
    auto ask(
        Question question, const std::function<bool()>& may_go_on = [] { return true; })
        -> std::invoke_result_t<Question, Registry&> {
        for (std::size_t i = first_;; ++i) {
            auto answer = question(*places_[i]);
            if (!answer && answer.error().kind == ErrorKind::unavailable && i + 1 < places_.size()) first_ = i + 1;
            if (answer || i + 1 == places_.size() || answer.error().kind == ErrorKind::interrupted || !may_go_on())
                return answer;
        }
    }
};

/// A blob on its way into a registry.
class SpooledBlob {
public:
    static Result<SpooledBlob> take(const Descriptor& blob, ImageSource& from) {
        if (auto path = from.file_of(blob.digest)) return SpooledBlob(std::nullopt, std::move(*path));
        DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-push"));
        auto path = folder.path() / "blob";
        const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
        DBUILD_TRY(from.read_blob(blob, [&](std::string_view bytes) { return write_all(fd.get(), bytes, path); }));
        return SpooledBlob(std::move(folder), std::move(path));
    }
    Result<ByteSource> open() const { return file_source(path_); }

private:
    SpooledBlob(std::optional<TempDir> folder, std::filesystem::path path)
        : folder_(std::move(folder)), path_(std::move(path)) {}
    std::optional<TempDir> folder_;
    std::filesystem::path path_;
};

/// Looks for blobs in a repository, in threads of its own.
class BlobSearch {
public:
    BlobSearch(Registry& registry, std::string repository, const std::vector<Descriptor>& blobs, std::size_t threads) {
        for (const auto& blob : blobs) is_there_[blob.digest] = false;
        const auto search = [this, &registry, repository = std::move(repository), threads]() -> Status {
            std::vector<std::pair<const Digest, bool>*> wanted;
            for (auto& blob : is_there_) wanted.push_back(&blob);
            const auto look = [&](std::size_t i) -> Status {
                DBUILD_TRY_ASSIGN(wanted[i]->second, registry.has_blob(repository, wanted[i]->first));
                return {};
            };
            if (wanted.empty()) return {};
            DBUILD_TRY(look(0)); // finds the server, and gets the right to ask on
            return for_each_parallel(wanted.size() - 1, threads, [&](std::size_t i) { return look(i + 1); });
        };
        search_ = std::async(std::launch::async, search);
    }
    /// False also of a blob that was not looked for. Errors: the registry's; asking again would take as long again.
    Result<bool> has_found(const Digest& digest) const {
        const auto blob = is_there_.find(digest);
        if (blob == is_there_.end()) return false;
        DBUILD_TRY(Status(search_.get()));
        return blob->second;
    }

private:
    std::map<Digest, bool> is_there_;   // its keys never change; its values belong to the search until that has ended
    std::shared_future<Status> search_; // the last member: its end is waited for before anything else goes
};

class RegistryTarget : public ImageTarget {
public:
    RegistryTarget(Registries& registries, ImageReference image)
        : registry_(registries.at(image.domain)), image_(std::move(image)) {}
    void expect(const std::vector<Descriptor>& blobs) override {
        search_ = std::make_unique<BlobSearch>(registry_, image_.path, blobs, max_parallel());
    }
    Result<Presence> find_image(const Descriptor& root) override {
        if (search_) return Presence::absent;
        DBUILD_TRY_ASSIGN(const auto named, registry_.find_manifest(image_.path, manifest_reference(image_)));
        if (named && named->digest == root.digest) return Presence::complete;
        DBUILD_TRY_ASSIGN(const auto unnamed, registry_.find_manifest(image_.path, root.digest.to_string()));
        return unnamed ? Presence::unnamed : Presence::absent;
    }
    Result<PushOutcome> put_blob(const Descriptor& blob, ImageSource& from) override {
        if (search_) {
            DBUILD_TRY_ASSIGN(const bool is_there, search_->has_found(blob.digest));
            if (is_there) return PushOutcome::was_there;
        }
        std::optional<SpooledBlob> spooled; // made when the registry turns out not to have it
        const auto open = [&]() -> Result<ByteSource> {
            if (!spooled) {
                DBUILD_TRY_ASSIGN(auto taken, SpooledBlob::take(blob, from));
                spooled.emplace(std::move(taken));
            }
            return spooled->open();
        };
        return registry_.push_blob(image_.path, blob, open, from.repository_in(registry_.host()));
    }
    Status put_manifest(const FetchedManifest& manifest, Role role) override {
        const auto digest = manifest.descriptor.digest.to_string();
        if (role == Role::root && !image_.digest.empty() && image_.digest != digest)
            return fail(ErrorKind::usage, image_.to_string() + ": the image has the digest " + digest);
        const auto reference = role == Role::root ? manifest_reference(image_) : digest;
        return registry_.push_manifest(image_.path, reference, manifest.descriptor.media_type, manifest.bytes);
    }

private:
    Registry& registry_;
    ImageReference image_;
    std::unique_ptr<BlobSearch> search_; // of what was expected
};

} // namespace

std::unique_ptr<ImageSource> make_registry_source(Registries& registries, ImageReference image) {
    return std::make_unique<RegistrySource>(registries, std::move(image));
}

std::unique_ptr<ImageTarget> make_registry_target(Registries& registries, ImageReference image) {
    return std::make_unique<RegistryTarget>(registries, std::move(image));
}

} // namespace dbuild::cache::oci
