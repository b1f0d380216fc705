#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The cache is dbuild's own: an engine that forgot everything gets the same image again, and nothing runs.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
tag=dbuild-test/pruned-$run_id:1
build first -t "$tag" "$work/context"
first_id=$(image_id "$tag")
first_output=$(docker run --rm --network none "$tag")

docker rmi -f "$tag" >/dev/null
docker builder prune -af >/dev/null
if docker image inspect "$first_id" >/dev/null 2>&1; then fail "the image is still there"; fi

build again -t "$tag" "$work/context"
expect_equal "0 0" "$(report again '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
expect_equal "" "$(steps_done again)" "steps that ran"
expect_equal "$first_id" "$(image_id "$tag")" "image ID"
expect_equal "$first_output" "$(docker run --rm --network none "$tag")" "what the image prints"

# The builder lost the layers below: the next step must still build upon them.
echo "after the prune:" >"$work/context/banner.txt"
build changed -t "$tag" "$work/context"
expect_equal 'COPY banner.txt greet.sh ./
RUN cat banner.txt count.txt > motd.txt' "$(steps_done changed)" "steps that ran after the prune and a change"
expect_equal "after the prune:" "$(docker run --rm --network none "$tag" | sed -n 2p)" "what the changed image prints"

# dbuild lost them as well: they are made again and come out different, but what was made upon them is not run again for that.
context=$work/unsteady
mkdir "$context"
dockerfile() { # LAST
    printf 'FROM dbuild-test/busybox:1\nRUN cat /proc/sys/kernel/random/uuid > /unsteady\nRUN echo second\nRUN echo %s\n' "$1" >"$context/Dockerfile"
}
dockerfile first
build unsteady -t "$tag" "$context"
"$DBUILD" cache prune --max-size 0 >/dev/null
docker builder prune -af >/dev/null
dockerfile other
build remade -t "$tag" "$context"
expect_equal "a layer is no longer in the cache
a layer is no longer in the cache" "$(report remade '.steps[:2][].reason')" "why the lower steps ran"
dockerfile first
build back -t "$tag" "$context"
expect_equal "0" "$(report back '.totals.executor_calls')" "executor calls for what was built before"

# The same of a stage that a step reads from.
from_stage() { # WORD
    cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS source
RUN cat /proc/sys/kernel/random/uuid > /unsteady && echo copied > /file
FROM source AS above
RUN --mount=from=source,target=/m cp /m/file /file && echo $1 > /word
FROM above
RUN --mount=from=source,target=/m cmp /m/unsteady /unsteady && echo $1
END
}
from_stage one
build from_stage -t "$tag" "$context"
"$DBUILD" cache prune --max-size 0 >/dev/null
docker builder prune -af >/dev/null
from_stage two
build from_remade -t "$tag" "$context"
expect_equal "two" "$(docker run --rm --network none "$tag" cat /word)" "image upon layers that were made again"
