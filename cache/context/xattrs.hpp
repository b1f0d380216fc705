// SPDX-License-Identifier: Apache-2.0
// The extended attributes that a context's files bring into a digest.
#pragma once

#include "cache/context/folder_tree.hpp"

namespace dbuild::cache::context {

/// Those that count: neither security labels (but for capabilities) nor what a desktop attached. What cannot be read is
/// absent. In: fd — open for reading.
Xattrs read_xattrs(int fd);
/// Of a path, not following a link.
Xattrs read_xattrs(const std::string& path);

} // namespace dbuild::cache::context
