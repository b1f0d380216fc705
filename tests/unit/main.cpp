// SPDX-License-Identifier: Apache-2.0
// The entry point of dbuild_unit_tests; the cases are in the folders beside it.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
