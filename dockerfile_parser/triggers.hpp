// SPDX-License-Identifier: Apache-2.0
// ONBUILD triggers: what an image or a stage has every stage do that is built on it, before its own instructions. Which
// stage gets whose triggers is the caller's business, who knows the base images.
// Source: moby/buildkit dockerfile2llb/convert.go initOnBuildTriggers (of frontend 1.11 and later).
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "support/result.hpp"

#include <string>
#include <vector>

namespace dbuild::dockerfile_parser {

/// In:      text — a trigger as OnbuildInstruction or an image's configuration keeps it: a Dockerfile of its own, whose
///          escape character is `\` until its words are expanded; escape — of the Dockerfile that runs it; where — the
///          FROM line that does, which becomes the place of the instruction.
/// Out:     with a source that means the same in that Dockerfile.
/// Errors:  invalid_dockerfile with `where`, with BuildKit's message; unsupported — there is no such source.
Result<Instruction> parse_trigger(const std::string& text, char escape, const SourceSpan& where);

/// The triggers that a stage leaves to those that are built on it, in order.
std::vector<std::string> triggers_of(const Stage& stage);

/// Puts triggers before the instructions of the stage, in order.
/// In:      escape — the escape character of the Dockerfile.
/// Errors:  as parse_trigger.
Status add_triggers(Stage& stage, const std::vector<std::string>& triggers, char escape);

} // namespace dbuild::dockerfile_parser
