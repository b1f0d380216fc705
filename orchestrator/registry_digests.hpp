// SPDX-License-Identifier: Apache-2.0
// What image references mean in their registries at this moment, which one HEAD each tells.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

/// Asks for all of them at once, each registry once: whoever needs more than that asks somebody else.
/// In:  references — familiar form; cancelled — borrowed.
/// Out: "sha256:…" of the manifest or index, by reference; that of the reference itself where it has one. No registry's
///      trouble is an error: what it did not tell is left out.
std::map<std::string, std::string> registry_digests(const std::vector<std::string>& references,
                                                    const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator
