#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The newer Docker and buildx of Debian unstable beside the machine's own, for comparing by hand: unpacked below DIR, never
# installed, its engine in DIR/e. Needs Debian with its archive keyring; containerd and runc are the machine's own.
# Usage: newer_engine.sh start DIR    prints what to set: PATH and DOCKER_HOST
#        newer_engine.sh stop DIR     ends the engine; what was unpacked stays for the next start
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# = 2 ] || die "usage: ${0##*/} start|stop DIR"
verb=$1
mkdir -p "$2"
directory=$(realpath "$2")
scripts=$(cd "$(dirname "$0")" && pwd)

# apt's own configuration and lists stay as they are: these are DIR's.
fetch() {
    local codename archive
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016 # apt replaces these names
    archive=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
        awk -v codename="$codename" '$2 == codename {print $1; exit}')
    [ -n "$archive" ] || die "apt has no lists of $codename: cannot tell the mirror (apt-get update)"
    mkdir -p "$directory"/apt/{lists/partial,archives/partial} "$directory/packages" "$directory/root"
    cat >"$directory/apt/unstable.sources" <<END
Types: deb
URIs: $archive
Suites: unstable
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    local options=(-q -o Dir::State::lists="$directory/apt/lists" -o Dir::Cache="$directory/apt"
        -o Dir::Etc::sourcelist="$directory/apt/unstable.sources" -o Dir::Etc::sourceparts=-)
    apt-get "${options[@]}" update >&2
    (cd "$directory/packages" && apt-get "${options[@]}" download docker.io docker-cli docker-buildx >&2)
    local package
    for package in "$directory"/packages/*.deb; do dpkg -x "$package" "$directory/root"; done
}

case "$verb" in
start)
    if [ ! -x "$directory/root/usr/sbin/dockerd" ]; then fetch; fi
    export PATH="$directory/root/usr/bin:$directory/root/usr/sbin:$PATH"
    "$scripts/private_engine.sh" start "$directory/e" >/dev/null
    DOCKER_HOST="unix://$directory/e/docker.sock" "$scripts/make_base_images.sh"
    echo "export PATH=$directory/root/usr/bin:\$PATH DOCKER_HOST=unix://$directory/e/docker.sock"
    ;;
stop) "$scripts/private_engine.sh" stop "$directory/e" ;;
*) die "usage: ${0##*/} start|stop DIR" ;;
esac
