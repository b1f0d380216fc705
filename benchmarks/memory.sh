#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Peak memory of dbuild for one image of GIGABYTES (10), a tenth of which does not compress: building it, and writing it as an
# archive, as a tar of its files, and into a folder. No engine is needed. Prints seconds and KiB for each.
# Usage: memory.sh; DBUILD is the binary. It takes about twice the image's size of disk below TMPDIR.
set -euo pipefail
dbuild=${DBUILD:?path of the dbuild binary}
gigabytes=${GIGABYTES:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DBUILD_CACHE_DIR=$work/cache DOCKER_HOST=unix://$work/none.sock
mkdir "$work/context"
truncate -s $((gigabytes * 900))M "$work/context/zeros"
head -c $((gigabytes * 100))M /dev/urandom >"$work/context/noise"
printf 'FROM scratch\nCOPY noise /noise\nCOPY zeros /zeros\n' >"$work/context/Dockerfile"
measure() { # NAME COMMAND...
    /usr/bin/time -f "$1: %e s, %M KiB" -o "$work/time" "${@:2}" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
    tail -n 1 "$work/time"
}
measure build "$dbuild" -o type=cacheonly "$work/context"
measure archive "$dbuild" -o "type=oci,dest=$work/image.tar" "$work/context"
rm "$work/image.tar"
measure tar "$dbuild" -o type=tar,dest=/dev/null "$work/context"
measure folder "$dbuild" -o "type=local,dest=$work/folder" "$work/context"
