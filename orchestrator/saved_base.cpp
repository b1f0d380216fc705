// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/saved_base.hpp"

#include "cache/oci/archive_stream.hpp"
#include "cache/oci/byte_source.hpp"
#include "orchestrator/store_target.hpp"

#include <algorithm>
#include <optional>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

/// Reads on to the end, so that whoever sends is not stopped. An error of the source is one of the sender, who says it.
void read_to_the_end(const oci::ByteSource& source) {
    std::string buffer(std::size_t{1} << 18, '\0');
    for (Result<std::size_t> count = buffer.size(); count && *count > 0;) count = source(buffer.data(), buffer.size());
}

/// A blob that somebody else reads along.
class SharedBlob : public oci::ImageSource {
public:
    SharedBlob(oci::ImageSource& from, const oci::ByteSink& also) : from_(from), also_(also) {}
    Result<oci::FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        return from_.read_manifest(digest);
    }
    Status read_blob(const oci::Descriptor& blob, const oci::ByteSink& sink) override {
        return from_.read_blob(blob, [&](std::string_view bytes) -> Status {
            DBUILD_TRY(sink(bytes));
            return also_(bytes);
        });
    }

private:
    oci::ImageSource& from_;
    const oci::ByteSink& also_;
};

class LayerKeeper : public oci::ImageTarget {
public:
    LayerKeeper(const Parts& parts, const BaseImage& base, executors::Executor* runs_on_it)
        : layers_(*parts.layers), diff_ids_(base.config.diff_ids), runs_on_it_(runs_on_it) {}
    std::map<Digest, oci::LayerScan> scans;

    Result<oci::PushOutcome> put_blob(const oci::Descriptor& blob, oci::ImageSource& from) override {
        const bool is_plain = blob.media_type == oci::k_layer_type;
        const bool is_foreign =
            is_plain && std::find(diff_ids_.begin(), diff_ids_.end(), blob.digest) == diff_ids_.end();
        if (is_foreign) return oci::PushOutcome::was_there; // no layer of this image, or none at all
        std::optional<oci::LayerScan> found;
        const auto keep = [&](const oci::ByteSink& also) {
            SharedBlob shared(from, also);
            return fetch_layer(shared, blob, is_plain ? blob.digest : Digest(), layers_);
        };
        const auto scan = [&](const oci::ByteSource& source) -> Status {
            if (auto scanned = runs_on_it_ ? runs_on_it_->look_into(source) : oci::scan_layer(source))
                found = std::move(*scanned);
            read_to_the_end(source);
            return {};
        };
        DBUILD_TRY(oci::pull_what_is_pushed(keep, scan));
        if (found) scans.emplace(blob.digest, std::move(*found));
        return oci::PushOutcome::uploaded;
    }
    Result<Presence> find_image(const oci::Descriptor&) override { return Presence::absent; }
    Status put_manifest(const oci::FetchedManifest&, Role) override { return {}; }

private:
    const cache::store::LayerStore& layers_;
    const std::vector<Digest>& diff_ids_;
    executors::Executor* runs_on_it_;
};

} // namespace

Result<SavedBase> save_into_store(const Parts& parts, const BaseImage& base, executors::Executor* runs_on_it) {
    LayerKeeper keeper(parts, base, runs_on_it);
    SavedBase saved;
    const auto save = [&](const oci::ByteSink& sink) {
        return parts.engine->save(base.id, [&](std::string_view bytes) -> Status {
            if (parts.cancelled && *parts.cancelled) return fail(ErrorKind::interrupted, "interrupted");
            return sink(bytes);
        });
    };
    const auto pass = [&](const oci::ByteSource& source) -> Status {
        DBUILD_TRY_ASSIGN(auto passed, oci::pass_archive(source, keeper));
        saved.texts = std::move(passed.texts);
        read_to_the_end(source);
        return {};
    };
    DBUILD_TRY(oci::pull_what_is_pushed(save, pass));
    saved.scans = std::move(keeper.scans);
    return saved;
}

} // namespace dbuild::orchestrator
