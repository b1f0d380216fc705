// SPDX-License-Identifier: Apache-2.0
// The exit status of every kind of error, as docs/exit_codes.md has them.
#include "orchestrator/exit_code.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;

TEST_SUITE("orchestrator/exit_code") {
    TEST_CASE("usage and interruption have a status of their own, every other failure is 1") {
        CHECK(exit_code_for(ErrorKind::usage) == 2);
        CHECK(exit_code_for(ErrorKind::interrupted) == 130);
        for (const auto kind :
             {ErrorKind::invalid_dockerfile, ErrorKind::unsupported, ErrorKind::not_found, ErrorKind::unauthorized,
              ErrorKind::transient, ErrorKind::corrupt, ErrorKind::unavailable, ErrorKind::no_space,
              ErrorKind::step_failed, ErrorKind::internal})
            CHECK(exit_code_for(kind) == 1);
    }
    TEST_CASE("a bug of dbuild is told apart from a failed build") { CHECK(k_exit_internal_error == 70); }
}
