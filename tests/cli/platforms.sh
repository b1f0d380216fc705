#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# --platform with other platforms than this machine's: one image for each, given out as an index as BuildKit writes it, where
# nothing has to run in them. A stage for the machine that builds runs once where its commands do not tell platforms apart.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context" && echo x >"$work/context/x"
find "$work/context" -exec touch -h -d '2020-01-02 03:04:05 UTC' {} +
cat >"$work/context/Dockerfile" <<'END'
FROM --platform=$BUILDPLATFORM dbuild-test/busybox:1 AS tool
RUN echo same >/same
ARG TARGETPLATFORM
RUN echo "$TARGETPLATFORM" >/target
FROM scratch AS common
COPY x /common/x
FROM common
ARG TARGETARCH TARGETVARIANT
COPY --from=tool /same /target /
WORKDIR /$TARGETARCH
ENV P=$TARGETARCH$TARGETVARIANT
ENTRYPOINT ["/$TARGETARCH"]
END

# Index and images of a layout as text, without what no two builds have in common.
describe() { # FOLDER
    python3 - "$1" <<'PYTHON'
import gzip, io, json, re, sys, tarfile
arg = re.compile("^ARG .*")  # docs/decisions/0002
def blob(digest):
    with open(f"{sys.argv[1]}/blobs/{digest.replace(':', '/')}", "rb") as file:
        return file.read()
with open(f"{sys.argv[1]}/index.json") as file:
    root = json.load(file)["manifests"][0]
print(root["mediaType"], {k: v for k, v in root.get("annotations", {}).items() if not k.startswith("org.opencontainers.image.")})
index = json.loads(blob(root["digest"]))
print(index["mediaType"], index.get("annotations"))
for entry in index["manifests"]:
    image = json.loads(blob(entry["digest"]))
    config = json.loads(blob(image["config"]["digest"]))
    print(entry["platform"], entry.get("annotations"), entry["mediaType"], image.get("annotations"), image["config"]["mediaType"])
    print({k: config.get(k) for k in ("os", "architecture", "variant", "config")}, [arg.sub("ARG", e["created_by"]) for e in config["history"]])
    for layer in image["layers"]:
        data = blob(layer["digest"])
        for member in tarfile.open(fileobj=io.BytesIO(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)):
            print("   ", layer["mediaType"], member.name, oct(member.mode), member.size, member.uid)
PYTHON
}
expect_same_index() { # NAME ATTRIBUTES ARGUMENT...
    local name=$1 attributes=$2
    shift 2
    build "$name" --output "type=oci,tar=false,dest=$work/$name-mine$attributes" "$@" "$work/context"
    # BuildKit writes what platforms share several times at once, and now and then finds it locked.
    local try theirs=("--provenance=false" --output "type=oci,tar=false,dest=$work/$name-theirs$attributes" "$@" "$work/context")
    for try in 1 2 3 4 5; do
        rm -rf "$work/$name-theirs"
        if docker buildx build "${theirs[@]}" >"$work/buildx.out" 2>&1; then break; fi
        if [ "$try" = 5 ] || ! grep -q locked "$work/buildx.out"; then fail "$name: docker buildx build failed"; fi
    done
    describe "$work/$name-mine" >"$work/$name-mine.txt"
    describe "$work/$name-theirs" >"$work/$name-theirs.txt"
    diff -u "$work/$name-theirs.txt" "$work/$name-mine.txt" || fail "$name: another index"
}
platforms=linux/arm64,linux/amd64,linux/arm/v7
expect_same_index index "" --platform $platforms
expect_equal 1 "$(report index '[.steps[] | select(.text == "RUN echo same >/same" and .status == "ran")] | length')" \
    "times that a step ran which is the same for all"
expect_same_index annotated "" --platform linux/s390x,linux/arm64/v8 --annotation index:a=b --annotation index-descriptor:c=d \
    --annotation manifest-descriptor:e=f --annotation g=h --annotation 'manifest[linux/arm64]:i=j'
expect_same_index docker ",oci-mediatypes=false" --platform linux/amd64,linux/arm64

# Nothing changed, nothing is made, and the bytes are the same.
build again --output "type=oci,dest=$work/again.tar" --platform $platforms "$work/context"
expect_equal "" "$(steps_done again)" "steps done again"
mkdir "$work/again" && tar -xf "$work/again.tar" -C "$work/again"
root() { jq -r '.manifests[0].digest' "$work/$1/index.json"; }
expect_equal "$(root index-mine)" "$(root again)" "the index"
expect_equal "$(root index-mine)" "$(report again '.images[0].digest')" "the index in the report"

# One other platform is an image like any other.
tag=dbuild-test/platforms-$run_id
sed 's/^FROM --platform=.*/FROM scratch AS tool\nCOPY x \/same\nCOPY x \/target/; /^RUN/d' "$work/context/Dockerfile" >"$work/Dockerfile"
build other -f "$work/Dockerfile" --platform linux/arm64 -t "$tag" "$work/context"
expect_equal linux/arm64 "$(image_platform "$tag")" "the image's platform"
expect_exit 0 plan "$DBUILD" plan --output "type=oci,dest=$work/plan.tar" --platform linux/amd64,linux/arm64 "$work/context"
expect_contains "$work/plan.out" "linux/arm64:"

# What only an engine with emulation can do, and places that take no index, are docker's.
handed() { # NAME REASON ARGUMENT...
    local name=$1 reason=$2
    shift 2
    "$DBUILD" "$@" "$work/context" >"$work/$name.out" 2>"$work/$name.err" || true
    expect_contains "$work/$name.err" "handing the whole build to docker buildx build: $reason"
}
handed engine "--platform linux/amd64,linux/arm64 for an engine or a folder of files" --platform linux/amd64,linux/arm64
printf 'FROM dbuild-test/busybox:1\n' >"$work/context/Dockerfile"
handed base "an image for linux/s390x" --platform linux/s390x
printf 'FROM scratch\nRUN ["/x"]\n' >"$work/context/Dockerfile"
handed run "RUN for linux/s390x" --platform linux/s390x
