#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `dbuild cache`: what each command says of a real build's cache, and that an evicted, damaged, lost or moved cache gives the
# same image.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

# cache NAME VERB... → $work/NAME.json
cache() {
    local name=$1
    shift
    "$DBUILD" cache "$@" --format json >"$work/$name.json" 2>"$work/$name.err" || fail_depth=1 fail "cache $*: $(cat "$work/$name.err")"
}

copy_example two_stage
tag=dbuild-test/cache-$run_id:1
build first -t "$tag" --scope "$run_id" "$work/context"
first_id=$(image_id "$tag")
step_count=$(report first '[.steps[] | select(.status == "ran" or .status == "made")] | length')

# What is there.
cache du du
expect_equal "$step_count" "$(report du .steps)" "steps"
expect_equal 1 "$(report du '.packs')" "packs: the layers of a build share one"
expect_equal "$(find "$DBUILD_CACHE_DIR/packs" -name '*.dbp' -printf '%s\n')" "$(report du .pack_bytes)" "bytes of packs"
expect_equal 0 "$(find "$DBUILD_CACHE_DIR/spool" "$DBUILD_CACHE_DIR/tmp" -type f | wc -l)" "files left in spool and tmp"
expect_equal true "$(report du ".scopes[\"$run_id\"].bytes_alone > 0")" "the scope holds bytes alone"
expect_equal "true true" "$(report du '"\(.engine.image_bytes > 0) \(.engine.build_cache_bytes >= 0)"')" "what the engine holds"
DOCKER_HOST=unix://$work/no-engine.sock cache du_alone du
expect_equal "null" "$(report du_alone .engine)" "what no engine holds"
cache ls ls
expect_equal "$step_count" "$(report ls '[.[] | select(.stored)] | length')" "stored steps"
key=$(report first '[.steps[] | select(.status == "ran")][0].key')
cache show show "${key:7:12}"
expect_equal "$key" "$(report show .key)" "the key found by its first digits"
expect_equal true "$(report show '.ingredients | startswith("kind=") or contains("run")')" "ingredients"
cache verify verify
expect_equal "0 true" "$(report verify '"\(.problems | length) \(.layers >= 1)"')" "problems, layers"
for verb in du ls "show ${key:7:12}" verify "prune --dry-run"; do
    # shellcheck disable=SC2086 # words
    expect_exit 0 text "$DBUILD" cache $verb
    [ -s "$work/text.out" ] || fail "cache $verb prints nothing"
done

# On a terminal long work has a bar, which is gone when the result is printed.
expect_bar() { # VERB...
    python3 "$helpers/terminal.py" --dump-raw "$work/raw" -- "$DBUILD" cache "$@" >"$work/screen.out"
    expect_equal 1 "$(wc -l <"$work/screen.out")" "lines of cache $* on a terminal"
    grep -qE '\[[# ]{20}\] [0-9]+%' "$work/raw" || fail_depth=1 fail "no bar of cache $*"
}
expect_bar verify
expect_bar export "$work/bar.export"
expect_bar import "$work/bar.export"
expect_bar rebuild-index

# Prune has long work where what is left of a pack is packed again: here one layer of three.
for number in 1 2 3; do
    head -c 100000 /dev/urandom >"$work/file"
    tar -C "$work" -cf "$work/$number.tar" file
done
"$DBUILD_STORE_TOOL" put "$work/three" "$work"/[123].tar >/dev/null
python3 -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as index:
    index.execute("UPDATE packed_layer SET used = used - 9000 WHERE diff_id <> (SELECT MIN(diff_id) FROM packed_layer)")' "$work/three/index.sqlite"
DBUILD_CACHE_DIR=$work/three expect_bar prune --max-age 1h
grep -q '^2 layers' "$work/screen.out" || fail "prune says: $(cat "$work/screen.out")"

# Wrong usage.
expect_exit 2 wrong "$DBUILD" cache
expect_exit 2 wrong "$DBUILD" cache no-such-verb
expect_exit 2 wrong "$DBUILD" cache prune --max-size much
expect_exit 2 wrong "$DBUILD" cache prune --max-age 3x
expect_exit 1 wrong "$DBUILD" cache show ffffffffffff
expect_exit 1 wrong "$DBUILD" cache import "$work/context/Dockerfile"

# Moved to another machine: all hits.
cache export export "$work/export"
cp -R "$DBUILD_CACHE_DIR" "$work/original"
DBUILD_CACHE_DIR=$work/moved
cache import import "$work/export"
docker rmi -f "$tag" >/dev/null
build moved -t "$tag" "$work/context"
expect_equal "" "$(steps_done moved)" "steps that ran with the imported cache"
expect_equal "$first_id" "$(image_id "$tag")" "image ID with the imported cache"

# Evicted: the records are there, the layers are not; the engine still has them, so nothing runs.
cache prune prune --max-size 0
expect_equal 0 "$(find "$DBUILD_CACHE_DIR/packs" "$DBUILD_CACHE_DIR/layers" -type f | wc -l)" "files after prune"
build evicted -t "$tag" "$work/context"
expect_equal "" "$(steps_done evicted)" "steps that ran with layers that only the engine has"

# A lost index: found again from the packs.
DBUILD_CACHE_DIR=$work/original
rm "$DBUILD_CACHE_DIR"/index.sqlite*
cache rebuild rebuild-index
expect_equal "1 0" "$(report rebuild '"\(.packs) \(.damaged_packs)"')" "packs listed again, damaged ones"
docker rmi -f "$tag" >/dev/null
build rebuilt -t "$tag" "$work/context"
expect_equal "" "$(steps_done rebuilt)" "steps that ran with the rebuilt index"
expect_equal "$first_id" "$(image_id "$tag")" "image ID with the rebuilt index"

# A damaged pack: found by verify, removed by --repair.
pack=$(find "$DBUILD_CACHE_DIR/packs" -name '*.dbp' | head -n 1)
printf 'X' | dd of="$pack" bs=1 seek=40 conv=notrunc status=none
expect_exit 1 damaged "$DBUILD" cache verify
cache repair verify --repair
expect_equal true "$(report repair '.problems | length >= 1')" "problems found"
cache verified verify
expect_equal 0 "$(report verified '.problems | length')" "problems after the repair"
