#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `dbuild check --base-images`: what the engine's images define is known, and nothing is pulled.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

file=$work/Dockerfile
image=dbuild-test/checked-$run_id:1
printf 'FROM dbuild-test/busybox:1\nENV KNOWN=1\n' | docker build -q -t "$image" - >/dev/null
cat >"$file" <<END
FROM $image AS one
ENV A=\$KNOWN B=\$PATH C=\$UNHEARD_OF
FROM --platform=linux/s390x $image AS s390x
COPY a /a
FROM one
ENV D=\$KNOWN E=\$A F=\$UNHEARD_OF
END
expect_exit 0 alone "$DBUILD" check "$file"
expect_contains "$work/alone.out" 'no errors, no warnings'

expect_exit 0 asked "$DBUILD" check --base-images --format json "$file"
expect_equal '2:24 UndefinedVar
3:29 InvalidBaseImagePlatform
6:21 UndefinedVar' "$(jq -r '.diagnostics[] | "\(.first_line):\(.column) \(.rule)"' "$work/asked.out")" "the warnings"
expect_contains "$work/asked.out" "Base image $image was pulled with platform"

printf 'FROM registry.invalid/absent:1\nENV A=$B\n' >"$file"
expect_exit 0 absent "$DBUILD" check --base-images "$file"
expect_contains "$work/absent.err" 'the engine has no registry.invalid/absent:1'
expect_contains "$work/absent.out" 'no errors, no warnings'

DOCKER_HOST=unix://$work/nobody.sock expect_exit 1 no_engine "$DBUILD" check --base-images "$file"
expect_exit 0 unasked "$DBUILD" check "$file"
