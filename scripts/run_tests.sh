#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make test`: installs what is missing, builds the ci and asan presets, and runs their tests. ctest's fixtures start and
# stop the engines; DBUILD_TEST_DOCKER_HOST names an engine to be used instead. ci comes last: its summary ends the output.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh build
scripts/install_dependencies.sh test
for preset in asan ci; do
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" -j "$(nproc)"
done
status=0
ctest --preset asan -j 2 || status=$?
ctest --preset ci -j 2 || status=$?
exit "$status"
