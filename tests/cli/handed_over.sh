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

# Whether a lint warning fails the build is buildx's to say; without one the build is dbuild's.
mkdir "$work/strict"
printf '# check=error=true\nFROM dbuild-test/busybox:1\nRUN echo %s\nWORKDIR below\n' "$run_id" >"$work/strict/Dockerfile"
"$DBUILD" -t "$tag" "$work/strict" >"$work/strict.out" 2>"$work/strict.err" || true # newer front ends refuse it
expect_contains "$work/strict.err" "handing the whole build to docker buildx build: a lint warning below check=error=true"
sed -i '$d' "$work/strict/Dockerfile"
build clean -t "$tag" "$work/strict"
expect_equal 0 "$(grep -c 'handing the whole build' "$work/clean.err" || true)" "hand-over without a warning"

copy_folder=$work/plain
mkdir "$copy_folder"
printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /word\nCMD ["cat", "/word"]\n' "$run_id" >"$copy_folder/Dockerfile"
DBUILD_CACHE_DIR=/dev/null/no-folder build no_cache -t "$tag" "$copy_folder"
expect_contains "$work/no_cache.err" "this run keeps nothing"
expect_equal "$run_id" "$(docker run --rm --network none "$tag")" "what was built without a cache"
