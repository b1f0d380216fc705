#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A RUN that fails: exit status 1, the instruction with file, line and excerpt, its output and its exit code. What ran
# before it is kept.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN echo before-$run_id > /before
RUN echo "this is the output" && \\
    exit 3
RUN echo never
END

expect_exit 1 failing "$DBUILD" --report "$work/failing.json" -t "dbuild-test/failing-$run_id:1" "$work/context"
expect_contains "$work/failing.err" 'RUN echo "this is the output"'
expect_contains "$work/failing.err" 'Dockerfile:3'
expect_contains "$work/failing.err" '>>>'
expect_contains "$work/failing.err" 'this is the output'
expect_contains "$work/failing.err" 'exit code: 3'
grep -qE '^ *3 \| +>>> +RUN echo' "$work/failing.err" || fail "the excerpt does not mark line 3"
if docker image inspect "dbuild-test/failing-$run_id:1" >/dev/null 2>&1; then fail "a failed build made an image"; fi

expect_equal "1" "$(report failing .exit_code)" "exit_code in the report"
expect_equal "true" "$(report failing '.error != null')" "an error in the report"
expect_equal "ran failed not_reached" "$(report failing '[.steps[] | select(.text | startswith("RUN")) | .status] | join(" ")')" \
    "statuses of the three RUNs"
expect_equal "[3,4]" "$(report failing '.steps[] | select(.status == "failed") | .lines | tojson')" "lines of the failed step"

# Repaired: the step before the failing one is not run again.
sed -i 's/exit 3/exit 0/' "$work/context/Dockerfile"
build repaired -t "dbuild-test/failing-$run_id:1" "$work/context"
expect_equal 'RUN echo "this is the output" &&
RUN echo never' "$(steps_done repaired | cut -c1-32)" "steps that ran after the repair"
