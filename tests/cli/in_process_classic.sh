#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Some cases of in_process.sh on the classic image store, which resets folders that a layer leaves out: owners, modes and times of
# parents are there as under BuildKit.
set -euo pipefail
export DBUILD_TEST_CASES="owner parents_made into_existing several working_directories folder stages"
exec "$(dirname "$0")/in_process.sh"
