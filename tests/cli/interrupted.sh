#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C, SIGTERM and a terminal that goes away end docker buildx within two seconds, with exit status 130, and keep what finished; after kill -9 of
# dbuild in the second stage, neither the first stage nor what the engine finished runs again.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
tag=dbuild-test/interrupted-$run_id:1
mkdir "$work/context"

# write_dockerfile NAME COMMAND: the last RUN of the second stage does COMMAND
write_dockerfile() {
    cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS first
RUN wget -qO /one $server/$run_id/$1/one
FROM dbuild-test/busybox:1
COPY --from=first /one /one
RUN wget -qO /two $server/$run_id/$1/two
RUN wget -qO /three $server/$2/$run_id/$1/three
END
}
has_fetched() { grep -q "$1" "$work/fetched"; }
# docker and its plugin: their folders are below this test's TMPDIR.
buildx_pids() { pgrep -f "buildx build.*$work" || true; }
have_ended() { ! ps -p "$(paste -sd, <<<"$1")" >/dev/null; }

for signal in INT TERM HUP; do
    write_dockerfile $signal never
    "$DBUILD" --report "$work/$signal.json" -t "$tag" "$work/context" >"$work/$signal.out" 2>"$work/$signal.err" &
    pid=$!
    wait_for 60 "the endless step" has_fetched "never/.*/$signal/three"
    pids=$(buildx_pids)
    if [ -z "$pids" ]; then fail "docker buildx is not found while it runs"; fi
    kill -$signal $pid
    wait_for 2 "the end of docker buildx" have_ended "$pids"
    status=0
    wait $pid || status=$?
    expect_equal 130 $status "exit status after SIG$signal"
    expect_equal 130 "$(report $signal .exit_code)" "exit code in the report after SIG$signal"
    fetched >/dev/null
    write_dockerfile $signal quick
    build "after_$signal" -t "$tag" "$work/context"
    expect_equal "/quick/$run_id/$signal/three" "$(fetched)" "what ran after SIG$signal"
done

write_dockerfile KILL never
"$DBUILD" -t "$tag" "$work/context" >"$work/KILL.out" 2>"$work/KILL.err" &
pid=$!
wait_for 60 "the endless step" has_fetched "never/.*/KILL/three"
pids=$(buildx_pids)
{ kill -KILL $pid && wait $pid; } 2>/dev/null || true
# shellcheck disable=SC2086 # a list; buildx on its own would wait for its step for ever
kill $pids
wait_for 10 "the end of docker buildx" have_ended "$pids"
fetched >/dev/null
write_dockerfile KILL quick
build after_KILL -t "$tag" "$work/context"
expect_equal "/quick/$run_id/KILL/three" "$(fetched)" "what ran after SIGKILL"
