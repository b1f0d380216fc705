#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 320 tars of all dialects, a third of them damaged: each comes back byte for byte, or was refused before anything of it was
# recorded. An independent reader restores the same from the packs alone.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
: "${DBUILD_STORE_TOOL:?path of the store_tool binary}"

python3 "$helpers/make_tars.py" "$work/tars" 320 "$RANDOM" # a failing run keeps them
stored=0
refused=0
for batch in 0 1 2 3 4; do # several processes, so that later packs refer to older ones
    for tar in "$work"/tars/*"$batch".tar "$work"/tars/*"$((batch + 5))".tar; do
        if "$DBUILD_STORE_TOOL" put "$DBUILD_CACHE_DIR" --no-flush "$tar" >>"$work/put.out" 2>"$work/put.err"; then
            stored=$((stored + 1))
        else
            expect_contains "$work/put.err" "store_tool: layer:"
            refused=$((refused + 1))
        fi
    done
    "$DBUILD_STORE_TOOL" put "$DBUILD_CACHE_DIR" # takes over the spool
done
[ $((stored + refused)) = 320 ] || fail "$stored stored, $refused refused"
[ "$stored" -ge 220 ] || fail "only $stored stored"

python3 "$helpers/read_store.py" list "$DBUILD_CACHE_DIR" >"$work/listed"
cut -d' ' -f1 "$work/put.out" | sort -u >"$work/put"
expect_equal "$(cat "$work/put")" "$(cat "$work/listed")" "layers that were put, layers in the packs"
expect_equal "$(wc -l <"$work/put")" "$(python3 "$helpers/read_store.py" check "$DBUILD_CACHE_DIR")" "layers that the reader restores"
while read -r diff_id; do
    found=$("$DBUILD_STORE_TOOL" read "$DBUILD_CACHE_DIR" "$diff_id" | sha256sum | cut -d' ' -f1)
    expect_equal "$diff_id" "sha256:$found" "a layer's bytes"
done < <(head -n 40 "$work/put") # verify below reads them all
"$DBUILD" cache verify >"$work/verify.out" || fail "verify: $(cat "$work/verify.out")"
expect_contains "$work/verify.out" " 0 problems"
