#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What this version does not plan is built by docker buildx build with the user's own options, with one line saying why. The
# exit status is buildx's. A cache that cannot be written is no reason: such a build keeps nothing.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
ARG WORD
RUN echo "\$WORD-$run_id" > /word
CMD ["cat", "/word"]
END
tag=dbuild-test/handed-$run_id:1

build special --scope mine --build-arg BUILDKIT_MULTI_PLATFORM=0 --build-arg WORD=given -t "$tag" "$work/context"
expect_contains "$work/special.err" "handing the whole build to docker buildx build: --build-arg BUILDKIT_MULTI_PLATFORM"
expect_equal "given-$run_id" "$(docker run --rm --network none "$tag")" "what was built"
expect_equal "0 null" "$(report special '"\(.exit_code) \(.error)"')" "report"

sed -i 's/> \/word/> \/word; exit 4/' "$work/context/Dockerfile"
expect_exit 1 failing "$DBUILD" --report "$work/failing.json" --build-arg BUILDKIT_MULTI_PLATFORM=0 -t "$tag" "$work/context"
expect_equal 1 "$(report failing .exit_code)" "exit code of a failed build that was handed over"

copy_folder=$work/plain
mkdir "$copy_folder"
printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /word\nCMD ["cat", "/word"]\n' "$run_id" >"$copy_folder/Dockerfile"
DBUILD_CACHE_DIR=/dev/null/no-folder build no_cache -t "$tag" "$copy_folder"
expect_contains "$work/no_cache.err" "this run keeps nothing"
expect_equal "$run_id" "$(docker run --rm --network none "$tag")" "what was built without a cache"
