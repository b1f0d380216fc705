#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The two-stage example builds and runs, and is the image that `docker buildx build` makes of the same folder.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
mine=dbuild-test/mine-$run_id:1
theirs=dbuild-test/theirs-$run_id:1

build first -t "$mine" --label test.run="$run_id" --iidfile "$work/iid" "$work/context"
expect_equal "hello from $run_id
words in the list:
5" "$(docker run --rm --network none "$mine")" "what the image prints"

docker buildx build --no-cache --provenance=false -t "$theirs" --label test.run="$run_id" "$work/context" >"$work/buildx.out" 2>&1 ||
    fail "docker buildx build failed"

expect_same_image "$theirs" "$mine"
expect_equal "5 file 1000" "$(grep -c . "$work/context/words.txt") $(awk '$1 == "app/count.txt" {sub(/:.*/, "", $4); print $2, $4}' "$work/tree.mine")" \
    "owner of count.txt, so that the listing is known to list"

# What the program says about it.
id=$(image_id "$mine")
expect_equal "$id" "$(cat "$work/iid")" "--iidfile"
expect_equal "$id" "$(report first '.images[0].id')" "id in the report"
expect_equal "0 null 1" "$(report first '"\(.exit_code) \(.error) \(.version)"')" "report's head"
expect_equal "true" "$(report first '.images[0].tags | any(contains("'"$run_id"'"))')" "tag in the report"
if [ -z "$(steps_done first)" ]; then fail "a first build did nothing"; fi
expect_equal "$id" "$("$DBUILD" -q -t "$mine" --label test.run="$run_id" "$work/context" 2>"$work/quiet.err")" "-q prints the image ID"
