#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What finished before a RUN failed is never run again, as seen by a server that each RUN fetches a URL of its own from: also
# when the builder forgot everything in between. DBUILD_TEST_ENGINE has to be one that may be pruned.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
tag=dbuild-test/kept-$run_id:1
mkdir "$work/context"

# write_dockerfile NUMBER LAST_COMMAND
write_dockerfile() {
    cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN wget -qO /one $server/$run_id/$1/one
RUN wget -qO /two $server/$run_id/$1/two
RUN wget -qO /three $server/$run_id/$1/three && $2
RUN wget -qO /four $server/$run_id/$1/four
END
}

for prune in no yes; do
    write_dockerfile "$prune" false
    expect_exit 1 "failing_$prune" "$DBUILD" -t "$tag" "$work/context"
    expect_equal "/$run_id/$prune/one
/$run_id/$prune/three
/$run_id/$prune/two" "$(fetched)" "what the failing build ran (prune: $prune)"
    if [ "$prune" = yes ]; then docker builder prune -af >/dev/null; fi
    write_dockerfile "$prune" true
    build "mended_$prune" -t "$tag" "$work/context"
    expect_equal "/$run_id/$prune/four
/$run_id/$prune/three" "$(fetched)" "what the mended build ran (prune: $prune)"
done
