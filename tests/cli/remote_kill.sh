#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A build that is killed while it publishes: what it had published is there, nothing in the remote is broken, and the next build
# completes, here and on a machine with an empty cache.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

remote_folder=$work/remote
remote=dir:$remote_folder
mkdir "$work/context"
# write_context NAME: four layers made in process, whose bytes nobody has seen, and a RUN that takes a while
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
    expect_equal "" "$(grep -i "warning" "$work/$1.err" || true)" "warnings of $1, which met with a broken remote"
}

# kill_when PID GLOB: kills it as soon as something that was not there before matches; whether it came to that
kill_when() {
    python3 - "$@" <<'END'
import glob, os, signal, sys
pid, pattern = int(sys.argv[1]), sys.argv[2]
before = set(glob.glob(pattern))
while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().split()[2] != "Z":
    if set(glob.glob(pattern)) - before:
        os.kill(pid, signal.SIGKILL)
        sys.exit(0)
sys.exit(1)
END
}

# killed MOMENT KILLER...: a build that KILLER ends, given its process; then all is sound, and the next build completes it
killed() {
    local moment=$1 victim
    shift
    write_context "$moment"
    "$DBUILD" -t "kill:$run_id" --cache-remote "$remote" "$work/context" >"$work/killed.out" 2>"$work/killed.err" &
    victim=$!
    background+=("$victim")
    "$1" "$victim" "${@:2}" || fail "$moment: the build had ended"
    expect_exit 137 "wait-$moment" wait "$victim"
    plan_on_empty_machine "after-$moment"
    "$DBUILD" cache verify >"$work/verify.out" 2>&1 || fail "the store is damaged after $moment: $(tail -1 "$work/verify.out")"
    build "next-$moment" -t "kill:$run_id" --cache-remote "$remote" "$work/context"
    plan_on_empty_machine "complete-$moment"
    expect_equal "" "$(grep -v ': hit$\|: metadata$' "$work/complete-$moment.out")" "steps that are not published after the next build"
    find "$remote_folder/packs" -name '*.dbp' | while read -r pack; do
        expect_equal "$(basename "$pack" .dbp)" "$(sha256sum "$pack" | cut -d ' ' -f 1)" "digest of a pack that is published"
    done
}
in_seconds() { sleep "$2" && kill -9 "$1"; }

# Killed while it builds, while it writes the first pack, before the index is written, while it is, and after it.
build_seconds=$(
    write_context whole
    build whole -t "kill:$run_id" --cache-remote "$remote" "$work/context"
    report whole '.totals.wall_ms / 3000'
)
killed building in_seconds "$build_seconds"
killed writing kill_when "$remote_folder/tmp/tmp-*"
killed written kill_when "$remote_folder/packs/*/*.dbp"
killed named kill_when "$remote_folder/scopes/*/*.index"

# What was published while the build went on is there: it publishes every ten seconds what is finished.
write_context late
echo 'RUN sleep 100' >>"$work/context/Dockerfile"
"$DBUILD" -t "kill:$run_id" --cache-remote "$remote" "$work/context" >"$work/late.out" 2>"$work/late.err" &
victim=$!
background+=("$victim")
has_published() {
    rm -rf "$work/cache-probe"
    plan_on_empty_machine probe
    grep -q 'COPY b /b: hit' "$work/probe.out"
}
wait_for 60 "a publication during the build" has_published
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
plan_on_empty_machine late-plan
expect_equal 2 "$(grep -c ': hit$' "$work/late-plan.out")" "steps of the killed build that others have"
