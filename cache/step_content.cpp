// SPDX-License-Identifier: Apache-2.0
#include "cache/step_content.hpp"

#include <chrono>

namespace dbuild::cache {
namespace {

std::int64_t seconds(Instant instant) {
    return std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
}

} // namespace

Digest content_id_of_step(std::string_view ingredients, const oci::TableOfContents& contents, Instant started,
                          Instant finished) {
    const bool is_run = ingredients.starts_with("kind=run\n");
    return oci::content_id(contents, is_run ? oci::TimePolicy::counted_outside_run_interval : oci::TimePolicy::ignored,
                           {seconds(started), seconds(finished) + 1});
}

} // namespace dbuild::cache
