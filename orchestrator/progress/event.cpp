// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/event.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator::progress {

std::string StepLabel::to_string() const {
    return fmt::format("[{}{}{} {}/{}]", image, image.empty() ? "" : " ", stage, position, count);
}

} // namespace dbuild::orchestrator::progress
