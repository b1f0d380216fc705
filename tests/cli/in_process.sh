#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# COPY, ADD and WORKDIR made in process give the image that `docker buildx build` makes: trees, configuration, history, and where
# no time of the build is in the layers ("exact"), the very same diff_ids. What fails there ("error") fails here. The cases are in
# tests/cli/in_process/cases; DBUILD_TEST_CASES names some of them.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

context=$work/context
mkdir "$context"
(cd "$context" && "$source_dir/tests/cli/in_process/prepare.sh")
mkdir "$work/cases"
awk -v to="$work/cases" '/^=== / { file = to "/" $2 "." ($3 == "" ? "same" : $3); next } { gsub("BASE", "dbuild-test/busybox:1"); print >file }' \
    "$source_dir/tests/cli/in_process/cases"

diff_ids() { docker image inspect "$1" | jq -r '.[0].RootFS.Layers[]'; }

for file in "$work"/cases/*; do
    name=$(basename "${file%.*}") kind=${file##*.}
    if [ -n "${DBUILD_TEST_CASES:-}" ] && ! grep -qw "$name" <<<"$DBUILD_TEST_CASES"; then continue; fi
    mine=dbuild-test/mine-$name-$run_id:1
    theirs=dbuild-test/theirs-$name-$run_id:1
    if [ "$kind" = error ]; then
        expect_exit 1 "$name.theirs" docker buildx build --provenance=false -f "$file" -t "$theirs" "$context"
        expect_exit 1 "$name" "$DBUILD" --report "$work/$name.json" -f "$file" -t "$mine" "$context"
        if grep -q 'handing the whole build' "$work/$name.err"; then fail "$name: was not planned"; fi
        expect_equal 0 "$(report "$name" .totals.executor_calls)" "$name: executor calls"
        continue
    fi
    build "$name" -f "$file" -t "$mine" "$context"
    if grep -q 'handing the whole build' "$work/$name.err"; then fail "$name: was not planned"; fi
    docker buildx build --provenance=false -f "$file" -t "$theirs" "$context" >"$work/$name.buildx.out" 2>&1 ||
        fail "$name: docker buildx build failed"
    expect_same_image "$theirs" "$mine"
    if [ "$kind" = exact ]; then expect_equal "$(diff_ids "$theirs")" "$(diff_ids "$mine")" "$name: diff_ids"; fi
    if ! grep -q ^RUN "$file"; then
        expect_equal "made in-process" "$(report "$name" '.steps[] | select(.status != "metadata" and .status != "skipped") | "\(.status) \(.executor)"' | sort -u)" \
            "$name: who made the steps"
        expect_equal 0 "$(report "$name" .totals.executor_calls)" "$name: executor calls"
    fi
    # Nothing is made twice.
    build "$name.again" -f "$file" -t "$mine" "$context"
    expect_equal "" "$(steps_done "$name.again")" "$name: steps done again"
done

# A changed file of a last COPY, after a RUN: no process but dbuild itself, and the program's own counter says the same.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /run\nCOPY one tree /last/\n' "$run_id" >"$work/Dockerfile"
tag=dbuild-test/last-$run_id:1
build last.first -f "$work/Dockerfile" -t "$tag" "$context"
echo changed >"$context/one"
expect_exit 0 last strace -f -e trace=execve,execveat -o "$work/strace.log" \
    "$DBUILD" --report "$work/last.json" -f "$work/Dockerfile" -t "$tag" "$context"
expect_equal 1 "$(exec_count "$work/strace.log")" "programs started, dbuild included"
expect_equal 0 "$(report last .totals.processes_started)" "processes_started"
expect_equal "COPY one tree /last/" "$(steps_done last)" "steps that did work"
expect_equal changed "$(docker run --rm --network none "$tag" cat /last/one)" "the changed file"

# Between two RUNs, what an engine of the distribution does not know is made in process all the same.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /run\nCOPY --exclude=a --chmod=u=rwX,go= tree /t\nRUN ls /t > /listed\n' "$run_id" >"$work/Dockerfile"
build filtered -f "$work/Dockerfile" -t "$tag" "$context"
expect_equal "hit null, made in-process, ran buildx" "$(report filtered '[.steps[] | "\(.status) \(.executor)"] | join(", ")')" "who made the steps"
expect_equal "drwx------" "$(docker run --rm --network none "$tag" stat -c %A /t/sub)" "a mode that --chmod gave"
expect_equal "" "$(docker run --rm --network none "$tag" grep -x a /listed || true)" "what --exclude left out"
