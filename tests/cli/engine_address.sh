#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The engine is found as docker's own program finds it, for dbuild's own requests and for the docker buildx that it starts:
# TCP, TCP with TLS (environment and context), SSH, contexts, a rootless socket. Each kind builds, and finds its work again.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

# Nothing but what a case sets may lead to the engine; the test itself goes on using it by this option.
own_host=$DOCKER_HOST
unset DOCKER_HOST
docker() { command docker -H "$own_host" "$@"; }

# builds_through NAME: a first build must run its step through buildx, a second one must hit and start nothing.
builds_through() {
    local name=$1 tag=dbuild-test/address-$run_id:$1
    mkdir -p "$work/context-$name"
    printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /word\nCMD ["cat", "/word"]\n' "$name-$run_id" >"$work/context-$name/Dockerfile"
    build "$name" -t "$tag" "$work/context-$name"
    expect_equal "RUN echo $name-$run_id > /word" "$(steps_done "$name")" "$name: steps that ran"
    expect_equal "$name-$run_id" "$(docker run --rm --network none "$tag")" "$name: what was built"
    build "$name-again" -t "$tag" "$work/context-$name"
    expect_equal "" "$(steps_done "$name-again")" "$name: steps that ran again"
    # What is handed over reaches the same engine.
    build "$name-handed" --annotation index:a=b -t "$tag-handed" "$work/context-$name"
    expect_contains "$work/$name-handed.err" "handing the whole build to docker buildx build: --annotation"
    expect_equal "$name-$run_id" "$(docker run --rm --network none "$tag-handed")" "$name: what was handed over"
}

# front NAME [TLS_DIR] → a TCP port in front of the engine, in $port
front() {
    python3 "$helpers/tcp_front.py" "$engine_socket" "$work/$1.port" "${@:2}" &
    background+=($!)
    wait_for 5 "port of $1" test -s "$work/$1.port"
    port=$(cat "$work/$1.port")
}

# TCP, by environment and without a scheme.
front plain
DOCKER_HOST=tcp://127.0.0.1:$port builds_through tcp
DOCKER_HOST=127.0.0.1:$port builds_through tcp-bare

# TLS: a certificate authority, a server and a client.
mkdir "$work/tls"
(
    cd "$work/tls"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=ca
    for who in server client; do
        openssl req -newkey rsa:2048 -nodes -keyout $who-key.pem -out $who.csr -subj /CN=localhost
        openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out $who-cert.pem \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
    done
    mkdir client
    cp ca.pem client/ca.pem && cp client-cert.pem client/cert.pem && cp client-key.pem client/key.pem
) >"$work/openssl.out" 2>&1
front secured "$work/tls"
DOCKER_HOST=tcp://localhost:$port DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$work/tls/client builds_through tls

# A certificate of an unknown authority is refused, and without a certificate there is no entry.
mkdir "$work/stranger"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/stranger/key.pem" -out "$work/stranger/ca.pem" -days 2 -subj /CN=x 2>/dev/null
DOCKER_HOST=tcp://localhost:$port DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$work/stranger \
    expect_exit 1 stranger "$DBUILD" "$work/context-tls"
expect_contains "$work/stranger.err" "cannot connect to the Docker engine at tcp://localhost:$port"
expect_contains "$work/stranger.err" certificate

# Contexts, made by docker itself.
command docker context create far --docker \
    "host=tcp://localhost:$port,ca=$work/tls/client/ca.pem,cert=$work/tls/client/cert.pem,key=$work/tls/client/key.pem" >/dev/null 2>&1
DOCKER_CONTEXT=far builds_through context
command docker context use far >/dev/null 2>&1
builds_through context-used
command docker context use default >/dev/null 2>&1
DOCKER_CONTEXT=nowhere expect_exit 1 no_context "$DBUILD" "$work/context-tls"
expect_contains "$work/no_context.err" 'there is no docker context "nowhere"'

# An engine that is not there.
DOCKER_HOST=unix://$work/none.sock expect_exit 1 absent "$DBUILD" "$work/context-tls"
expect_contains "$work/absent.err" "cannot connect to the Docker engine at unix://$work/none.sock"
DOCKER_HOST=tcp://127.0.0.1:1 expect_exit 1 refused "$DBUILD" "$work/context-tls"
expect_contains "$work/refused.err" "cannot connect to the Docker engine at tcp://127.0.0.1:1"

# A rootless engine's socket, where there is no default one.
if [ ! -e /var/run/docker.sock ]; then
    mkdir "$work/runtime"
    ln -s "$engine_socket" "$work/runtime/docker.sock"
    XDG_RUNTIME_DIR=$work/runtime builds_through rootless
fi

# SSH: a server of our own, and a client that knows it by its configuration only. Its docker needs no further address.
mkdir -m 0700 "$work/ssh"
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user"
cp "$work/ssh/user.pub" "$work/ssh/authorized_keys"
ssh_port=$(free_port)
cat >"$work/ssh/sshd_config" <<CONFIG
ListenAddress 127.0.0.1:$ssh_port
HostKey $work/ssh/host
PidFile none
AuthorizedKeysFile $work/ssh/authorized_keys
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
SetEnv DOCKER_HOST=$own_host
CONFIG
cat >"$work/ssh/config" <<CONFIG
Host build.example
    HostName 127.0.0.1
    Port $ssh_port
    IdentityFile $work/ssh/user
    UserKnownHostsFile $work/ssh/known_hosts
CONFIG
echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$work/ssh/host.pub")" >"$work/ssh/known_hosts"
/usr/sbin/sshd -D -f "$work/ssh/sshd_config" -E "$work/ssh/log" &
background+=($!)
wait_for 5 sshd bash -c "exec 3<>/dev/tcp/127.0.0.1/$ssh_port" 2>/dev/null
mkdir "$work/bin"
printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$work/ssh/config" >"$work/bin/ssh"
chmod +x "$work/bin/ssh"
PATH=$work/bin:$PATH
DOCKER_HOST=ssh://$(id -un)@build.example builds_through ssh
DOCKER_HOST=ssh://build.example expect_exit 0 ssh_plan "$DBUILD" plan "$work/context-ssh"
if pgrep -f "$work/ssh/config" >/dev/null; then fail "an ssh is left running"; fi
DOCKER_HOST=ssh://build.example:1 expect_exit 1 ssh_refused "$DBUILD" "$work/context-ssh"
expect_contains "$work/ssh_refused.err" "cannot connect to the Docker engine at ssh://build.example:1"
