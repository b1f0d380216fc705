#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same on an engine with the classic image store: the image that docker buildx build makes, nothing twice, one line on why
# it is slow; hits survive a prune of the builder; parents keep their owners and modes; no segment image stays behind.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

expect_equal overlay2 "$(docker info -f '{{.Driver}}')" "storage driver"
if docker info -f '{{json .DriverStatus}}' | grep -q io.containerd.snapshotter; then fail "this is the containerd image store"; fi

copy_example two_stage
cat >>"$work/context/Dockerfile" <<'END'
RUN mkdir -m 0700 /app/private && chown 1000:1000 /app/private
RUN echo inside > /app/private/file
COPY --from=build /src/words.txt /app/private/
END
tag=dbuild-test/classic-$run_id:1
build first -t "$tag" "$work/context"
expect_equal 1 "$(grep -c 'classic image store' "$work/first.err")" "lines about the store"
if grep -q 'handing the whole build' "$work/first.err"; then fail "the build was handed over"; fi
docker buildx build -q --no-cache --provenance=false -t "dbuild-test/theirs-$run_id:1" "$work/context" >/dev/null
expect_same_image "dbuild-test/theirs-$run_id:1" "$tag"
expect_contains <(docker run --rm --network none "$tag") "hello from $run_id"
expect_equal "700 1000" "$(docker run --rm --network none "$tag" stat -c '%a %u' /app/private)" "mode and owner of a parent"
expect_equal "" "$(docker images -q dbuild-segment)" "segment images that stayed"

start_proxy
build again -t "$tag" "$work/context"
requests=$(request_count)
if [ "$requests" -gt 2 ]; then fail "$requests requests: $(paste -sd, "$work/requests")"; fi
expect_equal "0 0" "$(report again '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
expect_equal "$(report first '.images[0].id')" "$(report again '.images[0].id')" "image ID"
expect_equal "$(image_id "$tag")" "$(report again '.images[0].id')" "image ID of the engine"

docker rmi -f "$tag" "dbuild-test/theirs-$run_id:1" >/dev/null
docker builder prune -af >/dev/null
build pruned -t "$tag" "$work/context"
expect_equal "" "$(steps_done pruned)" "steps that ran after the prune"
expect_contains <(docker run --rm --network none "$tag") "hello from $run_id"
sed -i 's/echo inside/echo changed/' "$work/context/Dockerfile"
build changed -t "$tag" "$work/context"
expect_equal 'RUN echo changed > /app/private/file
COPY --from=build /src/words.txt /app/private/' "$(steps_done changed)" "steps that ran after a change"
expect_equal "changed" "$(docker run --rm --network none "$tag" cat /app/private/file)" "the changed file"
