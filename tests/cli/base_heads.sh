#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Base images that the engine lacks, or that --pull asks for: one HEAD each tells what they are now, all at once, and nothing is
# pulled that the store or the engine has. Requests are counted by a proxy and by the registry.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
. "$helpers/registry.sh"

make_layout "$work/layout" "run-bases-$run_id" >/dev/null
python3 "$helpers/faulty_registry.py" "$work/layout" "$work/port" "$work/asked" &
background+=($!)
wait_for 20 "the registry" test -s "$work/port"
bases=127.0.0.1:$(cat "$work/port")/together
start_registry moving
moving=$registry/$run_id/base:1

mkdir "$work/context" "$work/moved"
cat >"$work/context/Dockerfile" <<END
FROM $bases:1 AS one
FROM $bases:2
COPY --from=one /bin/busybox /copied
RUN ["/bin/busybox", "touch", "/made"]
END
tag=dbuild-test/heads-$run_id
start_proxy
# How many requests the registry got in a build, by their beginning. GET /v2/ asks a registry of this machine whether it speaks HTTPS.
asked() { grep -c -- "$1" "$work/asked" || true; }
expect_no_pull() { if grep -q images/create "$work/requests"; then fail "$1: the engine pulled"; fi; }
forget() { docker rmi -f "$@" >/dev/null; }
next() { : >"$work/asked" && : >"$work/requests"; }

build first -t "$tag:1" "$work/context"
forget "$bases:1" "$bases:2"
next
build unchanged -t "$tag:1" "$work/context"
expect_equal "" "$(steps_done unchanged)" "steps that ran with bases that only the registry has"
expect_no_pull unchanged
expect_equal "2 0 1" "$(asked '^HEAD.*manifests') $(asked '^GET /v2/[^ ]') $(asked TOGETHER)" "HEADs, GETs, HEADs at once"

# With the image gone, too, the cache and the registry are enough.
forget "$tag:1"
docker builder prune -af >/dev/null
next
build from_store -t "$tag:1" "$work/context"
expect_equal "" "$(steps_done from_store)" "steps that ran without the engine's bases and image"
expect_no_pull from_store
docker create "$tag:1" /none | xargs docker rm >/dev/null

# --pull asks whatever the engine has; the registry's answer is the engine's image.
docker pull -q "$bases:1" >/dev/null
docker pull -q "$bases:2" >/dev/null
next
build pull --pull -t "$tag:1" "$work/context"
expect_no_pull "--pull of what the engine has"
expect_equal "2 0 1" "$(asked '^HEAD.*manifests') $(asked '^GET /v2/[^ ]') $(asked TOGETHER)" "HEADs, GETs, HEADs at once under --pull"
forget "$bases:1" "$bases:2"
next
build pull_from_store --pull -t "$tag:1" "$work/context"
expect_no_pull "--pull of what the store has"

# A tag that moves: the registry's new image is pulled, under --pull at once, otherwise where the engine has none of that name.
digest=$(make_layout "$work/new" "run-new-$run_id")
push() { "$DBUILD" copy "oci:$1" "$moving" >/dev/null 2>"$work/push.err"; }
push "$work/layout"
printf 'FROM %s\nRUN ["/bin/busybox", "true"]\n' "$moving" >"$work/moved/Dockerfile"
build moving -t "$tag:2" "$work/moved"
push "$work/new"
build kept -t "$tag:2" "$work/moved"
expect_equal "" "$(steps_done kept)" "steps that ran though the engine has its own image"
next
build moved --pull -t "$tag:2" "$work/moved"
expect_equal "RUN true" "$(steps_done moved | sed 's|\[.*|true|')" "steps that ran on the image that the tag means now"
grep -q images/create "$work/requests" || fail "the new image was not pulled"
expect_equal "$digest" "$(docker image inspect -f '{{.Id}}' "$moving")" "the engine's image after --pull"
push "$work/layout"
forget "$moving"
build back -t "$tag:2" "$work/moved"
expect_equal "" "$(steps_done back)" "steps that ran after the tag moved back, without the engine's image"

# Where no registry answers, it is what it was.
kill "${background[-1]}"
forget "$moving" 2>/dev/null || true
build offline -t "$tag:2" "$work/moved"
expect_contains "$work/offline.err" "as it was last seen"
