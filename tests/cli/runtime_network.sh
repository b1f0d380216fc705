#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The network of RUNs that dbuild starts itself: what this machine reaches can be reached, its own loop-back interface cannot,
# no RUN sees another's ports, and nothing stays when the build ends. And when the runtime is chosen by itself.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

[ "$(id -u)" = 0 ] || fail "this test needs to be root"
unset DBUILD_EXECUTOR
context=$work/context
mkdir "$context"
executors() { report "$1" '[.steps[].executor | select(. != null)] | unique | join(" ")'; }
pastas() { pgrep -f "pasta .*$work" || true; }
no_pasta() { [ -z "$(pastas)" ]; }

# A server on the bridge's address, as under docker's own BuildKit; and one on the loop-back interface, which is nobody's business.
start_server
loop_port=$(free_port)
python3 -m http.server --bind 127.0.0.1 --directory "$context" "$loop_port" >/dev/null 2>&1 &
background+=($!)
listens() { curl -sf "http://127.0.0.1:$loop_port/" >/dev/null; }
wait_for 5 "a server on the loop-back interface" listens
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN wget -qO /fetched $server/$run_id
RUN wget -qO- http://127.0.0.1:$loop_port/ 2>&1 | grep -q refused
RUN gateway=\$(ip route | sed -n 's/default via \([^ ]*\).*/\1/p'); timeout 2 wget -qO /loop http://\$gateway:$loop_port/ || test ! -s /loop
END
build network -o type=cacheonly "$context"
expect_equal "/$run_id" "$(fetched)" "what RUNs fetched"
expect_equal "runtime" "$(executors network)" "executors of network"
expect_equal "" "$(pastas)" "what serves networks after the build"

# Names are resolved too where this machine's resolver listens on its loop-back interface.
python3 "$helpers/name_server.py" 127.0.0.54 192.0.2.77 &
background+=($!)
echo "nameserver 127.0.0.54" >"$work/resolv.conf"
printf 'FROM dbuild-test/busybox:1\nRUN nslookup %s.test >/answer\n' "$run_id" >"$context/Dockerfile"
unshare --mount sh -ec 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"' - "$work/resolv.conf" \
    "$DBUILD" -o "type=local,dest=$work/names" "$context" >"$work/names.out" 2>"$work/names.err"
expect_contains "$work/names/answer" "Address: 192.0.2.77"

# Two at once listen at one port, each for itself.
listener() { # NAME
    echo "FROM dbuild-test/busybox:1 AS $1"
    echo "RUN wget -qO /begun $server/slow/$run_id-$1; (echo $1 | nc -l -p 7070 >/dev/null &); sleep 1; nc 127.0.0.1 7070 </dev/null >/got; grep -qx $1 /got"
}
{
    listener one
    listener two
    echo "FROM scratch"
    echo "COPY --from=one /got /one"
    echo "COPY --from=two /got /two"
} >"$context/Dockerfile"
build ports -o "type=local,dest=$work/ports" "$context"
expect_equal "one two" "$(cat "$work/ports/one" "$work/ports/two" | paste -sd ' ')" "what two servers at one port said"

# A killed build leaves none either.
printf 'FROM dbuild-test/busybox:1\nRUN wget -qO /x %s/%s-killed; sleep 60\n' "$server" "$run_id" >"$context/Dockerfile"
"$DBUILD" -o type=cacheonly "$context" >"$work/killed.out" 2>"$work/killed.err" &
background+=($!)
was_asked() { grep -q "$run_id-killed" "$work/fetched"; }
wait_for 20 "a RUN that fetches" was_asked
[ -n "$(pastas)" ] || fail "no pasta while a RUN has a network"
kill -KILL "${background[-1]}"
wait "${background[-1]}" 2>/dev/null || true
wait_for 5 "the end of what serves networks" no_pasta

# Chosen by itself only where all of it is there, and where the engine is on this machine.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s >/x\n' "$run_id" >"$context/Dockerfile"
mkdir "$work/bin"
for program in /bin/* /usr/bin/* /usr/sbin/* "$(command -v docker)"; do
    case ${program##*/} in pasta*) ;; *) ln -sf "$program" "$work/bin/" ;; esac
done
PATH=$work/bin build no_pasta -o type=cacheonly "$context"
expect_equal "buildx" "$(executors no_pasta)" "executors without pasta"
if grep -q warning "$work/no_pasta.err"; then fail "a warning about what nobody asked for"; fi
printf 'FROM dbuild-test/busybox:1\nRUN echo %s again >/x\n' "$run_id" >"$context/Dockerfile"
PATH=$work/bin build asked_for --executor runtime -o type=cacheonly "$context"
expect_equal "buildx" "$(executors asked_for)" "executors without pasta, asked for"
expect_contains "$work/asked_for.err" "needs pasta"
# Root without the right to mount: found out once, and docker buildx gets both RUNs in one call.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s >/x\nRUN echo more >/y\n' "$run_id-unprivileged" >"$context/Dockerfile"
setpriv --bounding-set=-sys_admin "$DBUILD" -o type=cacheonly --report "$work/unprivileged.json" "$context" \
    >"$work/unprivileged.out" 2>"$work/unprivileged.err"
expect_equal "buildx" "$(executors unprivileged)" "executors without the right to mount"
expect_equal 1 "$(grep -c "the runtime cannot run this" "$work/unprivileged.err")" "warnings"
# A cache folder that is named from where one stands.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s >/x\n' "$run_id-relative" >"$context/Dockerfile"
(cd "$work" && DBUILD_CACHE_DIR=relative build relative -o type=cacheonly "$context")
expect_equal "runtime" "$(executors relative)" "executors with a relative cache folder"
expect_exit 2 unknown env DBUILD_EXECUTOR=docker "$DBUILD" -o type=cacheonly "$context"
expect_contains "$work/unknown.err" "DBUILD_EXECUTOR"
python3 "$helpers/tcp_front.py" "$engine_socket" "$work/front.port" &
background+=($!)
wait_for 5 "an engine behind a port" test -s "$work/front.port"
printf 'FROM dbuild-test/busybox:1\nRUN echo %s elsewhere >/x\n' "$run_id" >"$context/Dockerfile"
DOCKER_HOST=tcp://127.0.0.1:$(cat "$work/front.port") build elsewhere -o type=cacheonly "$context"
expect_equal "buildx" "$(executors elsewhere)" "executors of an engine that is elsewhere"
