#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The cache is dbuild's own: an engine that forgot everything gets the same image again, and nothing runs.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
tag=dbuild-test/pruned-$run_id:1
build first -t "$tag" "$work/context"
first_id=$(image_id "$tag")
first_output=$(docker run --rm --network none "$tag")

docker rmi -f "$tag" >/dev/null
docker builder prune -af >/dev/null
if docker image inspect "$first_id" >/dev/null 2>&1; then fail "the image is still there"; fi

build again -t "$tag" "$work/context"
expect_equal "0 0" "$(report again '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
expect_equal "" "$(steps_done again)" "steps that ran"
expect_equal "$first_id" "$(image_id "$tag")" "image ID"
expect_equal "$first_output" "$(docker run --rm --network none "$tag")" "what the image prints"

# The builder lost the layers below: the next step must still build upon them.
echo "after the prune:" >"$work/context/banner.txt"
build changed -t "$tag" "$work/context"
expect_equal 'COPY banner.txt greet.sh ./
RUN cat banner.txt count.txt > motd.txt' "$(steps_done changed)" "steps that ran after the prune and a change"
expect_equal "after the prune:" "$(docker run --rm --network none "$tag" | sed -n 2p)" "what the changed image prints"
