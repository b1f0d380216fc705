// SPDX-License-Identifier: Apache-2.0
// The report of a build: one JSON document, written also when the build fails. Its form is docs/report.md's.
#pragma once

#include "cache/oci/image.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

struct StepReport {
    std::string image, stage, platform;
    int position = 0; // in the stage, from 1
    int first_line = 0, last_line = 0;
    std::string text;
    std::string key;                    // empty: unknown or none
    std::string status = "not_reached"; // hit, ran, made, skipped, failed, not_reached, metadata
    std::string reason;
    std::string executor;
    double wall_ms = 0;
    std::uint64_t layer_bytes = 0;
};

struct ReportTotals {
    int executor_calls = 0, processes_started = 0, engine_requests = 0;
    std::uint64_t bytes_read = 0, bytes_written = 0; // of the context, and of layers written to the store
    std::uint64_t remote_requests = 0, remote_bytes_read = 0, remote_bytes_written = 0;
    double wall_ms = 0;

    ReportTotals& operator+=(const ReportTotals& other);
};

/// One of several images that were built at once.
struct TargetReport {
    std::string name;
    std::string outcome; // "built", "failed", "not built", "handed over"
    std::string scope;
    std::string error; // why it was not built; else empty
    std::size_t hit = 0, ran = 0;
    double wall_ms = 0;
};

struct ImageReport {
    std::string id, digest;
    std::vector<std::string> tags;
    std::uint64_t bytes = 0;     // of its uncompressed layers
    std::string config_digest{}; // empty: an index has none
    std::uint64_t manifest_bytes = 0;
    std::string media_type = std::string(cache::oci::k_manifest_type); // of the manifest, or of an index
};

struct Report {
    int exit_code = 0;
    std::optional<std::string> error;
    std::string scope;
    std::vector<StepReport> steps;
    ReportTotals totals;
    std::vector<ImageReport> images;
    std::vector<TargetReport> targets; // of a bake

    std::string to_json() const;
};

} // namespace dbuild::orchestrator
