#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed at every system call that changes something, in putting, in pruning, in packing again and in merging another store:
# what the store holds is sound, and what put() has said to be there is there. Then 8 processes at once, killed at random, with
# prune among them: for 10 seconds, by hand for DBUILD_TEST_CRASH_SECONDS=60.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
: "${DBUILD_STORE_TOOL:?path of the store_tool binary}"

calls=(write pwrite64 rename fdatasync fsync unlink mkdir link)
points=0

# make_tar NAME SEED: three files, two of them the same for all seeds
make_tar() {
    mkdir -p "$work/tree"
    python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(120000))' >"$work/tree/common"
    python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(int(sys.argv[1])).randbytes(300000))' "$2" >"$work/tree/own"
    echo text >"$work/tree/text"
    tar --format=gnu -C "$work/tree" -cf "$work/$1.tar" common own text
}
for number in 1 2 3 4; do make_tar "$number" "$number"; done

# check_store FOLDER SAID: sound, before and after whoever opens it next has tidied up; SAID lists "DIFF_ID SECONDS" lines
check_store() {
    local layers
    python3 "$helpers/read_store.py" check "$1" >/dev/null || fail_depth=1 fail "$1: the packs are not sound"
    DBUILD_CACHE_DIR=$1 "$DBUILD" cache verify >"$work/verify.out" 2>"$work/verify.err" || fail_depth=1 fail "$1: $(cat "$work/verify.out" "$work/verify.err")"
    mapfile -t layers < <(grep -o '^sha256:[0-9a-f]*' "$2" || true)
    if [ ${#layers[@]} -gt 0 ]; then "$DBUILD_STORE_TOOL" has "$1" "${layers[@]}" || fail_depth=1 fail "$1: what was put is lost"; fi
    expect_equal "" "$(find "$1/spool" "$1/tmp" -type f 2>/dev/null)" "files left behind in $1"
}

# sweep NAME FOLDER SAID COMMAND...: COMMAND works on $work/now, a copy of FOLDER
sweep() {
    local name=$1 folder=$2 said=$3 call k status
    shift 3
    for call in "${calls[@]}"; do
        for k in $(seq 200); do
            rm -rf "$work/now"
            if [ -d "$folder" ]; then cp -R "$folder" "$work/now"; fi
            status=0
            { # which the shell would report as killed, every time
                strace -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$k" "$@" >"$work/out" 2>"$work/err" || status=$?
            } 2>/dev/null
            if [ "$status" = 0 ]; then break; fi
            [ "$status" = 137 ] || fail "$name: exit $status at $call $k: $(cat "$work/err")"
            cat "$said" "$work/out" >"$work/said"
            check_store "$work/now" "$work/said"
            points=$((points + 1))
        done
    done
}

: >"$work/nothing"
sweep put "$work/none" "$work/nothing" "$DBUILD_STORE_TOOL" put "$work/now" "$work/1.tar" "$work/2.tar"

"$DBUILD_STORE_TOOL" put "$work/base" "$work/1.tar" "$work/2.tar" >"$work/base.out"
sweep add "$work/base" "$work/base.out" "$DBUILD_STORE_TOOL" put "$work/now" "$work/3.tar" "$work/4.tar"

echo "$points crash points so far"

# Another store merged into this one.
"$DBUILD_STORE_TOOL" put "$work/other" "$work/2.tar" "$work/3.tar" >"$work/other.out"
DBUILD_CACHE_DIR=$work/other "$DBUILD" cache export "$work/other.export" >/dev/null
DBUILD_CACHE_DIR=$work/now sweep import "$work/base" "$work/base.out" "$DBUILD" cache import "$work/other.export"
DBUILD_CACHE_DIR=$work/now "$DBUILD" cache import "$work/other.export" >/dev/null
cat "$work/base.out" "$work/other.out" >"$work/said"
check_store "$work/now" "$work/said"

# One pack with three layers, of which prune leaves one: evicted, packed again, removed.
"$DBUILD_STORE_TOOL" put "$work/full" "$work/1.tar" "$work/2.tar" "$work/3.tar" >"$work/full.out"
kept=$(sed -n 1p "$work/full.out")
python3 - "$work/full/index.sqlite" "${kept:7:64}" <<'END'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE packed_layer SET used = used - 9000 WHERE diff_id <> ?", (bytes.fromhex(sys.argv[2]),))
database.commit()
END
echo "$kept" >"$work/kept"
DBUILD_CACHE_DIR=$work/now sweep prune "$work/full" "$work/kept" "$DBUILD" cache prune --max-size 450kB
python3 "$helpers/read_store.py" list "$work/now" | grep -qxF "${kept%% *}" || fail "prune evicted what it had to keep"
[ "$points" -ge 60 ] || fail "only $points crash points"
echo "$points crash points"

# 8 writers for a while, each killed and started again at random; prune as well.
ends=$((SECONDS + ${DBUILD_TEST_CRASH_SECONDS:-10}))
for number in 1 2 3 4 5 6 7 8; do
    ( # killed programs are the point here: no words about them
        exec 2>/dev/null
        round=0
        while [ $SECONDS -lt $ends ]; do
            round=$((round + 1))
            rm -f "$work/writer$number.tar" # a spool may have it by a second name
            python3 -c 'import random, sys, tarfile, io
dice = random.Random(sys.argv[1])
with tarfile.open(sys.argv[2], "w") as tar:
    for name in range(4):
        data = random.Random(dice.randrange(6)).randbytes(dice.choice([100, 70000, 400000]))
        info = tarfile.TarInfo(str(name)); info.size = len(data); tar.addfile(info, io.BytesIO(data))' "$number-$round" "$work/writer$number.tar"
            timeout -s KILL "$(printf 0.%03d $((RANDOM % 300 + 20)))" "$DBUILD_STORE_TOOL" put "$work/shared" "$work/writer$number.tar" >>"$work/said$number" 2>>"$work/writer$number.err" || true
            if [ "$number" = 8 ]; then
                DBUILD_CACHE_DIR=$work/shared timeout -s KILL "0.$((RANDOM % 9 + 1))" "$DBUILD" cache prune --max-age 1d >>"$work/prune.out" 2>&1 || true
            fi
        done
    ) &
done
wait
cat "$work"/said? >"$work/said"
[ "$(grep -c '^sha256:' "$work/said")" -ge 20 ] || fail "only $(grep -c '^sha256:' "$work/said") layers were put"
check_store "$work/shared" "$work/said"
