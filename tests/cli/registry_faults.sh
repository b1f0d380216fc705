#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A registry with faults costs repetitions or ends in a clear error: never in wrong bytes, a hang, or a secret shown.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
. "$helpers/registry.sh"

digest=$(make_layout "$work/image" "$run_id" 2)
python3 "$helpers/faulty_registry.py" "$work/image" "$work/port" "$work/requests" 2>"$work/server.err" &
server_pid=$!
wait_for 20 "the registry" test -s "$work/port"
registry=127.0.0.1:$(cat "$work/port")
export DBUILD_REGISTRY_TIMEOUT=2

pull() { timeout 60 "$DBUILD" copy "$registry/$1:1" "oci:$work/$1"; }
# works FAULT
works() {
    : >"$work/requests"
    expect_exit 0 "$1" pull "$1"
    expect_equal "$digest" "$(cat "$work/$1.out")" "digest of $1"
    expect_equal "$(ls "$work/image/blobs/sha256")" "$(ls "$work/$1/blobs/sha256")" "blobs of $1"
}
# fails FAULT TEXT: with an error that holds the text, and nothing of an image left
fails() {
    : >"$work/requests"
    expect_exit 1 "$1" pull "$1"
    expect_contains "$work/$1.err" "$2"
    expect_contains "$work/$1.err" "registry $registry"
    if [ -e "$work/$1/index.json" ]; then fail "$1: an image was entered"; fi
}
requests_for() { grep -c "$1" "$work/requests" || true; }

works fine
works busy
expect_equal 3 "$(requests_for manifests)" "requests for the manifest, after two pauses"
works cut
expect_equal 3 "$(requests_for ' 206 bytes=')" "blobs that were resumed"
works cut-twice

fails 401 401
expect_equal 1 "$(requests_for manifests)" "requests where nothing can be repeated"
fails 404 "404 FAULT: as was asked for"
fails 429 429
expect_equal 5 "$(requests_for manifests)" "requests where the registry is too busy"
fails 500 500
fails truncated "transfer closed"
fails wrong "other bytes than its name says"
fails longer "blob"
fails lying "was delivered with the bytes of"
fails endless "longer than it may be"
fails loop redirect
[ "$(requests_for blobs)" -lt 50 ] || fail "a loop was followed for too long"
started=$SECONDS
DBUILD_REGISTRY_TIMEOUT=1 fails slow "blob"
[ $((SECONDS - started)) -lt 40 ] || fail "a slow server took $((SECONDS - started)) s"

# Credentials go to the registry and the token server, not to where a blob lies; what the registry repeats is not shown.
mkdir -p "$HOME/.docker"
secret=$(printf 'alice:wonderland' | base64)
printf '{"auths": {"%s": {"auth": "%s"}}}' "$registry" "$secret" >"$HOME/.docker/config.json"
works basic
works login
expect_equal 1 "$(requests_for '/token')" "tokens that were asked for"
fails 403 "you sent Basic ***"
works elsewhere
expect_equal 0 "$(grep '/v2/other/' "$work/requests" | grep -c ' yes$' || true)" "requests elsewhere with credentials"
[ "$(requests_for /v2/other/)" = 3 ] || fail "the blobs were not fetched elsewhere"
if grep -rlE "wonderland|$secret|sesame|signature" "$work"/*.err "$work"/*.out; then fail "a secret was shown"; fi

# An interrupt ends it at once, also while it waits.
rm "$HOME/.docker/config.json"
before=$(requests_for /v2/slow/blobs)
is_copying() { [ "$(requests_for /v2/slow/blobs)" -gt "$before" ]; }
DBUILD_REGISTRY_TIMEOUT=60 "$DBUILD" copy "$registry/slow:1" "oci:$work/interrupted" 2>"$work/interrupted.err" &
copy_pid=$!
wait_for 30 "the copy" is_copying
kill -INT $copy_pid
started=$SECONDS status=0
wait $copy_pid || status=$?
expect_equal 130 $status "exit of an interrupted copy"
[ $((SECONDS - started)) -lt 10 ] || fail "an interrupt took $((SECONDS - started)) s"
