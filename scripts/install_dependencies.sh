#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing from the distribution's packages (Debian 12 and 13, Ubuntu 24.04; root or sudo).
# Usage: install_dependencies.sh build|engine|test    (test includes engine, neither includes build)
# Does nothing, quickly and without the network, where all is there.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ -r /etc/os-release ] || die "no /etc/os-release: cannot tell the distribution"
. /etc/os-release
is_debian_12=no
if [ "${ID:-}:${VERSION_ID:-}" = debian:12 ]; then is_debian_12=yes; fi

is_updated=no
install_missing() {
    local missing=() package
    for package in "$@"; do
        case "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" in
        ii*) ;;
        *) missing+=("$package") ;;
        esac
    done
    if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
}

install_packages() {
    command -v apt-get >/dev/null || die "missing: $* (only apt-get is known here)"
    if [ "$is_updated" = no ]; then
        as_root apt-get update -q
        is_updated=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

install_build() {
    local boost=(libboost-dev libboost-json-dev)
    # Debian 12's default Boost is 1.74, which has no Boost.JSON.
    if [ "$is_debian_12" = yes ]; then boost=(libboost1.81-dev libboost-json1.81-dev); fi
    install_missing make g++ cmake ninja-build pkg-config "${boost[@]}" libcli11-dev libexpected-dev doctest-dev \
        libsqlite3-dev libzstd-dev libdeflate-dev libisal-dev libarchive-dev libbz2-dev liblzma-dev zlib1g-dev libcurl4-openssl-dev libssl-dev \
        libfmt-dev ca-certificates
}

# Docker 24 is the first whose containerd image store can be switched on in daemon.json.
has_engine() {
    local major
    export PATH="$PATH:/usr/sbin:/sbin"
    command -v dockerd >/dev/null && command -v containerd >/dev/null && command -v runc >/dev/null || return 1
    docker buildx version >/dev/null 2>&1 || return 1
    major=$(dockerd --version | sed -n 's/^Docker version \([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 24 ]
}

# Prints "URI<TAB>keyring" of the machine's own main archive, from either format of apt's sources.
own_archive() {
    local codename=$VERSION_CODENAME file
    for file in /etc/apt/sources.list.d/*.sources; do
        if [ -r "$file" ]; then
            awk -v codename="$codename" '
                function flush_stanza() { if (is_own && uri != "") print uri "\t" keyring; is_own = 0; uri = keyring = "" }
                /^[[:space:]]*$/ { flush_stanza() }
                /^URIs:/ { uri = $2 }
                /^Signed-By:/ { keyring = $2 }
                /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == codename) is_own = 1 }
                END { flush_stanza() }' "$file"
        fi
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        if [ -r "$file" ]; then
            sed -nE "s/^deb +(\[[^]]*\] +)?([^ ]+) +$codename +.*/\2\t\1/p" "$file" |
                sed -E 's/\t.*signed-by=([^] ]+).*/\t\1/; s/\t\[.*/\t/'
        fi
    done
}

# Debian 12's own Docker is 20.10. Docker of Debian 13 runs on it; priority 100 keeps everything else at Debian 12's.
add_debian_13_source() {
    if grep -rqsE '^(Suites:.*|deb .*) trixie( |$)' /etc/apt/sources.list /etc/apt/sources.list.d; then return; fi
    local uri keyring
    IFS=$'\t' read -r uri keyring < <(own_archive) || true
    [ -n "${uri:-}" ] || die "no source of $VERSION_CODENAME in /etc/apt: cannot tell the mirror"
    # An embedded key or none named: the archive's own keyring holds the keys of both releases.
    case "${keyring:-}" in /*) ;; *) keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;; esac
    as_root tee /etc/apt/sources.list.d/dbuild-trixie.sources >/dev/null <<END
Types: deb
URIs: $uri
Suites: trixie
Components: main
Signed-By: $keyring
END
    as_root tee /etc/apt/preferences.d/dbuild-trixie >/dev/null <<END
Package: *
Pin: release n=trixie
Pin-Priority: 100
END
    is_updated=no
}

install_engine() {
    install_missing iptables iproute2 busybox-static curl ca-certificates
    if has_engine; then return; fi
    # containerd and runc come as dependencies: naming them would ask for Debian 12's, which are too old for it.
    if [ "$is_debian_12" = yes ]; then
        add_debian_13_source
        install_packages docker.io/trixie docker-buildx/trixie docker-cli
    elif [ "${ID:-}" = debian ]; then
        install_packages docker.io docker-cli docker-buildx
    else
        install_packages docker.io docker-buildx
    fi
    has_engine || die "the installed packages give no usable Docker engine with buildx"
}

install_test() {
    install_engine
    install_missing procps strace zstd python3 python3-yaml curl jq busybox-static util-linux openssl openssh-client openssh-server \
        docker-registry skopeo perl clang libclang-rt-dev libarchive-tools git bindfs passt crun
}

case "${1:-}" in
build) install_build ;;
engine) install_engine ;;
test) install_test ;;
*) die "usage: ${0##*/} build|engine|test" ;;
esac
