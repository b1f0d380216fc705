// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/saved_layers.hpp"

#include "cache/oci/archive_stream.hpp"
#include "cache/oci/byte_source.hpp"
#include "support/files.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

/// Reads on to the end, so that whoever sends is not stopped. An error of the source is one of the sender, who says it.
void read_to_the_end(const oci::ByteSource& source) {
    std::string buffer(std::size_t{1} << 18, '\0');
    for (Result<std::size_t> count = buffer.size(); count && *count > 0;) count = source(buffer.data(), buffer.size());
}

/// Keeps nothing of the blobs but what they hold.
class LayerScanner : public oci::ImageTarget {
public:
    explicit LayerScanner(executors::Executor* runs_on_it) : runs_on_it_(runs_on_it) {}
    LayerScans scans;

    Result<oci::PushOutcome> put_blob(const oci::Descriptor& blob, oci::ImageSource& from) override {
        std::optional<oci::LayerScan> found;
        const auto send = [&](const oci::ByteSink& sink) { return from.read_blob(blob, sink); };
        const auto scan = [&](const oci::ByteSource& source) -> Status {
            if (auto scanned = runs_on_it_ ? runs_on_it_->look_into(source) : oci::scan_layer(source))
                found = std::move(*scanned);
            read_to_the_end(source);
            return {};
        };
        DBUILD_TRY(oci::pull_what_is_pushed(send, scan));
        if (found) scans.emplace(blob.digest, std::move(*found));
        return oci::PushOutcome::was_there;
    }
    Result<Presence> find_image(const oci::Descriptor&) override { return Presence::absent; }
    Status put_manifest(const oci::FetchedManifest&, Role) override { return {}; }

private:
    executors::Executor* runs_on_it_;
};

} // namespace

Result<LayerScans> save_and_scan(EngineClient& engine, const std::string& id, const std::filesystem::path& archive,
                                 executors::Executor* runs_on_it) {
    const Fd file(::open(archive.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.is_open())
        return fail(ErrorKind::unavailable, "cannot write " + archive.string() + ": " + std::strerror(errno));
    LayerScanner scanner(runs_on_it);
    const auto save = [&](const oci::ByteSink& sink) {
        return engine.save(id, [&](std::string_view bytes) -> Status {
            DBUILD_TRY(write_all(file.get(), bytes, archive.string()));
            return sink(bytes);
        });
    };
    const auto scan = [&](const oci::ByteSource& source) -> Status {
        (void)oci::pass_archive(source, scanner); // whoever reads the file says what is wrong with it
        read_to_the_end(source);
        return {};
    };
    DBUILD_TRY(oci::pull_what_is_pushed(save, scan));
    return std::move(scanner.scans);
}

} // namespace dbuild::orchestrator
