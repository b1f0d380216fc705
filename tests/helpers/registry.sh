# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after cli.sh by tests that need a registry: Debian's docker-registry on a port of its own, and images for it.

# Starts one that keeps its data in $work/NAME; $registry is its host:port, $work/NAME.log its log.
# start_registry NAME [CONFIGURATION LINES OF http: AND auth:]
start_registry() {
    local name=$1 port
    port=$(free_port)
    registry=127.0.0.1:$port
    mkdir -p "$work/$name"
    cat >"$work/$name.yml" <<END
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: "$work/$name"}}
${3:-}
http:
  addr: $registry
  relativeurls: true
${2:-}
END
    docker-registry serve "$work/$name.yml" >"$work/$name.log" 2>&1 &
    background+=($!)
    wait_for 20 "docker-registry $name" grep -q "listening on" "$work/$name.log"
}

# make_layout FOLDER SEED [LAYERS]: an OCI layout with one image, tagged "1"; layers are gzip, of a few hundred kB.
make_layout() { python3 "$helpers/make_layout.py" "$@"; }
