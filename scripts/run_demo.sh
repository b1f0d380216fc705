#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: builds dbuild and runs it on examples/hello twice. The second run must start nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/install_dependencies.sh build
cmake --preset release >/dev/null
cmake --build --preset release -j "$(nproc)"

work=$(mktemp -d /tmp/dbuild-demo-XXXXXX)
clean_up() {
    if [ -e "$work/engine" ]; then scripts/private_engine.sh stop "$work/engine"; fi
    rm -rf "$work"
}
trap clean_up EXIT

if ! command -v docker >/dev/null || ! docker buildx version >/dev/null 2>&1 || ! docker version >/dev/null 2>&1; then
    scripts/install_dependencies.sh engine
    if ! docker version >/dev/null 2>&1; then
        echo "No Docker engine answers: starting a private one, for this demo only."
        DOCKER_HOST=$(scripts/private_engine.sh start "$work/engine")
        export DOCKER_HOST
    fi
fi
command -v busybox >/dev/null || scripts/install_dependencies.sh engine
scripts/make_base_images.sh

# A cache of its own, so that the first run is a first run.
export DBUILD_CACHE_DIR=$work/cache
for run in first second; do
    echo
    echo "== $run run: dbuild -t hello examples/hello"
    build/release/bin/dbuild -t hello --report "$work/$run.json" examples/hello
done
echo
echo "== docker run hello"
docker run --rm --network none hello
echo
for run in first second; do
    echo "$run run: $(grep -oE '"(executor_calls|processes_started|engine_requests|wall_ms)": *[0-9.eE+-]+' "$work/$run.json" | tail -n 4 | tr -d '"' | paste -sd, - | sed 's/,/, /g')"
done
grep -qE '"executor_calls": *0[,}]' "$work/second.json" && grep -qE '"processes_started": *0[,}]' "$work/second.json" ||
    die "the second run started something"
