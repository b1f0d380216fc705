#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Twelve images that share three stages (workload W3): `dbuild bake` against `docker buildx bake --load`, in turn, on the engine
# that `docker` reaches (DOCKER_HOST; its builder is emptied). Prints seconds, their medians and the ratio, for:
#   nothing    empty cache, empty builder, no images
#   unchanged  everything built and loaded
# Usage: bake.sh [RUNS] [CASE...]; DBUILD is the binary, EXECUTOR its --executor.
set -euo pipefail
dbuild=${DBUILD:?path of the dbuild binary}
runs=${1:-5}
shift || true
cases=${*:-nothing unchanged}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export DBUILD_CACHE_DIR=$work/cache
forget() { # what an empty machine does not have
    rm -rf "$DBUILD_CACHE_DIR"
    docker images --format '{{.Repository}}:{{.Tag}}' | { grep '^dbuild-test/w3-' || true; } | xargs -r docker rmi -f >/dev/null 2>&1
    docker builder prune -af >/dev/null
}
trap 'forget; rm -rf "$work"' EXIT
python3 "$here/workloads/w3.py" "$work/w3"
cd "$work/w3"

seconds() { # COMMAND... → wall seconds
    local start=$EPOCHREALTIME
    "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'
}
mine() { "$dbuild" bake --executor "${EXECUTOR:-auto}"; }
theirs() { docker buildx bake --load --provenance=false; }
median() { tr ' ' '\n' <<<"$1" | sort -n | awk 'NF { v[++n] = $1 } END { print v[int((n + 1) / 2)] }'; }

for case in $cases; do
    my_times='' their_times=''
    if [ "$case" = unchanged ]; then # not in turn: both give their images the same names
        forget
        mine >"$work/log" 2>&1
        for _ in $(seq "$runs"); do my_times+="$(seconds mine) "; done
        theirs >"$work/log" 2>&1
        for _ in $(seq "$runs"); do their_times+="$(seconds theirs) "; done
    else
        for _ in $(seq "$runs"); do
            forget
            my_times+="$(seconds mine) "
            forget
            their_times+="$(seconds theirs) "
        done
    fi
    a=$(median "$my_times") b=$(median "$their_times")
    echo "$case: dbuild $my_times| buildx $their_times| medians $a / $b = $(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')"
done
