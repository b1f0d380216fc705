#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dbuild build --output and --push: archives, folders and registries get the image that the engine would, by dbuild
# alone; a changed layer moves alone; docker and skopeo take what comes out, and the same build gives the same bytes.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
. "$helpers/registry.sh"

copy_example two_stage
cd "$work/context"
name=dbuild-test/outputs-$run_id
native() { if grep -q 'docker buildx' "$work/$1.err"; then fail "$1 went to docker buildx: $(cat "$work/$1.err")"; fi; }
moved() { sed -nE 's/.*: ([0-9]+) blobs moved.*/\1/p' "$work/$1.err"; }
skopeo() { command skopeo --override-os linux "$@"; }

# To the engine first: the others must give an image of the same configuration.
build engine -t "$name:1" .
config=$(docker image inspect "$name:1" | jq -cS '.[0] | [.Config, .RootFS]')

# Several at once. An archive for docker load, a folder, and again the engine.
build files -t "$name:2" --load -o "type=docker,dest=$work/docker.tar" \
    -o "type=oci,dest=$work/oci.tar,compression=zstd" \
    -o "type=oci,dest=$work/folder,tar=false,compression=uncompressed" --metadata-file "$work/metadata" .
native files
expect_equal 0 "$(report files .totals.executor_calls)" "executor calls for outputs"
expect_equal "[\"$name:2\"]" "$(report files '.images[0].tags' | jq -c .)" "tags in the report"
docker rmi "$name:1" "$name:2" >/dev/null
docker load -q -i "$work/docker.tar" >/dev/null
expect_equal "$config" "$(docker image inspect "$name:2" | jq -cS '.[0] | [.Config, .RootFS]')" "the loaded image"
docker run --rm --entrypoint true "$name:2"
skopeo inspect "oci-archive:$work/oci.tar" >"$work/inspected"
skopeo inspect --raw "oci-archive:$work/oci.tar" >"$work/inspected"
jq -e '[.layers[].mediaType] | any(endswith("tar+zstd"))' "$work/inspected" >/dev/null || fail "no zstd layer"
skopeo copy -q "oci-archive:$work/oci.tar" "dir:$work/from_archive"
skopeo copy -q "oci:$work/folder:2" "dir:$work/from_folder"
skopeo copy -q "docker-archive:$work/docker.tar" "dir:$work/from_docker"

# The same settings give the same bytes, from a cache that never packed these layers too.
build again -t "$name:2" -o "type=oci,dest=$work/again.tar,compression=zstd" -o "type=docker,dest=-" .
cmp "$work/oci.tar" "$work/again.tar" || fail "an archive has other bytes the second time"
cmp "$work/docker.tar" "$work/again.out" || fail "the archive on standard output has other bytes than the file"
build level -t "$name:2" -o "type=oci,dest=$work/level.tar,compression=zstd,compression-level=19" .
cmp -s "$work/oci.tar" "$work/level.tar" && fail "the level changes nothing"

# Nothing but the cache.
build nothing -t "$name:none" -o type=cacheonly .
native nothing
if docker image inspect "$name:none" >/dev/null 2>&1; then fail "cacheonly loaded an image"; fi

# A registry: at first all, then nothing, then one layer and the configuration; another tag is a manifest.
start_registry plain
uploads() { grep -c 'http.request.method=PUT.*blobs/uploads' "$work/plain.log" || true; }
build push --push -t "$registry/$run_id:1" --iidfile "$work/iid" .
native push
all=$(uploads)
expect_equal "$all" "$(moved push)" "uploads that the registry saw, and the sentence"
digest=$(skopeo inspect --tls-verify=false "docker://$registry/$run_id:1" | jq -r .Digest)
expect_equal "$(docker image inspect -f '{{.Id}}' "$registry/$run_id:1")" "$(cat "$work/iid")" "the image is in the engine too"
expect_equal "$digest" "$(report push '.images[0].digest')" "digest in the report"
build push_again -o "type=image,name=$registry/$run_id:1,push=true" .
expect_contains "$work/push_again.err" "there already"
expect_equal "$all" "$(uploads)" "uploads for the same again"
build push_only -o "type=registry,name=$registry/$run_id:only,store=false" .
native push_only
if docker image inspect "$registry/$run_id:only" >/dev/null 2>&1; then fail "store=false loaded an image"; fi
echo "once more" >>banner.txt
build push_changed --push -t "$registry/$run_id:2" -t "$registry/$run_id:3" .
expect_equal 3 $(($(uploads) - all)) "uploads after an edit: two layers, a configuration"
docker pull -q "$registry/$run_id:3" >/dev/null
docker run --rm --entrypoint true "$registry/$run_id:3"
docker rmi "$registry/$run_id:3" >/dev/null

# What is wrong.
expect_exit 2 no_tag "$DBUILD" --push .
expect_contains "$work/no_tag.err" "a tag is needed"
expect_exit 1 no_registry "$DBUILD" --push -t "127.0.0.1:$(free_port)/x:1" .
expect_contains "$work/no_registry.err" "registry 127.0.0.1"
expect_exit 1 no_folder "$DBUILD" -t x -o "type=oci,dest=$work/none/x.tar" .
expect_contains "$work/no_folder.err" "$work/none"
