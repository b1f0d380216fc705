#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The second engine, with the classic image store, runs beside the first: it has the base image and can run it.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

expect_equal overlay2 "$(docker info -f '{{.Driver}}')" "storage driver"
if docker info -f '{{json .DriverStatus}}' | grep -q io.containerd.snapshotter; then fail "this is the containerd image store"; fi
expect_equal "hello" "$(docker run --rm --network none dbuild-test/busybox:1 echo hello)" "what a container prints"
