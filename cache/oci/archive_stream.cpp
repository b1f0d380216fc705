// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/archive_stream.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/byte_source.hpp"
#include "cache/oci/decompression.hpp"
#include "cache/oci/layout_folder.hpp"

#include <algorithm>
#include <map>

namespace dbuild::cache::oci {
namespace {

constexpr std::size_t k_max_held_bytes = std::size_t{64} << 20;

/// The members of a tar, one after the other.
class TarStream {
public:
    explicit TarStream(const ByteSource& source) : source_(source) {}

    /// The next file, or nothing at the end of the archive. What was not read of the one before is passed over.
    Result<std::optional<TarMember>> next() {
        for (;;) {
            DBUILD_TRY(pass_over(left_ + padding_));
            char block[k_tar_block_bytes];
            DBUILD_TRY(read_whole(block, sizeof block));
            if (block[0] == '\0') return std::nullopt;
            const auto member = parse_tar_header({block, sizeof block});
            if (!member) return fail(ErrorKind::corrupt, "the image archive is damaged");
            left_ = member->size;
            padding_ = tar_padding(member->size).size();
            if (member->is_file) return member;
        }
    }

    /// Of the current member. Out: 0 — it has ended.
    Result<std::size_t> read(char* buffer, std::size_t capacity) {
        if (left_ == 0) return std::size_t{0};
        DBUILD_TRY_ASSIGN(const auto count, source_(buffer, std::min<std::uint64_t>(capacity, left_)));
        if (count == 0) return fail(ErrorKind::corrupt, "the image archive is cut off");
        left_ -= count;
        return count;
    }

private:
    Status read_whole(char* buffer, std::size_t size) {
        while (size > 0) {
            DBUILD_TRY_ASSIGN(const auto count, source_(buffer, size));
            if (count == 0) return fail(ErrorKind::corrupt, "the image archive is cut off");
            buffer += count;
            size -= count;
        }
        return {};
    }
    Status pass_over(std::uint64_t bytes) {
        std::string buffer(std::min<std::uint64_t>(bytes, std::uint64_t{1} << 18), '\0');
        for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, buffer.size()))
            DBUILD_TRY(read_whole(buffer.data(), std::min<std::uint64_t>(bytes, buffer.size())));
        left_ = padding_ = 0;
        return {};
    }

    const ByteSource& source_;
    std::uint64_t left_ = 0, padding_ = 0; // of the current member
};

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
    /// Errors: corrupt.
    Status hold(std::string_view name, std::string text) {
        held_bytes_ += text.size();
        if (held_bytes_ > k_max_held_bytes)
            return fail(ErrorKind::corrupt, "the image archive has too much JSON in it");
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

Result<std::string> read_text(TarStream& stream, std::string text, std::uint64_t size) {
    if (size > k_max_held_bytes) return fail(ErrorKind::corrupt, "the image archive has too much JSON in it");
    auto have = text.size();
    text.resize(size);
    while (have < size) {
        DBUILD_TRY_ASSIGN(const auto count, stream.read(text.data() + have, size - have));
        have += count;
    }
    return text;
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
        const bool is_tar = begin.size() == k_tar_block_bytes && parse_tar_header(begin);
        if (!is_blob || (begin.starts_with('{') && !is_tar)) {
            DBUILD_TRY_ASSIGN(auto text, read_text(stream, std::move(begin), member->size));
            DBUILD_TRY(texts->hold(member->name, std::move(text)));
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
