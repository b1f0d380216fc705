#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One job builds, the next ones use: dbuild save, load and run from the cache, with no Dockerfile and no context at
# hand; and dbuild pull, after which a build needs no registry.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
. "$helpers/registry.sh"

copy_example two_stage
name=dbuild-test/kept-$run_id
build first -t "$name:1" --scope "$run_id" "$work/context"
id=$(image_id "$name:1")
mv "$work/context" "$work/elsewhere"

# From the scope: nothing where it is there; again where it is gone, with the same ID.
start_proxy
expect_exit 0 there "$DBUILD" load --scope "$run_id"
expect_contains "$work/there.out" "Loaded image: $name:1"
if grep -q images/load "$work/requests"; then fail "an image that is there was sent"; fi
docker rmi "$name:1" >/dev/null
expect_exit 0 gone "$DBUILD" load --scope "$run_id"
expect_equal "$id" "$(image_id "$name:1")" "ID of the image from the scope"
# shellcheck disable=SC2016
expect_exit 0 run "$DBUILD" run --scope "$run_id" -- sh -c 'echo "in $0"' "$run_id"
expect_contains "$work/run.out" "$run_id"
expect_exit 1 no_scope "$DBUILD" load --scope none
expect_contains "$work/no_scope.err" "no image was built under the scope"

# To an archive and back; skopeo and docker take it too.
expect_exit 0 save "$DBUILD" save -o "$work/image.tar" "$name:1"
expect_equal "" "$(cat "$work/save.err")" "words of a save from the cache"
expect_exit 0 save_stream "$DBUILD" save "$name:1"
cmp "$work/image.tar" "$work/save_stream.out" || fail "file and stream differ"
skopeo copy -q "oci-archive:$work/image.tar" "dir:$work/taken"
config=$(docker image inspect "$name:1" | jq -cS '.[0] | [.Config, .RootFS]')
for program in docker "$DBUILD"; do
    docker rmi "$name:1" >/dev/null
    $program load -q -i "$work/image.tar" >/dev/null
    expect_equal "$config" "$(docker image inspect "$name:1" | jq -cS '.[0] | [.Config, .RootFS]')" "loaded by $program"
    docker run --rm --entrypoint true "$name:1"
done
"$DBUILD" load <"$work/image.tar"
# What docker saved, and what only the engine has.
docker save -o "$work/docker.tar" "$name:1"
docker rmi "$name:1" >/dev/null
expect_exit 0 load_docker "$DBUILD" load -i "$work/docker.tar"
docker run --rm --entrypoint true "$name:1"
docker tag dbuild-test/busybox:1 "$name:foreign"
expect_exit 0 save_foreign "$DBUILD" save -o "$work/foreign.tar" "$name:foreign"
expect_contains "$work/save_foreign.err" "docker save writes the archive"
tar -tf "$work/foreign.tar" >/dev/null
docker rmi "$name:foreign" >/dev/null
expect_exit 2 save_nothing "$DBUILD" save
expect_exit 1 load_nothing "$DBUILD" load -i "$work/none.tar"

# A tag that is not the last one of its scope is in the cache too.
mv "$work/elsewhere" "$work/context"
docker rmi "$name:1" >/dev/null
build first_again -t "$name:1" --scope "$run_id" "$work/context"
build second -t "$name:2" --scope "$run_id" --build-arg NEW=1 "$work/context"
mv "$work/context" "$work/elsewhere"
expect_exit 0 save_older "$DBUILD" save -o "$work/older.tar" "$name:1"
expect_equal "" "$(cat "$work/save_older.err")" "words of a save of the older tag"

# Engine and cache as places to copy from and to.
id=$(image_id "$name:1")
expect_exit 0 from_engine "$DBUILD" copy "engine:$name:1" "oci:$work/from_engine:1"
if docker info -f '{{.DriverStatus}}' | grep -q io.containerd; then # the classic store makes a manifest when it saves
    expect_equal "$id" "$(cat "$work/from_engine.out")" "digest of the engine's image"
fi
skopeo copy -q "oci:$work/from_engine:1" "dir:$work/from_engine_taken"
# Layers pass while the engine saves them: there is no place for a temporary file.
expect_exit 0 streamed env TMPDIR="$work/no_such_folder" "$DBUILD" copy "engine:$name:1" "archive:$work/streamed.tar:$name:1"
expect_equal "$(cat "$work/from_engine.out")" "$(cat "$work/streamed.out")" "digest of the image that was streamed"
skopeo copy -q "oci-archive:$work/streamed.tar" "dir:$work/streamed_taken"
skopeo copy -q "docker-archive:$work/streamed.tar" "dir:$work/streamed_for_docker"
expect_exit 0 streamed_again env TMPDIR="$work/no_such_folder" "$DBUILD" copy "engine:$name:1" "oci:$work/from_engine:1"
grep -qE 'there already|blobs: 0 moved' "$work/streamed_again.err" || fail "copied again, although it was there"
expect_exit 0 from_cache "$DBUILD" copy "cache:$name:1" "archive:$work/from_cache.tar:$name:1"
skopeo copy -q "oci-archive:$work/from_cache.tar" "dir:$work/from_cache_taken"
expect_exit 0 to_engine_there "$DBUILD" copy "oci:$work/from_engine:1" "engine:$name:copied"
expect_contains "$work/to_engine_there.err" "there already"
docker rmi "$name:copied" "$name:2" >/dev/null
expect_exit 0 to_engine "$DBUILD" copy "cache:$name:1" "engine:$name:copied"
docker run --rm --network none --entrypoint true "$name:copied"
expect_equal "$(docker image inspect -f '{{.RootFS.Layers}}' "$name:1")" "$(docker image inspect -f '{{.RootFS.Layers}}' "$name:copied")" \
    "layers of the copied image"
expect_exit 1 no_image "$DBUILD" copy "engine:$name:none" "oci:$work/none"
expect_contains "$work/no_image.err" "$name:none"
expect_exit 1 not_built "$DBUILD" copy "cache:$name:none" "oci:$work/none"
expect_contains "$work/not_built.err" "$name:none is not in the cache"

# An image that a registry has: its layers into the cache, then a build while the registry is gone.
start_registry bases
registry_pid=${background[-1]}
base=$(make_layout "$work/base" "run-$run_id")
expect_exit 0 push "$DBUILD" copy "oci:$work/base" "$registry/$run_id:1"
expect_exit 0 pull "$DBUILD" pull "$registry/$run_id:1"
expect_equal "$base" "$(cat "$work/pull.out")" "digest of the pulled image"
expect_contains "$work/pull.err" "3 layers fetched"
expect_exit 0 pull_again "$DBUILD" pull "$registry/$run_id:1"
expect_contains "$work/pull_again.err" "0 layers fetched (0 bytes), 3 were there"
kill "$registry_pid"
wait "$registry_pid" 2>/dev/null || true
mkdir "$work/offline"
cat >"$work/offline/Dockerfile" <<END
FROM $registry/$run_id:1
RUN ["/bin/busybox", "touch", "/made"]
COPY Dockerfile /
END
build offline -t "$name:offline" "$work/offline"
expect_contains "$work/offline.err" "as it was last seen"
expect_equal run-"$run_id" "$(docker run --rm "$name:offline")" "what the image says"
: >"$work/requests"
build never --pull=never -t "$name:offline" "$work/offline"
if grep -q images/create "$work/requests"; then fail "--pull=never asked the engine to pull"; fi
echo "FROM $registry/$run_id:2" >"$work/offline/Dockerfile"
expect_exit 1 never_seen "$DBUILD" --pull=never -t "$name:offline" "$work/offline"
expect_contains "$work/never_seen.err" "neither engine nor cache has the image $registry/$run_id:2"
if grep -q images/create "$work/requests"; then fail "--pull=never asked the engine to pull"; fi
"$DBUILD" cache verify >"$work/verify.out"
