// SPDX-License-Identifier: Apache-2.0
// Which times are accidents in what a step made, hence the content ID that its record must have. The rule and its
// reasons: docs/cache_key.md.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/time.hpp"

#include <string_view>

namespace dbuild::cache {

/// The content ID of the layer that a step made: of a RUN's, the times outside its own interval count.
/// In: ingredients — of the step's key, which begin with its kind; started, finished — by the clock of whoever ran it.
Digest content_id_of_step(std::string_view ingredients, const oci::TableOfContents& contents, Instant started,
                          Instant finished);

} // namespace dbuild::cache
