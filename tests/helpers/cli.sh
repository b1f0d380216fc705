# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every test in tests/cli: a HOME, a cache and a work folder of its own, comparisons that say what differed, and
# readers of the report. On failure the folder is kept and its path printed.
#
# Given by ctest: DBUILD (the binary), DBUILD_TEST_STATE_DIR and DBUILD_TEST_ENGINE (the engine fixture's).

: "${DBUILD:?path of the dbuild binary}"
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
helpers=$source_dir/tests/helpers

work=$(mktemp -d /tmp/dbt-XXXXXX)
# Unique to this run, so that tests side by side share neither tags nor steps in the engine.
run_id=$(basename "$work" | tr -dc 'A-Za-z0-9' | tr "[:upper:]" "[:lower:]")-$$
export HOME=$work/home XDG_CACHE_HOME=$work/home/.cache DBUILD_CACHE_DIR=$work/cache TMPDIR=$work/tmp LC_ALL=C
mkdir -p "$HOME" "$TMPDIR"
export DBUILD_EXECUTOR=buildx # what most tests are about; those of the runtime say so
unset DOCKER_CONTEXT DOCKER_CONFIG BUILDX_BUILDER DOCKER_BUILDKIT SOURCE_DATE_EPOCH

if [ -n "${DBUILD_TEST_ENGINE:-}" ]; then
    DOCKER_HOST=$(cat "$DBUILD_TEST_STATE_DIR/engine_$DBUILD_TEST_ENGINE")
else
    # No engine: whatever asks for one must fail rather than find the user's.
    DOCKER_HOST=unix://$work/no-engine.sock
fi
export DOCKER_HOST
engine_socket=${DOCKER_HOST#unix://}

proxy_pid= server_pid=
background=() # further processes of a test, ended with it
clean_up() {
    local status=$?
    trap - EXIT
    for pid in $proxy_pid $server_pid "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
    if [ -n "${DBUILD_TEST_ENGINE:-}" ]; then
        export DOCKER_HOST=unix://$engine_socket # whatever the test made of it
        docker images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | { grep -F -- "$run_id" || true; } |
            xargs -r docker rmi -f >/dev/null 2>&1 || true
    fi
    if [ $status = 0 ]; then
        rm -rf "$work"
    else
        echo "FAILED (exit $status); the folder is kept: $work" >&2
        for file in "$work"/*.out "$work"/*.err; do
            if [ -s "$file" ]; then echo "--- $(basename "$file")" >&2 && tail -n 40 "$file" >&2; fi
        done
    fi
    exit $status
}
trap clean_up EXIT

fail() {
    echo "$0:${BASH_LINENO[${fail_depth:-0}]}: $*" >&2
    exit 1
}

# expect_equal EXPECTED ACTUAL WHAT
expect_equal() {
    if [ "$1" != "$2" ]; then
        diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") >&2 || true
        fail_depth=1 fail "$3: expected (<) and actual (>) differ"
    fi
}

# expect_contains FILE TEXT
expect_contains() {
    if ! grep -qF -- "$2" "$1"; then fail_depth=1 fail "no '$2' in $1"; fi
}

# Copies an example and makes it unique to this run, so that no engine has seen its steps.
# copy_example NAME → $work/context
copy_example() {
    cp -R "$source_dir/examples/$1" "$work/context"
    echo "$run_id" >>"$work/context/words.txt"
    sed -i "s/hello from two stages/hello from $run_id/" "$work/context/Dockerfile"
}

# Runs dbuild, which must succeed; the output is in $work/NAME.out, .err and the report in $work/NAME.json.
# build NAME ARGUMENT...
build() {
    local name=$1 status=0
    shift
    "$DBUILD" --report "$work/$name.json" "$@" >"$work/$name.out" 2>"$work/$name.err" || status=$?
    if [ $status != 0 ]; then fail_depth=1 fail "$name: dbuild $* exited with $status"; fi
}

# Runs a command that must exit with STATUS; output in $work/NAME.out and .err.
# expect_exit STATUS NAME COMMAND...
expect_exit() {
    local expected=$1 name=$2 status=0
    shift 2
    "$@" >"$work/$name.out" 2>"$work/$name.err" || status=$?
    if [ $status != "$expected" ]; then fail_depth=1 fail "$name: exit $status instead of $expected: $*"; fi
}

# report NAME JQ_FILTER
report() { jq -r "$2" "$work/$1.json"; }

# "TEXT<TAB>STATUS" of each step, in the order of the report, first line of the text only.
steps() { report "$1" '.steps[] | [(.text | split("\n")[0]), .status] | @tsv'; }

# The statuses that mean work was done, as "TEXT" lines.
steps_done() { report "$1" '.steps[] | select(.status == "ran" or .status == "made") | .text | split("\n")[0]'; }

image_id() { docker image inspect -f '{{.Id}}' "$1"; }

# Puts the counting proxy between dbuild and the engine; one line per request in $work/requests; in $work/answers
# also one per answer.
start_proxy() {
    python3 "$helpers/counting_proxy.py" "$work/proxy.sock" "$engine_socket" "$work/requests" "$work/answers" &
    proxy_pid=$!
    for _ in $(seq 100); do
        if [ -S "$work/proxy.sock" ]; then break; fi
        kill -0 "$proxy_pid" 2>/dev/null || fail "the proxy ended"
        sleep 0.05
    done
    DOCKER_HOST=unix://$work/proxy.sock
}

# An HTTP server on the engine's bridge address, which the RUNs of the test fetch from: $server is its URL, and
# `fetched` prints the paths that were asked for since the last call, sorted.
start_server() {
    local address
    address=$(docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}')
    python3 "$helpers/counting_server.py" "$address" "$work/port" "$work/fetched" &
    server_pid=$!
    for _ in $(seq 100); do
        if [ -s "$work/port" ]; then break; fi
        kill -0 "$server_pid" 2>/dev/null || fail "the counting server ended"
        sleep 0.05
    done
    server=http://$address:$(cat "$work/port")
}

fetched() {
    sort "$work/fetched"
    : >"$work/fetched"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
    local seconds=$1 what=$2
    shift 2
    for _ in $(seq $((seconds * 20))); do
        if "$@"; then return; fi
        sleep 0.05
    done
    fail_depth=1 fail "$what: not within $seconds s"
}

# A TCP port of 127.0.0.1 that was free a moment ago, for servers that take no other.
free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

request_count() { wc -l <"$work/requests"; }

# Programs started by a run under `strace -f -e trace=execve -o FILE`, the traced one included; failed attempts do not count.
exec_count() { grep -cE 'execve(at)?\(.* = 0$' "$1"; }

# What an image is: the files a container of it starts with, how it runs, how it says it was made. One function per view.
image_tree() {
    local container
    container=$(docker create "$1" /none)
    docker export "$container" | python3 "$helpers/tree_listing.py"
    docker rm "$container" >/dev/null
}
image_config() { docker image inspect -f '{{json .Config}}' "$1" | jq -S .; }
image_platform() { docker image inspect -f '{{.Os}}/{{.Architecture}}' "$1"; }
image_layer_count() { docker image inspect -f '{{len .RootFS.Layers}}' "$1"; }
# Sizes are what the engine's file system says of a layer; of them only whether there is one belongs to the history.
image_history() {
    docker history --no-trunc --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' "$1" |
        sed -E 's/\|0B$/|empty/; t; s/\|[^|]*$/|layer/'
}

# expect_same_image THEIRS MINE; the views are kept as $work/VIEW.theirs and VIEW.mine.
expect_same_image() {
    local view
    for view in tree config platform layer_count history; do
        "image_$view" "$1" >"$work/$view.theirs"
        "image_$view" "$2" >"$work/$view.mine"
        expect_equal "$(cat "$work/$view.theirs")" "$(cat "$work/$view.mine")" "$view of $2 (buildx, dbuild)"
    done
}
