#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each system call that changes something fails once, with EIO and with ENOSPC: nothing crashes, what the store holds afterwards
# is sound, and the same layers can be put again. Then a folder without permission, one that is read-only, packs that vanish, are
# cut off or flipped at random, and a clock that was set back.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
: "${DBUILD_STORE_TOOL:?path of the store_tool binary}"

mkdir "$work/tree"
for seed in 1 2 3; do
    python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(int(sys.argv[1])).randbytes(300000))' $seed >"$work/tree/own"
    tar --format=gnu -C "$work/tree" -cf "$work/$seed.tar" own
done
"$DBUILD_STORE_TOOL" put "$work/base" "$work/1.tar" >"$work/base.out"
base=$(head -n 1 "$work/base.out" | cut -d' ' -f1)
second=sha256:$(sha256sum <"$work/2.tar" | cut -d' ' -f1)

# check_sound FOLDER: by dbuild and by the independent reader
check_sound() {
    python3 "$helpers/read_store.py" check "$1" >/dev/null || fail_depth=1 fail "$1: the packs are not sound"
    DBUILD_CACHE_DIR=$1 "$DBUILD" cache verify >"$work/verify.out" 2>"$work/verify.err" || fail_depth=1 fail "$1: $(cat "$work/verify.out" "$work/verify.err")"
}

# faults NAME COMMAND...: COMMAND works on $work/now, a copy of the base
points=0
faults() {
    local name=$1 error call k status
    shift
    for error in EIO ENOSPC; do
        for call in openat write pwrite64 rename fdatasync fsync unlink mkdir link ftruncate flock; do
            for k in $(seq 60); do
                rm -rf "$work/now"
                cp -R "$work/base" "$work/now"
                status=0
                { # which the shell would report where the tool cannot say what it has to say
                    strace -f -o "$work/trace" -e "trace=$call" -e "inject=$call:error=$error:when=$k" "$@" >"$work/out" 2>"$work/err" || status=$?
                } 2>/dev/null
                if grep -q 'cannot write to file' "$work/err" || [ "$status" = 127 ]; then continue; fi # the tool's words, its libraries
                [ "$status" -lt 2 ] || fail "$name: exit $status where $call $k says $error: $(cat "$work/err")"
                grep -q INJECTED "$work/trace" || break
                [ "$(grep -c '^warning' "$work/err")" -le 1 ] || fail "$name: more than one warning where $call $k says $error: $(cat "$work/err")"
                check_sound "$work/now"
                "$DBUILD_STORE_TOOL" put "$work/now" "$work/2.tar" >"$work/again.out" 2>"$work/again.err" || fail "$name, $call $k, $error: $(cat "$work/again.err")"
                "$DBUILD_STORE_TOOL" has "$work/now" "$second" || fail "$name, $call $k, $error: not stored by the next one"
                points=$((points + 1))
            done
        done
    done
}
faults put "$DBUILD_STORE_TOOL" put "$work/now" "$work/2.tar" "$work/3.tar"
[ "$points" -ge 60 ] || fail "only $points faults"
echo "$points faults"

# What prune has to remove, in the same way: it fails, or does it; the layer that it keeps stays.
"$DBUILD_STORE_TOOL" put "$work/base" "$work/3.tar" >"$work/third.out"
python3 - "$work/base/index.sqlite" "${base:7}" <<'PYTHON'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE packed_layer SET used = used - 9000000 WHERE diff_id <> ?", (bytes.fromhex(sys.argv[2]),))
database.commit()
PYTHON
DBUILD_CACHE_DIR=$work/now faults prune "$DBUILD" cache prune --max-size 400kB
"$DBUILD_STORE_TOOL" has "$work/now" "$base" || fail "prune evicted what it had to keep"
echo "$points faults with prune"

# A power cut takes what was not synced: a pack is on the disk under its name before the index speaks of it.
rm -rf "$work/now"
cp -R "$work/base" "$work/now"
strace -f -y -o "$work/trace" -e trace=write,pwrite64,fdatasync,fsync,rename "$DBUILD_STORE_TOOL" put "$work/now" "$work/2.tar" >"$work/out"
python3 - "$work/trace" <<'PYTHON'
import re, sys
unsynced, renamed, packs, rows = set(), set(), 0, 0
for line in open(sys.argv[1]):
    if written := re.search(r"\b(?:write|pwrite64)\(\d+<([^>]*)>", line):
        path = written[1]
        unsynced.add(path)
        if path.endswith("index.sqlite-wal"):
            rows += 1
            assert not renamed, f"rows before the folder was synced: {renamed}"
    elif synced := re.search(r"\b(?:fdatasync|fsync)\(\d+<([^>]*)>", line):
        unsynced.discard(synced[1])
        renamed = {path for path in renamed if not path.startswith(synced[1] + "/")}
    elif moved := re.search(r'\brename\("([^"]*)", "([^"]*\.dbp)"', line):
        packs += 1
        assert moved[1] not in unsynced, f"{moved[1]} got its name before it was synced"
        renamed.add(moved[2])
assert packs == 1 and rows > 0, (packs, rows)
PYTHON
# Its other face: the log of the index is cut off, spooled layers are torn.
"$DBUILD_STORE_TOOL" put "$work/now" --no-flush "$work/3.tar" >>"$work/out"
for file in "$work"/now/spool/* "$work"/now/tmp/*; do
    if [ -f "$file" ]; then truncate -s 5000 "$file"; fi
done
if [ -f "$work/now/index.sqlite-wal" ]; then truncate -s "$(($(stat -c %s "$work/now/index.sqlite-wal") / 2))" "$work/now/index.sqlite-wal"; fi
rm -f "$work/now/index.sqlite-shm"
check_sound "$work/now"
"$DBUILD_STORE_TOOL" has "$work/now" "$base" || fail "the power cut took what was on the disk before"

# Clocks: what was used in the future, and a pack from there.
python3 - "$work/now/index.sqlite" <<'PYTHON'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE packed_layer SET used = used + 1000000000, created = created + 1000000000")
database.commit()
PYTHON
find "$work/now/packs" -name '*.dbp' -exec touch -d 2050-01-01 {} +
DBUILD_CACHE_DIR=$work/now "$DBUILD" cache prune --max-age 1d >"$work/future.out" || fail "prune with times of the future"
"$DBUILD_STORE_TOOL" has "$work/now" "$base" || fail "what was used in the future was evicted by age"
DBUILD_CACHE_DIR=$work/now "$DBUILD" cache prune --max-size 0 >"$work/future.out" || fail "prune with times of the future"
if "$DBUILD_STORE_TOOL" has "$work/now" "$base"; then fail "what was used in the future is never evicted"; fi

# Packs that vanish, are cut off or flipped: misses, and what is put again is there again.
for damage in 'rm' 'truncate -s 100' 'truncate -s -1' flip; do
    rm -rf "$work/now"
    cp -R "$work/base" "$work/now"
    pack=$(find "$work/now/packs" -name '*.dbp' | head -n 1)
    if [ "$damage" = flip ]; then
        printf 'X' | dd of="$pack" bs=1 seek=$((RANDOM % 100000 + 20)) conv=notrunc status=none
    else
        $damage "$pack"
    fi
    for digest in "$base" "$(head -n 1 "$work/third.out" | cut -d' ' -f1)"; do
        "$DBUILD_STORE_TOOL" read "$work/now" "$digest" >"$work/read" 2>"$work/err" || continue # a miss
        expect_equal "$digest" "sha256:$(sha256sum <"$work/read" | cut -d' ' -f1)" "bytes of a layer after $damage"
    done
    "$DBUILD_STORE_TOOL" put "$work/now" "$work/1.tar" "$work/3.tar" >"$work/out" || fail "put after $damage"
    "$DBUILD_STORE_TOOL" has "$work/now" "$base" || fail "not there again after $damage"
    check_sound "$work/now"
done

# No permission, and nothing but reading: one warning, and the store that is there still serves.
rm -rf "$work/now"
cp -R "$work/base" "$work/now"
chmod -R a+rX "$work" && chmod 755 "$work"
if [ "$(id -u)" = 0 ]; then as_other=(setpriv --reuid 65534 --regid 65534 --clear-groups); else as_other=() && chmod -R a-w "$work/now"; fi
mkdir -m 1777 -p "$work/other-tmp"
TMPDIR=$work/other-tmp "${as_other[@]}" "$DBUILD_STORE_TOOL" put "$work/now" "$work/2.tar" >"$work/out" 2>"$work/err" || fail "put without permission: $(cat "$work/err")"
expect_equal 1 "$(grep -c '^warning' "$work/err")" "warnings without permission"
TMPDIR=$work/other-tmp "${as_other[@]}" "$DBUILD_STORE_TOOL" read "$work/now" "$base" 2>"$work/err" | cmp - "$work/1.tar" || fail "a store that is only read does not serve"
chmod -R u+w "$work/now"
check_sound "$work/now"
