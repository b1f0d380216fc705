#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# COPY made in process against `docker buildx build`, in turn, on the engine that `docker` reaches (DOCKER_HOST), with the base
# image of scripts/make_base_images.sh. Prints seconds, their medians and the ratio, for:
#   last     a changed file of a last COPY, after a RUN, until the image is loaded
#   made     20,000 files of 4 KB in a build from nothing (both tools' caches emptied) that keeps its result, and loads none
#   small    the same until the image is loaded
#   changed  a changed CMD in a build that loads nothing
#   command  the same until it is loaded
# Beside what is loaded stands "engine alone": that very image, or its change, loaded by an engine that lacks it; no builder
# can go below that.
# Usage: in_process.sh [RUNS] [CASE...]; DBUILD is the binary.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dbuild=${DBUILD:?path of the dbuild binary}
runs=${1:-5}
shift || true
cases=${*:-last made small changed command}
work=$(mktemp -d)
trap 'rm -rf "$work"; docker rmi -f dbuild-bench/in-process-mine:1 dbuild-bench/in-process-theirs:1 >/dev/null 2>&1 || true' EXIT
export DBUILD_CACHE_DIR=$work/cache

seconds() { # COMMAND... → wall seconds
    local start=$EPOCHREALTIME
    "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'
}
output() { case $case in made | changed) echo "-o type=cacheonly" ;; *) echo "--load -t dbuild-bench/in-process-$1:1" ;; esac; }
mine() { seconds "$dbuild" $(output mine) "$context"; }
theirs() { seconds docker buildx build --provenance=false $(output theirs) "$context"; }
engine_alone() { # loads what mine() has just made
    if [ "$case" = command ]; then
        python3 "$here/load_floor.py" dbuild-bench/in-process-mine:1
        return
    fi
    docker save dbuild-bench/in-process-mine:1 >"$work/image.tar"
    docker rmi -f dbuild-bench/in-process-mine:1 >/dev/null
    seconds docker load -q -i "$work/image.tar"
    docker rmi -f dbuild-bench/in-process-mine:1 >/dev/null
    sleep 1 # the layers are equal: one that is still unpacked would spare the other builder that
}
median() { tr ' ' '\n' <<<"$1" | sort -n | awk 'NF { v[++n] = $1 } END { print v[int((n + 1) / 2)] }'; }

change() { # before each pair of builds
    case $case in
    last) echo "$1 $RANDOM" >"$context/tree/file1" ;;
    made | small)
        rm -rf "$DBUILD_CACHE_DIR"
        docker builder prune -af >/dev/null
        docker rmi -f dbuild-bench/in-process-mine:1 dbuild-bench/in-process-theirs:1 >/dev/null 2>&1 || true
        for file in "$context"/tree/file?; do echo "$1 $RANDOM" >"$file"; done
        ;;
    changed | command) printf 'FROM dbuild-test/busybox:1\nRUN echo run\nCOPY tree /tree\nCMD ["%s", "%s"]\n' "$1" "$RANDOM" >"$context/Dockerfile" ;;
    esac
}

for case in $cases; do
    context=$work/$case
    mkdir -p "$context/tree"
    count=100
    case $case in made | small) count=20000 ;; esac
    head -c $((count * 4096)) /dev/urandom | split -b 4096 -a 4 - "$context/tree/part"
    printf 'FROM dbuild-test/busybox:1\n%sCOPY tree /tree\n' "$([ "$count" = 20000 ] || printf 'RUN echo run\n ')" | sed 's/^ //' >"$context/Dockerfile"
    change first
    if [ "$count" != 20000 ]; then mine >"$work/ignored" && theirs >"$work/ignored"; fi
    mine_times='' their_times='' load_times=''
    for run in $(seq "$runs"); do
        change "$run"
        mine_times+="$(mine) "
        case $case in small | command) load_times+="$(engine_alone) " ;; esac
        their_times+="$(theirs) "
    done
    a=$(median "$mine_times") b=$(median "$their_times")
    echo "$case: dbuild $mine_times| buildx $their_times| medians $a / $b = $(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')"
    if [ -n "$load_times" ]; then
        c=$(median "$load_times")
        echo "$case: engine alone $load_times| median $c, of buildx $(awk -v a="$c" -v b="$b" 'BEGIN { printf "%.3f", a / b }')"
    fi
done
