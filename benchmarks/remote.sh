#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A folder as cache between machines: `--cache-remote dir:` against docker buildx build's type=local, in turn, on the
# engine that `docker` reaches (DOCKER_HOST; its builder is emptied), with workload W1 on the base image of
# scripts/make_base_images.sh. Prints seconds, their medians and the ratio, for:
#   load    empty machine, everything in the folder, until the image is loaded
#   save    everything at home, into an empty folder
#   bytes   the folder after ten versions, each with a changed C file and a changed static file
# Usage: remote.sh [RUNS] [CASE...]; DBUILD is the binary.
set -euo pipefail
dbuild=${DBUILD:?path of the dbuild binary}
runs=${1:-5}
shift || true
cases=${*:-load save bytes}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
mine=dbuild-bench/remote-mine:1 theirs=dbuild-bench/remote-theirs:1
trap 'rm -rf "$work"; docker rmi -f $mine $theirs >/dev/null 2>&1 || true' EXIT
export DBUILD_CACHE_DIR=$work/cache
context=$work/w1
python3 "$here/workloads/w1.py" "$context"

seconds() { # COMMAND... → wall seconds
    local start=$EPOCHREALTIME
    "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'
}
build_mine() { "$dbuild" -t $mine "$@" "$context"; }
build_theirs() { docker buildx build --load --provenance=false -t $theirs "$@" "$context"; }
median() { tr ' ' '\n' <<<"$1" | sort -n | awk 'NF { v[++n] = $1 } END { print v[int((n + 1) / 2)] }'; }
forget() { # what an empty machine does not have
    rm -rf "$DBUILD_CACHE_DIR"
    docker rmi -f $mine $theirs >/dev/null 2>&1 || true
    docker builder prune -af >/dev/null
}
size() { du -sb "$1" | cut -f1; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }

for case in $cases; do
    forget
    rm -rf "$work/mine" "$work/theirs"
    build_mine --cache-remote "dir:$work/mine" >"$work/log" 2>&1
    build_theirs --cache-to "type=local,dest=$work/theirs,mode=max" >"$work/log" 2>&1
    if [ "$case" = bytes ]; then
        for version in $(seq 2 10); do
            echo "version $version" >>"$context/static/banner.txt"
            echo "/* version $version */" >>"$context/native/src/filter_01.c"
            build_mine --cache-remote "dir:$work/mine" >"$work/log" 2>&1
            build_theirs --cache-to "type=local,dest=$work/theirs,mode=max" >"$work/log" 2>&1
        done
        a=$(size "$work/mine") b=$(size "$work/theirs")
        echo "bytes after ten versions: dbuild $a, buildx $b = $(ratio "$a" "$b")"
        continue
    fi
    my_times='' their_times=''
    for _ in $(seq "$runs"); do
        if [ "$case" = load ]; then
            forget
            my_times+="$(seconds build_mine --cache-remote "dir:$work/mine?mode=read") "
            forget
            their_times+="$(seconds build_theirs --cache-from "type=local,src=$work/theirs") "
        else
            rm -rf "$work/mine" "$work/theirs"
            my_times+="$(seconds build_mine --cache-remote "dir:$work/mine") "
            their_times+="$(seconds build_theirs --cache-to "type=local,dest=$work/theirs,mode=max") "
        fi
    done
    a=$(median "$my_times") b=$(median "$their_times")
    echo "$case: dbuild $my_times| buildx $their_times| medians $a / $b = $(ratio "$a" "$b")"
done
