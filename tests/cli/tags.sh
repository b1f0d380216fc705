#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A loaded image under another tag is only tagged: no archive, no process; and the old tag stays.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
build first -t "dbuild-test/tags-$run_id:one" "$work/context"
start_proxy
build second -t "dbuild-test/tags-$run_id:two" -t "dbuild-test/tags-$run_id:one" "$work/context"
if grep -q /images/load "$work/requests"; then fail "the image was loaded again"; fi
expect_equal 1 "$(grep -cF '/tag?' "$work/requests")" "requests that tag"
expect_equal 4 "$(request_count)" "requests: the base, the name, the image ID, the tag"
expect_equal "0 0" "$(report second '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
expect_equal "$(image_id "dbuild-test/tags-$run_id:one")" "$(image_id "dbuild-test/tags-$run_id:two")" "image IDs of both tags"

# The name moves to an image with the same layers. The engine unpacked them for the old one; were it dropped, creating a
# container would fail while they are collected.
mkdir "$work/copy"
echo "$run_id" >"$work/copy/file"
tag=dbuild-test/tags-$run_id:metadata
previous=
for command in true false; do
    printf 'FROM dbuild-test/busybox:1\nCOPY file /\nCMD ["%s"]\n' $command >"$work/copy/Dockerfile"
    before=$(request_count)
    build $command -t "$tag" "$work/copy"
    if tail -n +$((before + 1)) "$work/requests" | grep -F '/tag?'; then fail "a request of its own for the name"; fi
    if [ -n "$previous" ]; then docker image inspect "$previous" >"$work/previous.json"; fi # it stays, without a name
    previous=$(image_id "$tag")
    for i in $(seq 20); do # by curl: docker's own program is too slow to meet the moment
        container=$(curl -sS --unix-socket "$engine_socket" -H 'Content-Type: application/json' -d "{\"Image\": \"$tag\"}" \
            http://engine/containers/create | jq -re .Id) || fail "no container of $command, attempt $i"
        curl -sS --unix-socket "$engine_socket" -X DELETE "http://engine/containers/$container?force=1" & # which collects
    done
    wait $!
done
