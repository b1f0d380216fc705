#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `dbuild plan` says what a build would run, starts nothing, makes nothing, and is right about it.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
tag=dbuild-test/plan-$run_id:1

# plan NAME: one process and at most two requests
start_proxy
plan() {
    : >"$work/requests"
    expect_exit 0 "$1" strace -f -e trace=execve,execveat -o "$work/strace.log" "$DBUILD" plan -t "$tag" "$work/context"
    expect_equal 1 "$(exec_count "$work/strace.log")" "$1: programs started, dbuild included"
    if [ "$(request_count)" -gt 2 ]; then fail "$1: $(paste -sd, "$work/requests")"; fi
}

plan before
for text in 'COPY words.txt .' 'RUN mkdir -m 0750 out' 'COPY --from=build /src/out/ data/' 'RUN cat banner.txt count.txt > motd.txt'; do
    expect_contains "$work/before.out" "$text"
done
if docker image inspect "$tag" >/dev/null 2>&1; then fail "a plan made an image"; fi
plan before_again
expect_equal "$(cat "$work/before.out")" "$(cat "$work/before_again.out")" "two plans of the same"

build first -t "$tag" "$work/context"
plan after
if [ "$(cat "$work/before.out")" = "$(cat "$work/after.out")" ]; then fail "the plan does not know that all was built"; fi

# An ignored folder is not entered, and nothing in it is looked at.
mkdir -p "$work/context/left_out/deep"
echo x >"$work/context/left_out/deep/file"
cp "$work/context/.dockerignore" "$work/ignore"
echo left_out >>"$work/context/.dockerignore"
expect_exit 0 ignored strace -f -e trace=%file -o "$work/files.log" "$DBUILD" plan -t "$tag" "$work/context"
if grep -E 'open[a-z0-9]*\(.*"[^"]*left_out|"[^"]*left_out/' "$work/files.log"; then fail "an ignored folder was entered"; fi
rm -r "$work/context/left_out"
cp "$work/ignore" "$work/context/.dockerignore"

# The report of a plan is what the report of the build says afterwards, as far as hits go.
"$DBUILD" plan --report "$work/planned.json" -t "$tag" "$work/context" >/dev/null
expect_equal "0 0" "$(report planned '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started of a plan"
build second -t "$tag" "$work/context"
expect_equal "$(report second '[.steps[] | select(.status == "hit") | .text] | tojson')" \
    "$(report planned '[.steps[] | select(.status == "hit") | .text] | tojson')" "hits (build, plan)"
