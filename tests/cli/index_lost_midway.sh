#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The index is damaged while a build uses it: the disk cannot give a page again, at each read of the plan; pages are
# overwritten, the file is cut off, the whole folder goes away while a RUN runs. The build ends well, with at most one warning,
# its image holds what it should, and so does the next build's; the store is sound afterwards.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
tag=dbuild-test/midway-$run_id:1
mkdir "$work/context"

# write_dockerfile ROUND: two RUNs that all rounds share, and one of its own that takes two seconds
write_dockerfile() {
    cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN echo $run_id >/one
RUN cat /one /one >/two
RUN wget -qO /three $server/slow/$1
RUN cat /two /three >/four
END
}

# expect_good NAME ROUND: what the build of that round left
expect_good() {
    local warnings
    warnings=$(grep -c '^warning' "$work/$1.err" || true)
    [ "$warnings" -le 1 ] || fail_depth=1 fail "$1: more than one warning"
    expect_equal "$run_id $run_id /slow/$2" "$(docker run --rm --network none "$tag" cat /four | paste -sd' ')" "$1: what the image holds"
    "$DBUILD" cache verify >"$work/$1-verify.out" 2>&1 || fail_depth=1 fail "$1: $(cat "$work/$1-verify.out")"
}

write_dockerfile first
build first -t "$tag" "$work/context"
cp -R "$DBUILD_CACHE_DIR" "$work/base"

# Each read of the index while everything is a hit.
reads=0
for k in 1 2 3 5 8 13 21 34 55; do
    rm -rf "$DBUILD_CACHE_DIR"
    cp -R "$work/base" "$DBUILD_CACHE_DIR"
    status=0
    strace -f -o "$work/trace" -P "$DBUILD_CACHE_DIR/index.sqlite" -e trace=pread64 -e "inject=pread64:error=EIO:when=$k" \
        "$DBUILD" -t "$tag" "$work/context" >"$work/read$k.out" 2>"$work/read$k.err" || status=$?
    expect_equal 0 "$status" "exit status where read $k fails"
    grep -q INJECTED "$work/trace" || break
    grep -q '^warning' "$work/read$k.err" || fail "no warning where read $k fails"
    expect_good "read$k" first
    reads=$((reads + 1))
done
[ "$reads" -ge 4 ] || fail "only $reads failed reads"

overwrite_index() {
    local size
    size=$(stat -c %s "$DBUILD_CACHE_DIR/index.sqlite")
    head -c "$((size - $1))" /dev/urandom | dd of="$DBUILD_CACHE_DIR/index.sqlite" bs=4096 seek="$(($1 / 4096))" conv=notrunc status=none
}
everything_lost() { rm -rf "$DBUILD_CACHE_DIR"; }
index_lost() { rm "$DBUILD_CACHE_DIR"/index.sqlite*; }
index_cut_off() { truncate -s 4096 "$DBUILD_CACHE_DIR/index.sqlite"; }
index_empty() { truncate -s 0 "$DBUILD_CACHE_DIR/index.sqlite"; }
index_overwritten() { overwrite_index 0; }
pages_overwritten() { overwrite_index 4096; }
log_overwritten() { head -c 100000 /dev/urandom >"$DBUILD_CACHE_DIR/index.sqlite-wal"; }

# has_begun ROUND: its RUN runs
has_begun() { grep -qx "/slow/$1" "$work/fetched"; }

for harm in everything_lost index_lost index_cut_off index_empty index_overwritten pages_overwritten log_overwritten; do
    rm -rf "$DBUILD_CACHE_DIR"
    cp -R "$work/base" "$DBUILD_CACHE_DIR"
    write_dockerfile "$harm"
    status=0
    "$DBUILD" -t "$tag" "$work/context" >"$work/$harm.out" 2>"$work/$harm.err" &
    pid=$!
    wait_for 60 "the slow RUN of $harm" has_begun "$harm"
    $harm
    wait $pid || status=$?
    expect_equal 0 "$status" "exit status: $harm"
    expect_good "$harm" "$harm"
    build "after_$harm" -t "$tag" "$work/context"
    expect_good "after_$harm" "$harm"
    build "last_$harm" -t "$tag" "$work/context"
    expect_equal "" "$(steps_done "last_$harm")" "steps that ran in the second build after $harm"
done
