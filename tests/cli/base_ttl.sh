#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Which image a FROM means is asked with one request, however many there are; under --base-ttl with none while the last answer is
# young enough. Requests are counted by a proxy.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

tag=dbuild-test/base-ttl-$run_id:1
mkdir "$work/context"
base() { # NAME WORD: what the tag means from now on
    docker build -q -t "dbuild-test/$1-$run_id:1" - <<<"FROM dbuild-test/busybox:1
RUN echo $2 > /word" >/dev/null
}
base one first
base two second
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/one-$run_id:1 AS one
FROM dbuild-test/two-$run_id:1
COPY --from=one /word /from-one
RUN cat /from-one /word > /words
END
words() { docker run --rm --network none "$tag" cat /words | paste -sd' '; }
# asked NAME: how many requests of that build were about base images
asked() { grep -cE "images/json\?filters|images/[^ ]*(one|two)-$run_id[^ ]*/json" "$work/$1.requests" || true; }
through_proxy() {
    local name=$1 own=$DOCKER_HOST
    : >"$work/requests"
    DOCKER_HOST=unix://$work/proxy.sock build "$@" -t "$tag" "$work/context"
    DOCKER_HOST=$own
    cp "$work/requests" "$work/$name.requests"
}
own=$DOCKER_HOST
start_proxy
DOCKER_HOST=$own

through_proxy first --base-ttl 1h
expect_equal "first second" "$(words)" "the first build"
through_proxy plain
expect_equal 1 "$(asked plain)" "requests for two base images ($(paste -sd, "$work/plain.requests"))"
through_proxy young --base-ttl 1h
expect_equal 0 "$(asked young)" "requests for base images of a young answer ($(paste -sd, "$work/young.requests"))"

base one moved
through_proxy moved --base-ttl 1h
expect_equal "0 first second" "$(asked moved) $(words)" "the tag moved within the time"
python3 - "$DBUILD_CACHE_DIR/index.sqlite" <<'END'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as index:
    assert index.execute("UPDATE base_pin SET asked = asked - 7200 WHERE asked > 0").rowcount == 2
END
through_proxy old --base-ttl 1h
expect_equal "moved second" "$(words)" "an answer older than the time"
base one again
through_proxy young_again --base-ttl 1h
expect_equal "0 moved second" "$(asked young_again) $(words)" "an answer of a moment ago"
through_proxy without
expect_equal "again second" "$(words)" "without --base-ttl"
# One request for all names, one for the configuration of the one that moved; its bytes are a third.
expect_equal "2 1" "$(asked without) $(grep -c '/get' "$work/without.requests")" "requests for a tag that moved ($(paste -sd, "$work/without.requests"))"
through_proxy unknown --base-ttl 1h
expect_equal "1 again second" "$(asked unknown) $(words)" "an image that was seen, nobody knows when"
expect_exit 2 wrong "$DBUILD" --base-ttl soon "$work/context"
expect_contains "$work/wrong.err" '--base-ttl: time: invalid duration "soon"'
