#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tars by Go's archive/tar, as the engine, BuildKit and docker's own program write them (PAX and GNU headers, long and foreign names,
# attributes, links, times of any kind): each comes back byte for byte, from the store and by the independent reader.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
: "${DBUILD_STORE_TOOL:?path of the store_tool binary}"

mkdir -p "$work/context/in"
long=$(printf 'deep%.0s/' $(seq 40))$(printf 'n%.0s' $(seq 180)) # longer than name and prefix of a ustar header
mkdir -p "$work/context/in/$(dirname "$long")"
echo long >"$work/context/in/$long"
printf 'ü' >"$work/context/in/Ünï cödé"
head -c 700000 /dev/urandom >"$work/context/in/big" # of several pieces
python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.note", b"a=1")' "$work/context/in/big"
cat >"$work/context/Dockerfile" <<EOF
FROM dbuild-test/busybox:1
COPY in /in
RUN : $run_id; cd /in && ln big hard && ln -s "$long" soft && mkfifo -m 0640 pipe && mknod node c 1 3 && chown 3000000:2000000 hard \
    && touch -d '1969-12-31 23:59:00' big && rm -r /home && : > empty && chmod 6755 empty
EOF
tag=dbuild-test/go-$run_id:1
docker buildx build -q --provenance=false -t "$tag" "$work/context" >/dev/null
mkdir "$work/tars"
docker buildx build -q --provenance=false --output "type=tar,dest=$work/tars/buildx.tar" "$work/context" >/dev/null
docker buildx build -q --provenance=false --output "type=oci,compression=uncompressed,force-compression=true,dest=$work/tars/oci.tar" \
    "$work/context" >/dev/null
docker save -o "$work/tars/save.tar" "$tag"
container=$(docker create "$tag" true)
docker export -o "$work/tars/export.tar" "$container"
docker cp -q "$container:/in" - >"$work/tars/cp.tar"
docker rm "$container" >/dev/null
mkdir "$work/layers"
tar -xf "$work/tars/oci.tar" -C "$work/layers" # the layers themselves are tars, too
for blob in "$work"/layers/blobs/sha256/*; do
    if tar -tf "$blob" >/dev/null 2>&1; then cp "$blob" "$work/tars/layer-$(basename "$blob").tar"; fi
done
[ "$(find "$work/tars" -name 'layer-*' | wc -l)" = 3 ] || fail "not three layers: $(ls "$work/tars")"
expect_contains <(tar -tf "$work/tars/buildx.tar") "$long"

"$DBUILD_STORE_TOOL" put "$DBUILD_CACHE_DIR" "$work"/tars/*.tar >"$work/put.out"
for tar in "$work"/tars/*.tar; do
    digest=sha256:$(sha256sum "$tar" | cut -d' ' -f1)
    "$DBUILD_STORE_TOOL" read "$DBUILD_CACHE_DIR" "$digest" | cmp - "$tar" || fail "$tar came back otherwise"
    python3 "$helpers/read_store.py" restore "$DBUILD_CACHE_DIR" "$digest" | cmp - "$tar" || fail "$tar: the reader disagrees"
done
"$DBUILD" cache verify >"$work/verify.out" || fail "verify: $(cat "$work/verify.out")"
