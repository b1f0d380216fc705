#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A loaded image under another tag is only tagged: one more request, no archive, no process; and the old tag stays.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
build first -t "dbuild-test/tags-$run_id:one" "$work/context"
start_proxy
build second -t "dbuild-test/tags-$run_id:two" -t "dbuild-test/tags-$run_id:one" "$work/context"
if grep -q /images/load "$work/requests"; then fail "the image was loaded again"; fi
expect_equal 1 "$(grep -c '/tag' "$work/requests")" "requests that tag"
expect_equal 3 "$(request_count)" "requests"
expect_equal "0 0" "$(report second '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
expect_equal "$(image_id "dbuild-test/tags-$run_id:one")" "$(image_id "dbuild-test/tags-$run_id:two")" "image IDs of both tags"
