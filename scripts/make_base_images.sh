#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the base image of examples and tests, dbuild-test/busybox:1, from the busybox-static package in the engine that
# `docker` reaches (DOCKER_HOST), unless it is there. Nothing is pulled; the layer's bytes are the same every time.
set -euo pipefail
. "$(dirname "$0")/common.sh"

image=dbuild-test/busybox:1
if docker image inspect "$image" >/dev/null 2>&1; then exit 0; fi
busybox=$(PATH="$PATH:/bin:/usr/bin" command -v busybox) || die "busybox is missing: scripts/install_dependencies.sh engine"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
mkdir -p "$root"/{bin,etc,home,root,tmp,usr/bin,var}
chmod 1777 "$root/tmp"
chmod 0700 "$root/root"
install -m 0755 "$busybox" "$root/bin/busybox"
"$busybox" --list | while read -r applet; do
    if [ "$applet" != busybox ]; then ln -s busybox "$root/bin/$applet"; fi
done
# env is expected where #! lines look for it.
ln -s ../../bin/busybox "$root/usr/bin/env"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\napp:x:1000:\n' >"$root/etc/group"
tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . |
    docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'CMD ["/bin/sh"]' - "$image" >/dev/null
