#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Dockerfiles that go to the corners of what this version plans: each gives the image that `docker buildx build` makes of it,
# by dbuild's own way (none is handed over), and nothing runs the second time. One folder per case in tests/cli/semantics.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

# Three texts of the history differ between BuildKit 0.13 (this engine's) and 0.32 (which dbuild follows): which ARGs a RUN
# lists, whether ARG shows its value, and how EXPOSE prints its list. Only they are taken out here.
exact_history=$(declare -f image_history)
eval "exact_${exact_history}"
image_history() {
    exact_image_history "$1" |
        sed -E 's#^RUN \|[0-9]+ .* (/bin/sh -e?c )#RUN \1#; /^EXPOSE/ { s/map\[/[/; s/:\{\}//g }; s/^ARG .*\|buildkit/ARG|buildkit/'
}

cases=$source_dir/tests/cli/semantics
for case in ${DBUILD_TEST_CASES:-$(ls "$cases")}; do
    context=$work/$case
    cp -R "$cases/$case" "$context"
    # What git does not keep: modes, links, empty folders, archives.
    if [ -x "$context/prepare" ]; then (cd "$context" && ./prepare "$run_id" && rm prepare); fi
    arguments=()
    if [ -f "$context/arguments" ]; then mapfile -t arguments <"$context/arguments"; fi
    mine=dbuild-test/mine-$case-$run_id:1
    theirs=dbuild-test/theirs-$case-$run_id:1

    build "$case" "${arguments[@]}" -t "$mine" "$context"
    if grep -q 'handing the whole build' "$work/$case.err"; then fail "$case: was not planned"; fi
    docker buildx build --no-cache --provenance=false "${arguments[@]}" -t "$theirs" "$context" >"$work/$case.buildx.out" 2>&1 ||
        fail "$case: docker buildx build failed"
    expect_same_image "$theirs" "$mine"

    build "$case.again" "${arguments[@]}" -t "$mine" "$context"
    expect_equal 0 "$(report "$case.again" .totals.executor_calls)" "$case: executor calls of the second build"
    expect_equal "$(report "$case" '.images[0].id')" "$(report "$case.again" '.images[0].id')" "$case: image ID of the second build"
done
