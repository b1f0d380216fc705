// SPDX-License-Identifier: Apache-2.0
#include "cache/store/prune.hpp"

#include "cache/store/catalog.hpp"
#include "cache/store/eviction_order.hpp"
#include "cache/store/lease.hpp"
#include "cache/store/rebuild.hpp"
#include "cache/store/records.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::uint64_t k_default_max_bytes = 20'000'000'000;
constexpr double k_repack_below = 0.6;               // of a pack's bytes still needed: storage.md §3.4
constexpr auto k_orphan_age = std::chrono::hours(1); // another process may just be about to record it

std::uint64_t file_bytes(const fs::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

/// Layers kept in files of their own: blobs of base images, and layers of format 1.
struct LayerFile {
    fs::path path;
    Digest digest;
    std::uint64_t bytes = 0;
    std::int64_t used = 0;
};

Result<std::vector<LayerFile>> layer_files(const fs::path& root) {
    std::vector<LayerFile> files;
    DBUILD_TRY_ASSIGN(const auto folders, list_folder(root / "layers"));
    for (const auto& folder : folders) {
        DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
        for (const auto& path : paths) {
            const auto digest = Digest::parse("sha256:" + path.filename().string().substr(0, 2 * Digest::k_size));
            struct stat status {};
            if (digest && ::stat(path.c_str(), &status) == 0)
                files.push_back({path, *digest, static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec});
        }
    }
    return files;
}

/// How much of each pack is still needed.
class PackLedger {
public:
    PackLedger(const std::vector<CatalogPack>& packs, const std::vector<CatalogLayer>& layers) {
        for (const auto& pack : packs) packs_[pack.name] = {pack.bytes, pack.raw_bytes, 0, 0};
        for (const auto& layer : layers)
            for (const auto& need : layer.needs) {
                packs_[need.pack].needed += need.raw_bytes;
                ++packs_[need.pack].layers;
            }
    }
    void evict(const CatalogLayer& layer) {
        for (const auto& need : layer.needs) {
            packs_[need.pack].needed -= need.raw_bytes;
            --packs_[need.pack].layers;
        }
    }
    /// After packs that nobody needs are gone, and those that are mostly dead were packed again.
    std::uint64_t bytes() const {
        double total = 0;
        for (const auto& [name, pack] : packs_)
            if (pack.layers > 0)
                total += static_cast<double>(pack.bytes) * (is_mostly_dead(pack) ? live_share(pack) : 1);
        return static_cast<std::uint64_t>(total);
    }
    std::vector<Digest> mostly_dead() const {
        std::vector<Digest> names;
        for (const auto& [name, pack] : packs_)
            if (pack.layers > 0 && is_mostly_dead(pack)) names.push_back(name);
        return names;
    }

private:
    struct Pack {
        std::uint64_t bytes = 0, raw_bytes = 0, needed = 0, layers = 0;
    };
    static double live_share(const Pack& pack) {
        return pack.raw_bytes == 0
                   ? 1
                   : std::min(1.0, static_cast<double>(pack.needed) / static_cast<double>(pack.raw_bytes));
    }
    static bool is_mostly_dead(const Pack& pack) { return live_share(pack) < k_repack_below; }
    std::map<Digest, Pack> packs_;
};

/// A base image's layers are in use whenever the image is.
std::map<Digest, std::int64_t> last_uses_of_bases(const std::vector<RecordedBase>& bases) {
    std::map<Digest, std::int64_t> used;
    for (const auto& base : bases)
        for (const auto* digests : {&base.blobs, &base.diff_ids})
            for (const auto& digest : *digests) used[digest] = std::max(used[digest], base.used);
    return used;
}

/// A stored blob of a base image stands for its layer.
std::map<Digest, Digest> diff_ids_of_blobs(const std::vector<RecordedBase>& bases) {
    std::map<Digest, Digest> diff_ids;
    for (const auto& base : bases)
        for (std::size_t i = 0; i < std::min(base.blobs.size(), base.diff_ids.size()); ++i)
            diff_ids[base.blobs[i]] = base.diff_ids[i];
    return diff_ids;
}

LayersBelow layers_below(const std::vector<RecordedStep>& steps, const std::vector<RecordedBase>& bases) {
    LayersBelow below;
    for (const auto& step : steps)
        if (!step.parent.is_zero()) below[step.diff_id].insert(step.parent);
    for (const auto& base : bases)
        for (std::size_t i = 1; i < base.diff_ids.size(); ++i) below[base.diff_ids[i]].insert(base.diff_ids[i - 1]);
    return below;
}

std::set<Digest> kept_by_scopes(const std::vector<std::string>& scopes, const std::vector<RecordedStep>& steps,
                                const std::map<Digest, std::int64_t>& bases) {
    std::set<Digest> kept;
    if (scopes.empty()) return kept;
    for (const auto& [digest, used] : bases) kept.insert(digest);
    for (const auto& step : steps)
        for (const auto& scope : step.scopes)
            if (std::find(scopes.begin(), scopes.end(), scope) != scopes.end()) kept.insert(step.diff_id);
    return kept;
}

/// Packs that the index lost are listed again, so that they count and age like all others.
Status adopt_orphans(const LayerStore& layers) {
    DBUILD_TRY_ASSIGN(const auto paths, unlisted_packs(layers));
    const auto now = std::chrono::file_clock::now();
    for (const auto& path : paths) {
        std::error_code error;
        const auto written = fs::last_write_time(path, error);
        if (!error && now - written > k_orphan_age) DBUILD_TRY(adopt_pack(layers, path));
    }
    return {};
}

class Pruning {
public:
    Pruning(const LayerStore& store, const PruneOptions& options)
        : store_(store), options_(options), root_(store.root()) {}

    Result<PruneResult> run() {
        DBUILD_TRY(require_kept_rows());
        started_ = std::chrono::steady_clock::now();
        if (!options_.is_dry_run) DBUILD_TRY(adopt_orphans(store_));
        DBUILD_TRY(load());
        DBUILD_TRY(choose());
        if (options_.is_dry_run) return result_;
        DBUILD_TRY(evict());
        DBUILD_TRY(remove_packs());
        DBUILD_TRY(repack());
        DBUILD_TRY(remove_records());
        DBUILD_TRY_ASSIGN(result_.bytes_after, stored_bytes(root_));
        return result_;
    }

private:
    /// No file goes whose row could not be removed from the disk: an index that went on in memory says nothing about
    /// it.
    Status require_kept_rows() {
        if (!store_.catalog().is_private()) return {};
        return fail(ErrorKind::unavailable, "the cache folder cannot be written: nothing is evicted");
    }

    Status load() {
        DBUILD_TRY_ASSIGN(auto records, Records::open(root_));
        DBUILD_TRY_ASSIGN(packs_, store_.catalog().packs());
        DBUILD_TRY_ASSIGN(layers_, store_.catalog().layers());
        DBUILD_TRY_ASSIGN(files_, layer_files(root_));
        DBUILD_TRY_ASSIGN(const auto bases, records.bases());
        DBUILD_TRY_ASSIGN(const auto steps, records.steps());
        DBUILD_TRY_ASSIGN(kept_, leased(root_));
        const auto base_uses = last_uses_of_bases(bases);
        kept_.merge(kept_by_scopes(options_.keep_scopes, steps, base_uses));
        const auto used_at = [&](const Digest& digest, std::int64_t used) {
            const auto found = base_uses.find(digest);
            return found == base_uses.end() ? used : std::max(used, found->second);
        };
        const auto diff_ids = diff_ids_of_blobs(bases);
        const auto diff_id_of = [&](const Digest& digest) {
            const auto found = diff_ids.find(digest);
            return found == diff_ids.end() ? digest : found->second;
        };
        std::map<Digest, double> seconds;
        for (const auto& step : steps) seconds[step.diff_id] = std::max(seconds[step.diff_id], step.wall_ms / 1000);
        const auto below = layers_below(steps, bases);
        std::set<Digest> kept;
        for (const auto& digest : kept_) kept.insert(diff_id_of(digest));
        kept = with_all_below(kept, below); // nobody pulls the floor from under what stays

        std::vector<EvictionCandidate> candidates;
        const auto add = [&](const EvictionCandidate& candidate) {
            if (!kept.contains(candidate.layer)) candidates.push_back(candidate);
        };
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            const auto& layer = layers_[i];
            std::uint64_t bytes = 0;
            for (const auto& need : layer.needs) bytes += need.raw_bytes;
            add({layer.diff_id, used_at(layer.diff_id, layer.used), layer.created, bytes, seconds[layer.diff_id], i});
        }
        for (std::size_t i = 0; i < files_.size(); ++i) {
            const auto& file = files_[i];
            const auto diff_id = diff_id_of(file.digest);
            add({diff_id, used_at(file.digest, file.used), file.used, file.bytes, seconds[diff_id],
                 layers_.size() + i});
        }
        candidates_ = eviction_order(std::move(candidates), below, unix_seconds());
        return {};
    }

    Status choose() {
        PackLedger ledger(packs_, layers_);
        std::uint64_t file_total = 0;
        for (const auto& file : files_) file_total += file.bytes;
        DBUILD_TRY_ASSIGN(result_.bytes_before, stored_bytes(root_));
        const auto limit = options_.max_bytes.value_or(std::numeric_limits<std::uint64_t>::max());
        const auto oldest =
            options_.max_age ? unix_seconds() - options_.max_age->count() : std::numeric_limits<std::int64_t>::min();
        const auto doom = [&](const EvictionCandidate& candidate) {
            if (candidate.number < layers_.size()) {
                ledger.evict(layers_[candidate.number]);
                doomed_layers_.push_back(candidate.layer);
            } else {
                doomed_files_.push_back(&files_[candidate.number - layers_.size()]);
                file_total -= doomed_files_.back()->bytes;
            }
        };
        for (const auto& candidate : candidates_)
            if (candidate.used < oldest) doom(candidate);
        for (const auto& candidate : candidates_) {
            if (ledger.bytes() + file_total <= limit) break;
            if (candidate.used >= oldest) doom(candidate);
        }
        result_.evicted_layers = doomed_layers_.size();
        result_.evicted_blobs = doomed_files_.size();
        result_.bytes_after = ledger.bytes() + file_total;
        return {};
    }

    Status evict() {
        auto& catalog = store_.catalog();
        DBUILD_TRY(catalog.doom_layers(doomed_layers_));
        DBUILD_TRY_ASSIGN(const auto protected_now, leased(root_)); // whoever asked before the doom is in it
        DBUILD_TRY(catalog.forget_doomed(protected_now));
        DBUILD_TRY(require_kept_rows());
        for (const auto* file : doomed_files_)
            if (!protected_now.contains(file->digest)) ::unlink(file->path.c_str());
        return {};
    }

    Status remove_packs() {
        DBUILD_TRY_ASSIGN(const auto protected_now, leased(root_));
        DBUILD_TRY_ASSIGN(const auto names, store_.catalog().forget_unneeded_packs(protected_now));
        DBUILD_TRY(require_kept_rows());
        DBUILD_TRY(unlink_unlisted(names));
        result_.removed_packs += names.size();
        return names.empty() ? Status() : store_.catalog().sweep_pieces();
    }

    /// Another process may have made the same pack again meanwhile: it lists a pack under the same lock, and none that
    /// is not there.
    Status unlink_unlisted(const std::vector<Digest>& names) {
        if (names.empty()) return {};
        DBUILD_TRY_ASSIGN(const auto lock, FileLock::acquire(root_ / "write.lock"));
        DBUILD_TRY_ASSIGN(const auto packs, store_.catalog().packs());
        std::set<Digest> listed;
        for (const auto& pack : packs) listed.insert(pack.name);
        for (const auto& name : names)
            if (!listed.contains(name)) ::unlink(pack_path(root_, name).c_str());
        return {};
    }

    /// Packs what is left of mostly dead packs again, one after another; an interruption leaves everything readable.
    Status repack() {
        DBUILD_TRY_ASSIGN(const auto packs, store_.catalog().packs());
        DBUILD_TRY_ASSIGN(const auto layers, store_.catalog().layers());
        const auto names = PackLedger(packs, layers).mostly_dead();
        std::size_t done_packs = 0;
        for (const auto& name : names) {
            if (options_.progress) options_.progress(done_packs++, names.size());
            const auto spent = std::chrono::steady_clock::now() - started_;
            if (options_.time_budget && spent > *options_.time_budget) break;
            DBUILD_TRY(store_.catalog().retire_pieces(name));
            for (const auto& layer : layers) {
                const bool needs_it = std::any_of(layer.needs.begin(), layer.needs.end(),
                                                  [&](const auto& need) { return need.pack == name; });
                if (!needs_it) continue;
                const auto done = store_.repack(layer.diff_id);
                if (!done && done.error().kind != ErrorKind::corrupt) return done; // a damaged one is verify's business
                ++result_.repacked_layers;
            }
            DBUILD_TRY(store_.flush());
            DBUILD_TRY(remove_packs());
        }
        return {};
    }

    Status remove_records() {
        if (!options_.max_age || !options_.keep_scopes.empty()) return {};
        DBUILD_TRY_ASSIGN(auto records, Records::open(root_));
        DBUILD_TRY_ASSIGN(result_.removed_records,
                          records.remove_unused_since(unix_seconds() - options_.max_age->count()));
        return {};
    }

    const LayerStore& store_;
    const PruneOptions& options_;
    fs::path root_;
    std::chrono::steady_clock::time_point started_;
    std::vector<CatalogPack> packs_;
    std::vector<CatalogLayer> layers_;
    std::vector<LayerFile> files_;
    std::set<Digest> kept_;
    std::vector<EvictionCandidate> candidates_; // in the order of eviction
    std::vector<Digest> doomed_layers_;
    std::vector<const LayerFile*> doomed_files_;
    PruneResult result_;
};

} // namespace

std::uint64_t default_max_bytes(const fs::path& root, std::uint64_t own_bytes) {
    struct statvfs status {};
    if (::statvfs(root.c_str(), &status) != 0) return k_default_max_bytes;
    return std::min(k_default_max_bytes, (std::uint64_t{status.f_bavail} * status.f_frsize + own_bytes) / 10);
}

Result<std::uint64_t> stored_bytes(const fs::path& root) {
    std::uint64_t total = 0;
    DBUILD_TRY_ASSIGN(const auto files, layer_files(root));
    for (const auto& file : files) total += file.bytes;
    DBUILD_TRY_ASSIGN(auto folders, list_folder(root / "packs"));
    folders.push_back(root / "spool");
    for (const auto& folder : folders) {
        DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
        for (const auto& path : paths) total += file_bytes(path);
    }
    return total;
}

Result<PruneResult> prune(const LayerStore& layers, const PruneOptions& options) {
    return Pruning(layers, options).run();
}

} // namespace dbuild::cache::store
