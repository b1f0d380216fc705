#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Docker engine of one's own: dockerd and containerd with all state in DIR, reached at unix://DIR/docker.sock.
# Usage: private_engine.sh start DIR [containerd|classic] [NAME]   image store; NAME seeds the names instead of DIR
#        private_engine.sh stop DIR                                and deletes DIR
# Several run side by side: each has its own bridge and address range. Two engines that share docker0 break each other.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || die "usage: ${0##*/} start|stop DIR [containerd|classic] [NAME]"
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root or sudo"
    exec sudo env PATH="$PATH:/usr/sbin:/sbin" "$0" "$@"
fi
export PATH="$PATH:/usr/sbin:/sbin"
verb=$1
directory=$(realpath -m "$2")
store=${3:-containerd}
name=${4:-$directory}
start_seconds=30

# Takes the first free /24 below 10.208.0.0/12, beginning where the name's hash says.
create_bridge() {
    local hash=$1 attempt number subnet
    remove_bridge # of an engine that was killed and whose DIR is gone
    ip link add name "$bridge" type bridge
    for attempt in $(seq 0 63); do
        number=$(((16#${hash:0:4} + attempt) % 4096))
        subnet=10.$((208 + number / 256)).$((number % 256))
        if [ -z "$(ip -4 route show root "$subnet.0/24")" ]; then
            ip address add "$subnet.1/24" dev "$bridge"
            ip link set "$bridge" up
            return
        fi
    done
    die "no free address range for bridge $bridge"
}

# dockerd leaves its rules behind when it ends.
remove_bridge() {
    local table rule subnet
    subnet=$(ip -4 route show dev "$bridge" 2>/dev/null | awk '{print $1; exit}') || true # no such bridge
    for table in filter nat raw; do
        iptables -w -t "$table" -S 2>/dev/null | grep -E -e " $bridge( |\$)" ${subnet:+-e " ${subnet//./\\.} "} | grep '^-A' |
            while read -r rule; do
                # shellcheck disable=SC2086 # a rule is a list of words without quotes
                iptables -w -t "$table" -D ${rule#-A } || true
            done || true
    done
    ip link delete "$bridge" 2>/dev/null || true
}

# Only a process that runs with this DIR's configuration is ever signalled: a stale pid file may name anything.
stop_process() {
    local pid_file=$1 program=$2 configuration=$3 pid
    pid=$(cat "$pid_file" 2>/dev/null) || return 0
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$configuration" || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 150); do
        [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || return 0
        sleep 0.1
    done
    echo "${0##*/}: $program ($pid) did not end in 15 s; killing it" >&2
    kill -KILL "$pid" 2>/dev/null || true
}

stop() {
    if [ ! -e "$directory" ]; then return; fi
    [ -r "$directory/bridge" ] || die "$directory holds no private engine"
    bridge=$(cat "$directory/bridge")
    stop_process "$directory/docker.pid" dockerd "$directory/daemon.json"
    stop_process "$directory/containerd.pid" containerd "$directory/containerd.toml"
    remove_bridge
    # Deepest first; mountinfo writes a space in a path as \040, and mktemp's paths have none.
    awk -v prefix="$directory/" 'index($5, prefix) == 1 {print $5}' /proc/self/mountinfo | sort -r |
        while read -r mount_point; do umount -l "$mount_point" || true; done
    rm -rf --one-file-system "$directory"
}

start() {
    [ ! -e "$directory/bridge" ] || die "$directory holds an engine already"
    [ ${#directory} -le 80 ] || die "$directory is too long for unix sockets in it"
    local hash is_containerd_store
    case "$store" in
    containerd) is_containerd_store=true ;;
    classic) is_containerd_store=false ;;
    *) die "the image store is containerd or classic, not $store" ;;
    esac
    hash=$(printf %s "$name" | sha256sum)
    bridge=dbr-${hash:0:8}
    mkdir -p "$directory"
    chmod 0711 "$directory"
    echo "$bridge" >"$directory/bridge"
    trap 'status=$?; if [ $status != 0 ]; then stop; fi; exit $status' EXIT
    # One start at a time on this machine: two engines that set up iptables at once fail on each other's chains.
    exec 9</run
    flock 9
    create_bridge "$hash"

    # A containerd of its own: dockerd would otherwise share the machine's, images included, where one runs.
    cat >"$directory/containerd.toml" <<END
version = 2
root = "$directory/containerd"
state = "$directory/exec/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$directory/containerd.sock"
END
    cat >"$directory/daemon.json" <<END
{"data-root": "$directory/data", "exec-root": "$directory/exec", "pidfile": "$directory/docker.pid",
 "hosts": ["unix://$directory/docker.sock"], "containerd": "$directory/containerd.sock", "bridge": "$bridge",
 "features": {"containerd-snapshotter": $is_containerd_store}}
END
    setsid nohup containerd --config "$directory/containerd.toml" >"$directory/containerd.log" 2>&1 </dev/null 9<&- &
    echo $! >"$directory/containerd.pid"
    wait_for containerd.log test -S "$directory/containerd.sock"
    setsid nohup dockerd --config-file "$directory/daemon.json" >"$directory/docker.log" 2>&1 </dev/null 9<&- &
    wait_for docker.log curl -sf -m 5 -o /dev/null --unix-socket "$directory/docker.sock" http://engine/_ping
    if [ -n "${SUDO_UID:-}" ]; then chown "$SUDO_UID" "$directory/docker.sock"; fi
    trap - EXIT
    echo "unix://$directory/docker.sock"
}

wait_for() {
    local log=$1 child=$! deadline=$((SECONDS + start_seconds))
    shift
    until "$@"; do
        if [ $SECONDS -ge $deadline ] || ! kill -0 "$child" 2>/dev/null; then
            tail -n 40 "$directory/$log" >&2
            die "${log%.log} ended or did not answer within $start_seconds s; above is the end of its log"
        fi
        sleep 0.1
    done
}

case "$verb" in
start) start ;;
stop) stop ;;
*) die "usage: ${0##*/} start|stop DIR [containerd|classic] [NAME]" ;;
esac
