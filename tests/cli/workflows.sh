#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The workflows of examples/github-actions: each job with an empty dbuild cache of its own, folders in place of the service's
# caches and artifacts.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

git_as() { git -C "$work/repository" -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false "$@"; }
cp -R "$source_dir/examples/github-actions" "$work/repository"
git -c init.defaultBranch=main init -q "$work/repository"
sed -i "s/built once/built by $run_id/" "$work/repository/Dockerfile"
sed -i "s|example/\(app\|server\|client\):1|dbuild-test/\1-$run_id:1|g" "$work/repository"/.github/workflows/*.yml "$work/repository/docker-bake.json"
git_as add -A && git_as commit -qm first
PATH=$(dirname "$DBUILD"):$PATH

# workflow NAME FILE VALUE...
workflow() {
    local name=$1 file=$2
    shift 2
    expect_exit 0 "$name" python3 "$helpers/run_workflow.py" "$work/repository/.github/workflows/$file.yml" "$work/repository" \
        "$work/state" "$@"
}
edit() { # edit FILE: a further commit; prints the one before
    git_as rev-parse HEAD
    echo more >>"$work/repository/$1"
    git_as commit -qam "$1"
}
ran() { grep -cE '^\[.*\]( [A-Z]+ .*)?: running' "$work/$1.err" || true; }

workflow one one-image github.sha=1
expect_contains "$work/one.out" "built by $run_id"
expect_equal 4 "$(ran one)" "steps that the first run of one-image ran"
edit version.txt >/dev/null
workflow one-again one-image github.sha=2
expect_equal 3 "$(ran one-again)" "steps that a run after an edit ran: not the one before it"

before=$(edit parts/client/name.txt)
workflow many many-images github.sha=3 "github.event.before=$before"
expect_equal "affected 
image client" "$(grep -E '^(affected|image)' "$work/many.out")" "jobs after a change of one image"
expect_contains "$work/many.err" "1 built: "
before=$(git_as rev-parse HEAD)
workflow none many-images github.sha=3 "github.event.before=$before"
expect_equal "affected 
image: skipped" "$(grep -E '^(affected|image)' "$work/none.out")" "jobs without a change"

workflow test build-then-test
for job in 0 1; do
    report=$work/state/jobs/build-then-test-test-$job/work/report.json
    expect_equal 0 "$(jq '[.steps[] | select(.status == "ran" or .status == "made")] | length' "$report")" "steps in test job $job"
    expect_equal 0 "$(jq .totals.executor_calls "$report")" "executor calls in test job $job"
done
expect_contains "$work/test.out" "built by $run_id"
