#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Cache trouble costs a warning, never a build: a damaged index, one of a newer dbuild, a folder that cannot be made, a disk
# that is full, a pack that vanished.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
tag=dbuild-test/faults-$run_id:1
build first -t "$tag" "$work/context"
first_id=$(image_id "$tag")

# warnings NAME: how many lines of its output warn
warnings() { grep -ci 'warning' "$work/$1.err" || true; }

# fold_back INDEX [STATEMENT]: all of it into the one file
fold_back() {
    python3 - "$1" "${2:-PRAGMA user_version}" <<'END'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute(sys.argv[2])
database.commit()
database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
database.close()
END
    rm -f "$1"-*
}

# A damaged index: from its first byte on, and behind its first page.
for offset in 0 4096; do
    fold_back "$DBUILD_CACHE_DIR/index.sqlite"
    size=$(stat -c %s "$DBUILD_CACHE_DIR/index.sqlite")
    head -c $((size - offset)) /dev/urandom | dd of="$DBUILD_CACHE_DIR/index.sqlite" bs=4096 seek=$((offset / 4096)) conv=notrunc status=none
    build damaged_$offset -t "$tag" "$work/context"
    expect_contains "$work/damaged_$offset.err" index.sqlite.corrupt-
    build after_$offset -t "$tag" "$work/context"
    expect_equal "0" "$(warnings after_$offset)" "warnings of the build after"
    expect_equal "" "$(steps_done after_$offset)" "steps that ran in the build after"
    sleep 1.1 # the names of what is set aside differ by seconds
done
[ "$(find "$DBUILD_CACHE_DIR" -name 'index.sqlite.corrupt-*' ! -name '*-wal' | wc -l)" = 2 ] || fail "damaged indexes are kept"

# A newer dbuild's index is not touched.
cp -R "$DBUILD_CACHE_DIR" "$work/newer"
fold_back "$work/newer/index.sqlite" "PRAGMA user_version=99"
before=$(sha256sum <"$work/newer/index.sqlite")
DBUILD_CACHE_DIR=$work/newer build newer -t "$tag" "$work/context"
expect_contains "$work/newer.err" "has format 99"
expect_equal "$before" "$(sha256sum <"$work/newer/index.sqlite")" "the newer index"
DBUILD_CACHE_DIR=$work/newer expect_exit 1 newer_command "$DBUILD" cache du
expect_contains "$work/newer_command.err" "has format 99"

# A folder that cannot be made: the build goes on, and keeps nothing.
echo "a file" >"$work/file"
echo "changed" >>"$work/context/words.txt"
DBUILD_CACHE_DIR=$work/file/cache build unmakeable -t "$tag" "$work/context"
expect_equal 1 "$(warnings unmakeable)" "warnings where the folder cannot be made"
expect_contains "$work/unmakeable.err" "this run keeps nothing"
docker run --rm --network none "$tag" >/dev/null

# A full disk: 1 MB for a cache whose layers are larger.
if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo); fi
mkdir "$work/small"
"${as_root[@]}" mount -t tmpfs -o size=1m,mode=777 tmpfs "$work/small"
unmount() { "${as_root[@]}" umount "$work/small"; }
trap 'unmount; clean_up' EXIT
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN dd if=/dev/urandom of=/big bs=1M count=4 && echo $run_id
COPY words.txt /words.txt
RUN cat /words.txt > /copy && test -s /big
END
DBUILD_CACHE_DIR=$work/small/cache build full -t "$tag" "$work/context"
[ "$(warnings full)" -ge 1 ] || fail "no warning of a full disk"
expect_equal "changed" "$(docker run --rm --network none "$tag" tail -n 1 /copy)" "what the image holds"
DBUILD_CACHE_DIR=$work/small/cache build full_again -t "$tag" "$work/context"
expect_equal "changed" "$(docker run --rm --network none "$tag" tail -n 1 /copy)" "what the image holds, built again"

# A pack that vanished: its steps run again, where their layers are needed.
find "$DBUILD_CACHE_DIR/packs" -name '*.dbp' -delete
build vanished -t "$tag" "$work/context"
docker run --rm --network none "$tag" true
