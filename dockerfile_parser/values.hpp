// SPDX-License-Identifier: Apache-2.0
// Rules of single values that can be checked only after their variables were expanded: ports, signals, ADD sources.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

/// One EXPOSE word: "80", "80/udp", "8000-8002/tcp" → "80/tcp", "80/udp", "8000/tcp" … one text for each port.
/// Errors:  invalid_dockerfile without `where`: no number, an inverted range, another protocol than tcp, udp and sctp;
///          unsupported — with an address or a host port, which BuildKit's versions treat differently.
/// Source:  docker/go-connections nat.ParsePortSpec.
Result<std::vector<std::string>> parse_ports(std::string_view word);

/// Whether parse_ports takes the word; without making a text for each port.
Status check_port(std::string_view word);

/// A signal's number (not 0), or its name with or without "SIG", in any case.
/// Errors:  invalid_dockerfile without `where`. Source: moby/sys signal.ParseSignal, of Linux.
Status check_signal(std::string_view signal);

/// Whether ADD fetches this source: a URL with a scheme, or git's short form "user@host:path".
bool is_remote_source(std::string_view source);

} // namespace dbuild::dockerfile_parser
