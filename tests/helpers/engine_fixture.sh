#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ctest fixture: a private engine with the base image in it. Its address is left in STATE_DIR/engine_ENGINE, for cli.sh.
# Usage: engine_fixture.sh start|stop ENGINE STATE_DIR
#   shared   containerd image store; or the user's own engine, which DBUILD_TEST_DOCKER_HOST names and which is left running
#   private  containerd image store, never the user's: for tests that empty the builder
#   classic  graph driver image store
#   oracle_dbuild, oracle_buildkit  containerd image store, used up by tests/differential
set -euo pipefail
verb=$1 engine=$2 state=$3
scripts=$(cd "$(dirname "$0")/../../scripts" && pwd)
address_file=$state/engine_$engine

stop() {
    local folder
    if [ ! -r "$address_file" ]; then return; fi
    folder=$(sed -n 's|^unix://\(.*\)/docker\.sock$|\1|p' "$address_file")
    # Only what start made: the user's own engine is not under such a name.
    case "$folder" in
    */dbe-??????/e) "$scripts/private_engine.sh" stop "$folder" && rmdir "${folder%/e}" ;;
    esac
    rm -f "$address_file"
}

case "$verb" in
start)
    mkdir -p "$state"
    stop # of a run that was killed
    if [ "$engine" = shared ] && [ -n "${DBUILD_TEST_DOCKER_HOST:-}" ]; then
        echo "$DBUILD_TEST_DOCKER_HOST" >"$address_file"
    else
        store=containerd
        if [ "$engine" = classic ]; then store=classic; fi
        # Not below the build folder: the address of a unix socket has at most 107 characters.
        folder=$(mktemp -d /tmp/dbe-XXXXXX)
        echo "unix://$folder/e/docker.sock" >"$address_file"
        "$scripts/private_engine.sh" start "$folder/e" "$store"
    fi
    DOCKER_HOST=$(cat "$address_file") "$scripts/make_base_images.sh"
    ;;
stop) stop ;;
esac
