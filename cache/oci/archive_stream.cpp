// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/archive_stream.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/byte_source.hpp"
#include "cache/oci/decompression.hpp"
#include "cache/oci/layout_folder.hpp"
#include "cache/oci/tar_stream.hpp"

#include <algorithm>
#include <map>

namespace dbuild::cache::oci {
namespace {

constexpr std::size_t k_max_text_bytes = std::size_t{8} << 20; // more is no manifest and no configuration
constexpr std::size_t k_max_held_bytes = std::size_t{64} << 20;

/// A blob that is just passing: it can be read once.
class PassingBlob : public ImageSource {
public:
    explicit PassingBlob(ByteSource bytes) : bytes_(std::move(bytes)) {}
    Result<FetchedManifest> read_manifest(const std::optional<Digest>&) override {
        return fail(ErrorKind::internal, "a blob has no manifest");
    }
    Status read_blob(const Descriptor& blob, const ByteSink& sink) override { return copy_checked(bytes_, blob, sink); }

private:
    ByteSource bytes_;
};

class HeldTexts : public ImageSource {
public:
    bool has_room_for(std::uint64_t bytes) const {
        return bytes <= k_max_text_bytes && held_bytes_ + bytes <= k_max_held_bytes;
    }
    /// Errors: corrupt.
    Status hold(std::string_view name, std::string text) {
        held_bytes_ += text.size();
        if (name == "index.json")
            index_ = std::move(text);
        else if (auto digest = sha256(text); name == blob_member(digest))
            texts_.emplace(digest, std::move(text));
        else
            return fail(ErrorKind::corrupt,
                        "the image archive has other bytes in it than their name " + std::string(name) + " says");
        return {};
    }

    Result<FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        Digest wanted;
        if (digest) {
            wanted = *digest;
        } else {
            if (index_.empty()) return fail(ErrorKind::not_found, "the image archive has no index.json");
            DBUILD_TRY_ASSIGN(const auto root, find_in_layout(index_, ""));
            wanted = root.digest;
        }
        DBUILD_TRY_ASSIGN(const auto* text, find(wanted));
        DBUILD_TRY_ASSIGN(auto type, manifest_type_of(*text));
        return FetchedManifest{{std::move(type), wanted, text->size()}, *text};
    }
    Status read_blob(const Descriptor& blob, const ByteSink& sink) override {
        DBUILD_TRY_ASSIGN(const auto* text, find(blob.digest));
        return copy_checked(text_source(*text), blob, sink);
    }

private:
    Result<const std::string*> find(const Digest& digest) const {
        const auto found = texts_.find(digest);
        if (found == texts_.end()) return fail(ErrorKind::not_found, "the image archive has no " + digest.to_string());
        return &found->second;
    }

    std::string index_;
    std::map<Digest, std::string> texts_;
    std::size_t held_bytes_ = 0;
};

void note(PushOutcome outcome, std::uint64_t bytes, CopyReport& report) {
    report.blobs_there += outcome == PushOutcome::was_there;
    report.blobs_mounted += outcome == PushOutcome::mounted;
    report.blobs_moved += outcome == PushOutcome::uploaded;
    if (outcome == PushOutcome::uploaded) report.bytes_moved += bytes;
}

/// Manifests, indexes and configurations begin so, and so do attestations.
bool is_json(std::string_view begin) {
    const auto first = begin.find_first_not_of(" \t\r\n");
    const bool is_tar = begin.size() == k_tar_block_bytes && has_tar_checksum(begin);
    return first != begin.npos && begin[first] == '{' && !is_tar;
}

} // namespace

Result<PassedArchive> pass_archive(const ByteSource& archive, ImageTarget& to) {
    auto texts = std::make_unique<HeldTexts>();
    PassedArchive passed;
    TarStream stream(archive);
    const ByteSource member_bytes = [&](char* buffer, std::size_t capacity) { return stream.read(buffer, capacity); };
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto member, stream.next());
        if (!member) break;
        const bool is_blob = member->name.starts_with(k_blob_folder);
        if (!is_blob && member->name != "index.json") continue;
        DBUILD_TRY_ASSIGN(auto begin, read_start(member_bytes, k_tar_block_bytes));
        if (!is_blob || (is_json(begin) && texts->has_room_for(member->size))) {
            if (member->size > k_max_text_bytes) return fail(ErrorKind::corrupt, "the image archive has a huge index");
            DBUILD_TRY_ASSIGN(auto rest, read_start(member_bytes, member->size - begin.size()));
            DBUILD_TRY(texts->hold(member->name, std::move(begin) + rest));
            continue;
        }
        DBUILD_TRY_ASSIGN(const auto digest, Digest::parse("sha256:" + member->name.substr(k_blob_folder.size())));
        Descriptor descriptor{is_compressed(begin) ? "" : std::string(k_layer_type), digest, member->size};
        PassingBlob blob(put_back(std::move(begin), member_bytes));
        DBUILD_TRY_ASSIGN(const auto outcome, to.put_blob(descriptor, blob));
        note(outcome, member->size, passed.report);
    }
    passed.texts = std::move(texts);
    return passed;
}

} // namespace dbuild::cache::oci
