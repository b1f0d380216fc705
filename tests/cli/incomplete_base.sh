#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An engine that cannot save a base image whole, also one of which the index knows all but whose layers were lost: docker buildx
# builds on what the engine has unpacked. And images that could be taken for such.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

context=$work/context
mkdir "$context"
tag=dbuild-test/incomplete-$run_id:1
dockerfile() { printf 'FROM dbuild-test/busybox:1\nRUN echo %s >/made\n' "$1" >"$context/Dockerfile"; }
made() { docker run --rm --network none "$tag" cat /made; }

# before GAP: the engine leaves that out from here on
before() {
    python3 "$helpers/forgetful_engine.py" "$work/$1.sock" "$engine_socket" "$1" &
    background+=($!)
    wait_for 20 "the engine that forgets" test -S "$work/$1.sock"
    export DOCKER_HOST=unix://$work/$1.sock
}

dockerfile "$run_id one"
build first -t "$tag" "$context"
expect_equal "$run_id one" "$(made)" "the image"

# A digit of its configuration stands where a tar has its size.
docker buildx build -q --load -t "dbuild-test/incomplete-$run_id:digit" - >/dev/null <<END
FROM dbuild-test/busybox:1
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_VERSION=20.11.0
LABEL long=$(printf 'x%.0s' $(seq 200))
END
printf 'FROM dbuild-test/incomplete-%s:digit\nRUN echo %s >/made\n' "$run_id" "$run_id digit" >"$context/Dockerfile"
build digit -t "$tag" "$context"
if grep -q "cannot save" "$work/digit.err"; then fail "handed over for its configuration"; fi
expect_equal "$run_id digit" "$(made)" "the image on one whose configuration has a digit there"

for gap in layers index; do
    before $gap
    find "$DBUILD_CACHE_DIR/layers" -name '*.blob' -delete
    dockerfile "$run_id $gap"
    build $gap -t "$tag" "$context"
    expect_contains "$work/$gap.err" "cannot save dbuild-test/busybox:1 whole"
    expect_equal "$run_id $gap" "$(made)" "the image of an engine that leaves out its $gap"
done
