#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The file system below the store: a full one can still be pruned, by what is kept back for it; a read-only one serves; one
# where SQLite's locks are not safe is refused with the reason, and nothing is written to it.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
: "${DBUILD_STORE_TOOL:?path of the store_tool binary}"

if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo); fi
mounted=()
unmount_all() {
    for folder in "${mounted[@]}"; do "${as_root[@]}" umount "$folder"; done
}
trap 'unmount_all; clean_up' EXIT

for seed in 1 2 3; do
    python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(int(sys.argv[1])).randbytes(3000000))' $seed >"$work/own"
    tar --format=gnu -C "$work" -cf "$work/$seed.tar" own
done

# A full disk. Without the reserve there is no room for the rows, and no file may go before its row.
mkdir "$work/disk"
"${as_root[@]}" mount -t tmpfs -o size=160m,mode=1777 tmpfs "$work/disk"
mounted+=("$work/disk")
cache=$work/disk/cache
"$DBUILD_STORE_TOOL" put "$cache" "$work"/{1,2,3}.tar >"$work/put.out"
expect_equal $((16 * 1024 * 1024)) "$(stat -c %s "$cache/reserve")" "bytes of the reserve"
fill_disk() {
    dd if=/dev/zero of="$work/disk/filling" bs=64k 2>/dev/null || true
    dd if=/dev/zero of="$work/disk/crumbs" bs=512 2>/dev/null || true
    if echo "more than nothing" >"$work/disk/more" 2>/dev/null; then fail "the disk is not full"; fi
}
mv "$cache/reserve" "$work/reserve"
fill_disk
DBUILD_CACHE_DIR=$cache expect_exit 1 unpruned "$DBUILD" cache prune --max-size 0
expect_contains "$work/unpruned.err" "nothing is evicted"
"$DBUILD" cache verify >/dev/null
rm -f "$work"/disk/{filling,crumbs,more}
"$DBUILD_STORE_TOOL" put "$cache" "$work/1.tar" >/dev/null
"$DBUILD_STORE_TOOL" read "$cache" "$(head -n 1 "$work/put.out" | cut -d' ' -f1)" | cmp - "$work/1.tar"
expect_equal "" "$(find "$cache" -name reserve)" "a process that wrote nothing"
rm -rf "$cache"
"$DBUILD_STORE_TOOL" put "$cache" "$work"/{1,2,3}.tar >"$work/put.out"
fill_disk
DBUILD_CACHE_DIR=$cache "$DBUILD" cache prune --max-size 0 >"$work/pruned.out" 2>"$work/pruned.err" || fail "prune on a full disk"
expect_equal "" "$(cat "$work/pruned.err")" "warnings of prune on a full disk"
expect_equal "" "$(find "$cache/packs" -name '*.dbp')" "packs after prune on a full disk"
[ "$(stat -c %s "$cache/reserve")" -lt $((16 * 1024 * 1024)) ] || fail "the reserve was not needed"
rm -f "$work"/disk/{filling,crumbs,more}
"$DBUILD_STORE_TOOL" put "$cache" "$work/1.tar" >"$work/put.out"
expect_equal $((16 * 1024 * 1024)) "$(stat -c %s "$cache/reserve")" "bytes of the reserve, made whole again"

# Mounted read-only: it serves what it has; what is put is kept elsewhere until the end, and costs one warning.
"${as_root[@]}" mount -o remount,ro "$work/disk"
first=$(head -n 1 "$work/put.out" | cut -d' ' -f1)
"$DBUILD_STORE_TOOL" read "$cache" "$first" 2>"$work/err" | cmp - "$work/1.tar" || fail "a read-only store does not serve"
"$DBUILD_STORE_TOOL" put "$cache" "$work/2.tar" >"$work/out" 2>"$work/err" || fail "put: $(cat "$work/err")"
expect_equal 1 "$(grep -c '^warning' "$work/err")" "warnings of a put where nothing can be written"
DBUILD_CACHE_DIR=$cache "$DBUILD" cache verify >"$work/verify.out" 2>&1 || fail "verify: $(cat "$work/verify.out")"
DBUILD_CACHE_DIR=$cache expect_exit 1 unpruned "$DBUILD" cache prune --max-size 0
"${as_root[@]}" mount -o remount,rw "$work/disk"

# FUSE: the index would be damaged there sooner or later.
if [ -e /dev/fuse ]; then
    mkdir -p "$work/below/cache" "$work/fuse"
    "${as_root[@]}" bindfs "$work/below" "$work/fuse"
    mounted+=("$work/fuse")
    expect_exit 1 fuse "$DBUILD_STORE_TOOL" put "$work/fuse/cache" "$work/1.tar"
    expect_contains "$work/fuse.err" "is on FUSE"
    expect_contains "$work/fuse.err" "DBUILD_CACHE_DIR"
    DBUILD_CACHE_DIR=$work/fuse/cache expect_exit 1 fuse_du "$DBUILD" cache du
    expect_contains "$work/fuse_du.err" "is on FUSE"
    expect_equal "" "$(find "$work/below/cache" -mindepth 1)" "what was written below FUSE"
else
    echo "not tested here: FUSE (no /dev/fuse)"
fi
