#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the command line and the environment put into an image beside its layers: SOURCE_DATE_EPOCH dates the image and the
# history as under `docker buildx build`, without a step being run again; --annotation ends up in the manifest.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context" && echo x >"$work/context/x"
cat >"$work/context/Dockerfile" <<'END'
FROM dbuild-test/busybox:1 AS lower
ENV A=b
COPY x /x
FROM lower
WORKDIR /w
HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1h CMD true
CMD ["x"]
END
printf 'FROM dbuild-test/busybox:1\n' >"$work/bare"
printf 'FROM scratch\nLABEL a=b\n' >"$work/layerless"
tag=dbuild-test/fields-$run_id

# The times in an image: its own, then one a line of its history, then how it runs. The text of a HEALTHCHECK is the newest
# BuildKit's (docs/decisions/0002).
fields() {
    rm -rf "$work/saved" && mkdir "$work/saved" && docker save "$1" | tar -x -C "$work/saved"
    jq -S -c '.created, (.history[] | [.created, (.created_by | sub("(?<word>HEALTHCHECK).*"; "\(.word)")?), .empty_layer]), .config' "$work/saved/$(jq -r '.[0].Config' "$work/saved/manifest.json")"
}
theirs() { docker buildx build --provenance=false -t "$tag:theirs" "$@" "$work/context" >"$work/buildx.out" 2>&1; }
expect_same_fields() { # NAME ARGUMENT...
    local name=$1
    shift
    build "$name" -t "$tag:mine" "$@" "$work/context"
    theirs "$@" || fail "$name: docker buildx build failed"
    expect_equal "$(fields "$tag:theirs")" "$(fields "$tag:mine")" "fields of $name"
}

build undated -t "$tag:mine" "$work/context"
expect_same_fields argument --build-arg SOURCE_DATE_EPOCH=1600000000
expect_equal "" "$(steps_done argument)" "steps done because of a date"
expect_same_fields future --build-arg SOURCE_DATE_EPOCH=4102444800
expect_same_fields before_1970 --build-arg SOURCE_DATE_EPOCH=-5
expect_same_fields bare --build-arg SOURCE_DATE_EPOCH=5 -f "$work/bare"
SOURCE_DATE_EPOCH=7 expect_same_fields environment
SOURCE_DATE_EPOCH=7 expect_same_fields both --build-arg SOURCE_DATE_EPOCH=8
SOURCE_DATE_EPOCH=7 expect_same_fields layerless -f "$work/layerless"
for wrong in abc 1.5 0x10 " 5"; do
    if theirs --build-arg "SOURCE_DATE_EPOCH=$wrong"; then fail "BuildKit takes $wrong"; fi
    expect_exit 1 wrong "$DBUILD" --build-arg "SOURCE_DATE_EPOCH=$wrong" "$work/context"
    expect_contains "$work/wrong.err" "invalid SOURCE_DATE_EPOCH"
done

# The same inputs give the same image, wherever it is made.
build here -t "$tag:mine" --build-arg SOURCE_DATE_EPOCH=9 "$work/context"
id=$(image_id "$tag:mine")
docker rmi -f "$tag:mine" >/dev/null
build there -t "$tag:mine" --build-arg SOURCE_DATE_EPOCH=9 "$work/context"
expect_equal "$id" "$(image_id "$tag:mine")" "the image, made twice"

build annotated -t "$tag:annotated" --annotation a=b=c --annotation "manifest:org.example.x=y z" "$work/context"
docker save "$tag:annotated" | tar -x -C "$work/saved"
manifest=$(jq -r '.manifests[0].digest' "$work/saved/index.json")
expect_equal '{"a":"b=c","org.example.x":"y z"}' "$(jq -S -c .annotations "$work/saved/blobs/${manifest/://}")" "annotations"
expect_exit 2 no_value "$DBUILD" --annotation word "$work/context"
