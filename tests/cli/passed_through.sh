#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is handed over reaches docker's own program unchanged: every word, standard input, the exit status; and one line says
# why. A docker that only writes down how it was called stands for the real one, which engine_address.sh and options.sh call.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/bin" "$work/context"
cat >"$work/bin/docker" <<'DOCKER'
#!/bin/sh
printf '%s\n' "$@" >"$RECORD.words"
cat >"$RECORD.stdin"
echo "$BUILDX_BUILDER" >"$RECORD.builder"
if [ -n "${FAKE_WAITS:-}" ]; then
    trap 'exit 7' TERM
    touch "$RECORD.waits"
    while :; do sleep 0.05; done
fi
exit "${FAKE_STATUS:-0}"
DOCKER
chmod +x "$work/bin/docker"
PATH=$work/bin:$PATH
export RECORD=$work/record
printf 'FROM scratch\nCOPY a /a\n' >"$work/context/Dockerfile"
touch "$work/context/a"
cd "$work"

# handed NAME REASON WORD...: the words go over as they are
handed() {
    local name=$1 reason=$2
    shift 2
    rm -f "$RECORD".*
    echo standard-input | expect_exit 0 "$name" "$DBUILD" "$@"
    expect_equal "dbuild: handing the whole build to docker buildx build: $reason" "$(cat "$work/$name.err")" "$name: what is said"
    expect_equal "$(printf '%s\n' buildx build "$@")" "$(cat "$RECORD.words")" "$name: words"
    expect_equal standard-input "$(cat "$RECORD.stdin")" "$name: standard input"
}

# Every option that is not planned, in each way of writing it.
handed add-host --add-host --add-host "a b:1.2.3.4" --add-host=c:::1 context
handed allow --allow --allow network.host context
handed annotation "--annotation index of an image for one platform" context --annotation "index:a=b c"
handed attest --attest --attest type=sbom context
handed build-context --build-context --build-context x=docker-image://y --build-context=z=/ context
handed cache-from --cache-from --cache-from type=registry,ref=c context
handed cache-to --cache-to --cache-to=type=inline context
handed call --call --call=check context
handed cgroup-parent --cgroup-parent --cgroup-parent x context
handed check --check --check context
handed cpu --cpu-shares -c 5 context
handed debug --debug -D context
handed detach --detach --detach context
handed memory --memory -m=1g context
handed network --network --network=host context
handed output "--output with force-compression" -o type=oci,dest=out,force-compression=true context
handed output-short "--output with unpack" -otype=image,unpack=true context
handed platform "--platform windows/amd64" --platform windows/amd64 context
handed platforms "--platform linux/amd64,linux/arm64 for an engine or a folder of files" --platform linux/amd64,linux/arm64 context
handed print --print --print outline context
handed provenance --provenance --provenance=mode=max context
handed sbom --sbom --sbom true context
handed security-opt --security-opt --security-opt x context
handed shm-size --shm-size --shm-size 1g context
handed squash --squash --squash context
handed ulimit --ulimit --ulimit nofile=1:2 context
handed url-file "--file is a URL" -f https://example.com/D context
handed two --debug --debug --squash -t x -- context

# Contexts that are no folder; what comes on standard input stays unread.
handed stdin "the context is standard input" -t x -
handed url "the context is a URL" https://example.com/x.git#main:sub
handed git "the context is a URL" -f sub/Dockerfile git@example.com:x/y.git
handed tarball "the context is a URL" http://example.com/x.tar.gz

# dbuild's own flags stay here, wherever they stand.
rm -f "$RECORD".*
expect_exit 0 own "$DBUILD" build --scope s -t a --report="$work/own.json" context --executor auto --debug --quiet </dev/null
expect_equal "$(printf '%s\n' buildx build -t a context --debug --quiet)" "$(cat "$RECORD.words")" "own flags: words"
expect_equal "0 1" "$(report own '"\(.exit_code) \(.totals.processes_started)"')" "own flags: report"

# A Dockerfile that was read from standard input before the reason showed is given on.
rm -f "$RECORD".*
printf '# syntax=example.com/other\nFROM scratch\n' | expect_exit 0 read_before "$DBUILD" -f - -t a context
expect_contains "$work/read_before.err" "docker buildx build: # syntax=example.com/other"
expect_equal "$(printf '%s\n' buildx build -f - -t a context)" "$(cat "$RECORD.words")" "-f -: words"
expect_equal "$(printf '# syntax=example.com/other\nFROM scratch\n')" "$(cat "$RECORD.stdin")" "-f -: standard input"

# The exit status is the program's, also in the report.
FAKE_STATUS=42 expect_exit 42 status "$DBUILD" --debug --report "$work/status.json" context </dev/null
expect_equal 42 "$(report status .exit_code)" "exit status in the report"

# A signal reaches the program, which says how it ended.
FAKE_WAITS=1 "$DBUILD" --debug context </dev/null 2>"$work/signal.err" &
dbuild_pid=$!
wait_for 5 "the program" test -e "$RECORD.waits"
kill -TERM "$dbuild_pid"
status=0
wait "$dbuild_pid" || status=$?
expect_equal 7 "$status" "exit status after a signal"

# The environment: other builders, the legacy one, variables that change the build; docker build's own builder otherwise.
expect_equal default "$(cat "$RECORD.builder")" "builder where none is named"
BUILDX_BUILDER=mine handed builder "builder mine" context
expect_equal mine "$(cat "$RECORD.builder")" "builder of the environment"
handed builder-flag "builder mine" --builder mine context
BUILDX_GIT_LABELS=1 handed git-labels "BUILDX_GIT_LABELS is set" context
DOCKER_DEFAULT_PLATFORM=windows/amd64 handed default-platform "DOCKER_DEFAULT_PLATFORM=windows/amd64" context
DOCKER_HOST=npipe:////./pipe/x handed npipe "the engine's address npipe:////./pipe/x" context
mkdir "$HOME/.docker"
echo '{"aliases":{"builder":"buildx"}}' >"$HOME/.docker/config.json"
mkdir "$HOME/.docker/buildx"
echo '{"Key":"x","Name":"installed","Global":true}' >"$HOME/.docker/buildx/current"
handed installed "builder installed" context
expect_equal "" "$(cat "$RECORD.builder")" "builder where docker buildx install left it to docker buildx use"
rm -r "$HOME/.docker"
rm -f "$RECORD".*
DOCKER_BUILDKIT=0 expect_exit 0 legacy "$DBUILD" -t a context </dev/null
expect_equal "dbuild: handing the whole build to docker build: DOCKER_BUILDKIT=0" "$(cat "$work/legacy.err")" "legacy builder: what is said"
expect_equal "$(printf '%s\n' build -t a context)" "$(cat "$RECORD.words")" "legacy builder: words"

# A plan says so and starts nothing.
rm -f "$RECORD".*
expect_exit 0 plan "$DBUILD" plan --debug context
expect_equal "the whole build would go to docker buildx build: --debug" "$(cat "$work/plan.out")" "a plan"
if [ -e "$RECORD.words" ]; then fail "a plan started docker"; fi

# Without docker there is a clear error.
PATH=/nowhere expect_exit 1 no_docker "$DBUILD" --debug context
expect_contains "$work/no_docker.err" "cannot start docker"
