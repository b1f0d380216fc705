#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A build that is killed while it publishes: what it had published is there, nothing in the remote is broken, and the next build
# completes, here and on a machine with an empty cache.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

remote=dir:$work/remote
mkdir "$work/context"
# write_context ROUND: four layers made in process, whose bytes nobody has seen, and a RUN that takes a while
write_context() {
    for part in a b c d; do head -c 3000000 /dev/urandom >"$work/context/$part"; done
    cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
COPY a /a
COPY b /b
RUN echo $run_id-$1 >/ran && sleep 0.3
COPY c /c
COPY d /d
END
}
# plan_on_empty_machine NAME: which steps a machine would not have to run
plan_on_empty_machine() {
    DBUILD_CACHE_DIR=$work/cache-$1 "$DBUILD" plan -t "kill:$run_id" --cache-remote "$remote?mode=read" "$work/context" \
        >"$work/$1.out" 2>"$work/$1.err" || fail "$1: plan failed"
    expect_equal "" "$(grep -i "warning" "$work/$1.err" || true)" "warnings of $1: a broken remote"
}

# Killed at any time, the whole build through.
write_context 0
build whole -t "kill:$run_id" --cache-remote "$remote" "$work/context"
took_ms=$(report whole '.totals.wall_ms | floor')
for round in $(seq 8); do
    write_context "$round"
    "$DBUILD" -t "kill:$run_id" --cache-remote "$remote" "$work/context" >"$work/killed.out" 2>"$work/killed.err" &
    victim=$!
    background+=("$victim")
    sleep "$(awk -v n="$round" -v took="$took_ms" 'BEGIN { print took / 1000 * (0.3 + n / 10) }')"
    kill -9 "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || true
    plan_on_empty_machine "after-$round"
    "$DBUILD" cache verify >"$work/verify.out" 2>&1 || fail "the store is damaged after kill $round: $(tail -1 "$work/verify.out")"
    build "next-$round" -t "kill:$run_id" --cache-remote "$remote" "$work/context"
    plan_on_empty_machine "complete-$round"
    if grep -v ': hit$\|: metadata$' "$work/complete-$round.out"; then fail "round $round: not all is published after the next build"; fi
done

# What was published while the build went on is there: it publishes every ten seconds.
write_context late
echo 'RUN sleep 100' >>"$work/context/Dockerfile"
"$DBUILD" -t "kill:$run_id" --cache-remote "$remote" "$work/context" >"$work/late.out" 2>"$work/late.err" &
victim=$!
background+=("$victim")
wait_for 60 "the last step" grep -q 'sleep 100' "$work/late.err"
has_published() {
    rm -rf "$work/cache-probe"
    plan_on_empty_machine probe
    grep -q 'COPY d /d: hit' "$work/probe.out"
}
wait_for 60 "a publication during the build" has_published
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
plan_on_empty_machine late-plan
expect_equal 5 "$(grep -c ': hit$' "$work/late-plan.out")" "steps of the killed build that others have"
