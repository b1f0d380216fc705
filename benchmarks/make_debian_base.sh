#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes dbuild-bench/debian:1, a minimal Debian 12, in the engine that `docker` reaches (DOCKER_HOST), unless it is there.
# Usage: make_debian_base.sh FOLDER   keeps the file tree there (root.tar), and gcc, make and what they need (packages/*.deb), so
# that no mirror is waited for while something is measured; made by debootstrap from the machine's own mirror if missing
# DBUILD_BENCH_MIRROR names the mirror where the machine's apt sources have no Debian 12.
set -euo pipefail
. "$(dirname "$0")/../scripts/common.sh"

image=dbuild-bench/debian:1
suite=bookworm
[ $# = 1 ] || die "usage: ${0##*/} FOLDER"
folder=$(realpath -m "$1")
tar_file=$folder/root.tar
if [ -e "$tar_file" ] && docker image inspect "$image" >/dev/null 2>&1; then exit 0; fi

own_mirror() {
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        if [ -r "$file" ]; then
            awk -v suite="$suite" '
                function flush_stanza() { if (is_own && uri != "") print uri; is_own = 0; uri = "" }
                /^[[:space:]]*$/ { flush_stanza() }
                /^URIs:/ { uri = $2 }
                /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) is_own = 1 }
                END { flush_stanza() }' "$file"
        fi
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        if [ -r "$file" ]; then sed -nE "s/^deb +(\[[^]]*\] +)?([^ ]+) +$suite +.*/\2/p" "$file"; fi
    done
}

if [ ! -e "$tar_file" ]; then
    export PATH="$PATH:/usr/sbin:/sbin"
    if ! command -v debootstrap >/dev/null; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap >&2
    fi
    mirror=${DBUILD_BENCH_MIRROR:-$(own_mirror | head -n 1)}
    [ -n "$mirror" ] || die "no source of $suite in /etc/apt: name a mirror in DBUILD_BENCH_MIRROR"
    mkdir -p "$folder/packages"
    root=$(mktemp -d)
    chmod 0755 "$root"
    trap 'as_root rm -rf --one-file-system "$root" "$tar_file.part"' EXIT
    as_root debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; die "debootstrap failed; all of it: $root.log"; }
    as_root chroot "$root" sh -ec '
        apt-get update
        apt-get install -y --no-install-recommends --download-only gcc libc6-dev make' >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; die "no packages to install; all of it: $root.log"; }
    cp "$root"/var/cache/apt/archives/*.deb "$folder/packages/"
    rm -f "$root.log"
    as_root tar -C "$root" --sort=name --numeric-owner --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' \
        --exclude='./dev/*' -cf - . >"$tar_file.part"
    mv "$tar_file.part" "$tar_file"
fi
docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'CMD ["bash"]' - "$image" <"$tar_file" >/dev/null
