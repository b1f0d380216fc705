#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The second engine, with the classic image store, runs beside the first: it has the base image and can run it.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

expect_equal overlay2 "$(docker info -f '{{.Driver}}')" "storage driver"
if docker info -f '{{json .DriverStatus}}' | grep -q io.containerd.snapshotter; then fail "this is the containerd image store"; fi
expect_equal "hello" "$(docker run --rm --network none dbuild-test/busybox:1 echo hello)" "what a container prints"

# It has no exporter of OCI layouts, which the executor needs: the build goes to docker buildx build, and it is said.
copy_example two_stage
build classic -t "dbuild-test/classic-$run_id:1" "$work/context"
expect_contains "$work/classic.err" "handing the whole build to docker buildx build: this engine cannot export OCI layouts"
expect_contains <(docker run --rm --network none "dbuild-test/classic-$run_id:1") "hello from $run_id"
expect_equal "0 null" "$(report classic '"\(.exit_code) \(.error)"')" "report of a build that was handed over"
