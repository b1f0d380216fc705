#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two builds of the same at once: one runs the steps, the other waits and finds its results. If the first is killed, the
# second runs them. Steps of different keys do not wait for each other.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
mkdir "$work/context"
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN wget -qO /one $server/$run_id/one && sleep 2
RUN wget -qO /two $server/$run_id/two
END
tag=dbuild-test/flight-$run_id
has_fetched() { grep -qF "$1" "$work/fetched"; }

"$DBUILD" --report "$work/first.json" -t "$tag:1" "$work/context" >"$work/first.out" 2>"$work/first.err" &
background+=($!)
wait_for 30 "the first build's RUN" has_fetched "/$run_id/one"
build second -t "$tag:2" "$work/context"
wait "${background[0]}" || fail "the first build failed"
expect_contains "$work/second.err" "[stage-0 1/2] another build runs this step; waiting for it"
expect_equal "" "$(steps_done second)" "steps that the second build ran"
expect_equal 0 "$(report second .totals.executor_calls)" "executor calls of the second build"
expect_equal "/$run_id/one
/$run_id/two" "$(fetched)" "what both builds ran"
expect_equal "$(image_id "$tag:1")" "$(image_id "$tag:2")" "image IDs"

# Another key: it does not wait.
sed -i "s|$run_id/one|$run_id/killed|; s|$run_id/two|$run_id/after|; s|sleep 2|sleep 6|" "$work/context/Dockerfile"
"$DBUILD" -t "$tag:3" "$work/context" >"$work/killed.out" 2>"$work/killed.err" &
victim=$!
background+=("$victim")
wait_for 30 "the third build's RUN" has_fetched "/$run_id/killed"
mkdir "$work/other"
printf 'FROM dbuild-test/busybox:1\nRUN echo %s >/file\n' "$run_id" >"$work/other/Dockerfile"
build other -t "$tag:4" "$work/other"
if grep -q "waiting" "$work/other.err"; then fail "a step of another key waited"; fi

# The one that is waited for is killed.
: >"$work/survivor.err"
{ wait_for 30 "the survivor to wait" grep -q "waiting for it" "$work/survivor.err" && kill -9 "$victim"; } &
build survivor -t "$tag:3" "$work/context"
expect_equal "ran ran" "$(report survivor '[.steps[] | select(.status == "ran") | .status] | join(" ")')" "what the survivor did"
