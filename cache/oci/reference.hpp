// SPDX-License-Identifier: Apache-2.0
// Image references: "app", "ghcr.io/me/app:1", "busybox@sha256:…", in the form that engines and registries use.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>

namespace dbuild::cache::oci {

/// A normalised reference. Source: the grammar of github.com/distribution/reference.
struct ImageReference {
    std::string domain = "docker.io";
    std::string path;   // "library/busybox"
    std::string tag;    // "latest" where neither tag nor digest was given
    std::string digest; // "sha256:…" or empty

    /// Errors: usage — not a reference.
    static Result<ImageReference> parse(std::string_view text);
    std::string to_string() const; // "docker.io/library/busybox:latest"
    std::string familiar() const;  // "busybox:latest", as `docker images` shows it
};

} // namespace dbuild::cache::oci
