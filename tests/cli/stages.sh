#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What depends on what between stages: a builder stage whose copied result is the same re-runs nothing after it, stages that
# nobody needs are skipped, independent ones run at the same time, and a `# syntax=docker/dockerfile:1` line needs no registry.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
mkdir "$work/context"
tag=dbuild-test/stages-$run_id:1
cat >"$work/context/Dockerfile" <<END
# syntax=docker/dockerfile:1
FROM dbuild-test/busybox:1 AS unneeded
RUN wget -qO /x $server/unneeded

FROM dbuild-test/busybox:1 AS builder
COPY source /source
RUN wget -qO /other $server/builder && tr a-z A-Z < /source > /result

FROM dbuild-test/busybox:1 AS beside
RUN wget -qO /beside $server/slow/beside-1
RUN wget -qO /beside $server/slow/beside-2

FROM dbuild-test/busybox:1 AS beside-it
RUN wget -qO /beside $server/slow/it-1
RUN wget -qO /beside $server/slow/it-2

FROM dbuild-test/busybox:1
COPY --from=builder /result /result
RUN wget -qO /after $server/after-copy
RUN --mount=from=builder,source=/result,target=/mounted wget -qO /after $server/after-mount
COPY --from=beside /beside /beside
COPY --from=beside-it /beside /beside-it
END
echo "word $run_id" >"$work/context/source"
build first -t "$tag" "$work/context"
expect_equal "/after-copy
/after-mount
/builder
/slow/beside-1
/slow/beside-2
/slow/it-1
/slow/it-2" "$(fetched)" "what ran at first"
expect_equal skipped "$(report first '.steps[] | select(.stage == "unneeded") | .status')" "the stage that nobody needs"
# Each of the two took two requests of two seconds; one after the other would be eight.
slow=$(report first '[.steps[] | select(.stage | startswith("beside")) | .wall_ms] | add')
total=$(report first .totals.wall_ms)
if ! jq -ne "$total < $slow" >/dev/null; then fail "the slow stages ran one after the other: $total of $slow ms"; fi

echo "WORD $run_id" >"$work/context/source" # the result stays the same
build same_result -t "$tag" "$work/context"
expect_equal /builder "$(fetched)" "what ran after a change with the same result"
expect_equal "$(report first '.images[0].id')" "$(report same_result '.images[0].id')" "image ID after a change with the same result"

echo "another $run_id" >"$work/context/source"
build other_result -t "$tag" "$work/context"
expect_equal "/after-copy
/after-mount
/builder" "$(fetched)" "what ran after a change with another result"

build target --target builder -t "$tag" "$work/context"
expect_equal "" "$(fetched)" "what ran for a target that is there"
