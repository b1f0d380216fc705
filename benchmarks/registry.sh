#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images between cache, registry, archive and engine against docker and skopeo, in turn, on the engine that `docker`
# reaches (DOCKER_HOST) and a docker-registry of its own on loopback. Prints seconds, medians and the ratio, for:
#   push   a new version of a 500 MB image with one changed 1 MB layer, from the changed folder into the registry:
#          dbuild --push / docker buildx build --push
#   release the same, by way of the engine: dbuild --load --push / docker buildx build, then docker push
#   upload the same of an image that is built already: dbuild --output type=registry,store=false / docker push; behind it
#          "floor", the requests that neither can do without, by a client that does nothing else
#   save   the image to a file: dbuild save / docker save | zstd -T0
#   load   an archive of which the engine lacks one layer: dbuild load / docker load
#   pull   the image from the registry: dbuild pull into an empty cache / skopeo copy to an OCI folder
# Half of the image's bytes do not compress. `docker push` sends layers uncompressed where the engine has them so, as here.
# Usage: registry.sh [RUNS] [CASE...]; DBUILD is the binary, MEGABYTES (500) the size.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dbuild=${DBUILD:?path of the dbuild binary}
runs=${1:-5}
shift || true
cases=${*:-push release upload save load pull}
megabytes=${MEGABYTES:-500}
work=$(mktemp -d)
registry_pid=
clean_up() {
    kill $registry_pid 2>/dev/null || true
    docker images --format '{{.Repository}}:{{.Tag}}' | { grep -E 'dbuild-bench/(mine|theirs)' || true; } |
        xargs -r docker rmi -f >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT
export DBUILD_CACHE_DIR=$work/cache

seconds() { # COMMAND... → wall seconds
    local start=$EPOCHREALTIME
    "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'
}
median() { tr ' ' '\n' <<<"$1" | sort -n | awk 'NF { v[++n] = $1 } END { print v[int((n + 1) / 2)] }'; }
docker_save() { docker save "$1" | zstd -T0 -q -f -o "$2"; }
docker_release() { docker buildx build -q -t "$1" --provenance=false "$2" && docker push -q "$1"; }

port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
registry=127.0.0.1:$port
cat >"$work/registry.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: "$work/registry"}}
http: {addr: "$registry"}
END
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry_pid=$!

# Five layers with the bytes, and one of 1 MB that changes.
mkdir "$work/context"
for part in 1 2 3 4 5; do
    mkdir "$work/context/part$part"
    head -c $((megabytes * 100000)) /dev/urandom >"$work/context/part$part/noise"
    yes "text of part $part" | head -c $((megabytes * 100000)) >"$work/context/part$part/text" || true
done
{
    echo "FROM dbuild-test/busybox:1"
    for part in 1 2 3 4 5; do echo "COPY part$part /part$part"; done
    echo "COPY changed /changed"
} >"$work/context/Dockerfile"
change() { head -c 1000000 /dev/urandom >"$work/context/changed"; }
change
mine=$registry/dbuild-bench/mine theirs=$registry/dbuild-bench/theirs
"$dbuild" --load --push -t "$mine:1" "$work/context" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
docker tag "$mine:1" "$theirs:1"
docker push -q "$theirs:1" >/dev/null

prepare() { # before each pair
    case $case in
    push | release) change ;;
    upload)
        change
        "$dbuild" -t "$theirs:2" "$work/context" >"$work/log" 2>&1
        ;;
    load)
        change
        docker rmi -f "$mine:2" "$theirs:2" >/dev/null 2>&1 || true
        "$dbuild" -t "$mine:2" "$work/context" >"$work/log" 2>&1
        docker tag "$mine:2" "$theirs:2"
        docker save -o "$work/theirs.tar" "$theirs:2"
        "$dbuild" save --compression uncompressed -o "$work/mine.tar" "$mine:2"
        docker rmi -f "$mine:2" "$theirs:2" >/dev/null
        docker tag "$mine:1" "$mine:2" # of which each engine has all layers but one
        docker tag "$mine:1" "$theirs:2"
        ;;
    pull) rm -rf "$work/pulled" "$work/pulled-cache" ;;
    esac
}
measure_mine() {
    case $case in
    push) seconds "$dbuild" --push -t "$mine:2" "$work/context" ;;
    release) seconds "$dbuild" --load --push -t "$mine:2" "$work/context" ;;
    upload) seconds "$dbuild" -o "type=registry,name=$mine:3,store=false" "$work/context" ;;
    save) seconds "$dbuild" save -o "$work/mine.tar" "$mine:1" ;;
    load) seconds "$dbuild" load -q -i "$work/mine.tar" ;;
    pull) DBUILD_CACHE_DIR=$work/pulled-cache seconds "$dbuild" pull -q "$mine:1" ;;
    esac
}
measure_theirs() {
    case $case in
    push) seconds docker buildx build --push -t "$theirs:2" --provenance=false "$work/context" ;;
    release) seconds docker_release "$theirs:2" "$work/context" ;;
    upload) seconds docker push -q "$theirs:2" ;;
    save) seconds docker_save "$mine:1" "$work/theirs.tar.zst" ;;
    load) seconds docker load -q -i "$work/theirs.tar" ;;
    pull) seconds skopeo copy -q --src-tls-verify=false "docker://$mine:1" "oci:$work/pulled:1" ;;
    esac
}

for case in $cases; do
    mine_times='' their_times='' floor_times=''
    for run in $(seq "$runs"); do
        prepare
        if ((run % 2)); then
            mine_times+="$(measure_mine) "
            their_times+="$(measure_theirs) "
        else
            their_times+="$(measure_theirs) "
            mine_times+="$(measure_mine) "
        fi
        if [ "$case" = upload ]; then floor_times+="$(python3 "$here/registry_floor.py" "$registry" 1000000) "; fi
    done
    a=$(median "$mine_times") b=$(median "$their_times")
    ratio=$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')
    echo "$case: dbuild $mine_times| rival $their_times| medians $a / $b = $ratio${floor_times:+ | floor $floor_times}"
done
