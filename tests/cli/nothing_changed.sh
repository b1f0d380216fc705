#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A second build of the same: same image, one process, at most two requests; and the report's counters are what was seen
# from outside, by strace and by a proxy on the engine's socket.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
tag=dbuild-test/again-$run_id:1
build first -t "$tag" "$work/context"
first_id=$(image_id "$tag")
expect_equal 1 "$(report first 'if .totals.executor_calls > 0 then 1 else 0 end')" "the first build used an executor"

start_proxy
expect_exit 0 second strace -f -e trace=execve,execveat -o "$work/strace.log" \
    "$DBUILD" --report "$work/second.json" -t "$tag" "$work/context"
requests=$(request_count)

expect_equal "$first_id" "$(image_id "$tag")" "image ID"
expect_equal "$first_id" "$(report second '.images[0].id')" "image ID in the report"
expect_equal 1 "$(exec_count "$work/strace.log")" "programs started, dbuild included"
if [ "$requests" -gt 2 ]; then fail "$requests requests: $(paste -sd, "$work/requests")"; fi
expect_equal 0 "$(report second .totals.executor_calls)" "executor_calls"
expect_equal 0 "$(report second .totals.processes_started)" "processes_started"
expect_equal "$requests" "$(report second .totals.engine_requests)" "engine_requests"
expect_equal "" "$(steps_done second)" "steps that did work"
expect_equal 0 "$(report second '[.steps[] | select(.status == "failed" or .status == "not_reached")] | length')" "steps not reached"
