#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every example builds where it stands, twice, and runs; the cache is where the environment says.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

unset DBUILD_CACHE_DIR
declare -A expected=(
    [hello]='Hello from a step that ran once.
Change this file: only the COPY is made again.'
    [two_stage]='hello from two stages
words in the list:
4')
for folder in "$source_dir"/examples/*/; do
    name=$(basename "$folder")
    [ -n "${expected[$name]:-}" ] || fail "this test does not know what examples/$name prints"
    [ -s "$folder/README.md" ] || fail "examples/$name has no README.md"
    tag=dbuild-test/$name-$run_id:1
    build "$name" -t "$tag" "$folder"
    expect_equal "${expected[$name]}" "$(docker run --rm --network none "$tag")" "what $name prints"
    build "$name-again" -t "$tag" "$folder"
    expect_equal "0 0" "$(report "$name-again" '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
done
if [ -z "$(ls -A "$XDG_CACHE_HOME/dbuild")" ]; then fail "nothing in \$XDG_CACHE_HOME/dbuild"; fi
