#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A step whose layer has the bytes of one below it (two RUNs that change nothing), added after that one was recorded: buildx
# does not export such a layer again, and dbuild takes it from its own store.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
printf 'FROM dbuild-test/busybox:1\nRUN : %s\nRUN : a\n' "$run_id" >"$work/context/Dockerfile"
tag=dbuild-test/equal-$run_id:1
build first -t "$tag" "$work/context"
printf 'RUN : b\nRUN echo b > /b\n' >>"$work/context/Dockerfile"
build second -t "$tag" "$work/context"
expect_equal 'RUN : b
RUN echo b > /b' "$(steps_done second)" "steps that ran"
docker buildx build -q --no-cache --provenance=false -t "dbuild-test/theirs-$run_id:1" "$work/context" >/dev/null
expect_same_image "dbuild-test/theirs-$run_id:1" "$tag"
