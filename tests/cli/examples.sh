#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every example builds where it stands, twice, and runs; the cache is where the environment says. Those of many images do what
# their READMEs say (examples/github-actions: workflows.sh).
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

unset DBUILD_CACHE_DIR
declare -A expected=(
    [hello]='Hello from a step that ran once.
Change this file: only the COPY is made again.'
    [two_stage]='hello from two stages
words in the list:
4')
for folder in "$source_dir"/examples/*/; do
    name=$(basename "$folder")
    case $name in monorepo | github-actions) continue ;; esac
    [ -n "${expected[$name]:-}" ] || fail "this test does not know what examples/$name prints"
    [ -s "$folder/README.md" ] || fail "examples/$name has no README.md"
    tag=dbuild-test/$name-$run_id:1
    build "$name" -t "$tag" "$folder"
    expect_equal "${expected[$name]}" "$(docker run --rm --network none "$tag")" "what $name prints"
    build "$name-again" -t "$tag" "$folder"
    expect_equal "0 0" "$(report "$name-again" '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started"
done
cp -R "$source_dir/examples/monorepo" "$work/monorepo"
cd "$work/monorepo"
sed -i "s/made by the shared stage/made by the shared stage of $run_id/" Dockerfile
sed -i "s|dbuild-example/\(.*\):1|dbuild-test/\1-$run_id:1|" docker-bake.json
git -c init.defaultBranch=main init -q . && git add -A
git -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit -qm all
bake() { # bake NAME ARGUMENT...
    expect_exit 0 "$1" "$DBUILD" bake --report "$work/$1.json" "${@:2}"
}
bake shop shop
expect_equal "cart orders web" "$(report shop '[.targets[].name] | sort | join(" ")')" "images of the group"
bake all
expect_equal 8 "$(cat <(steps_done shop) <(steps_done all) | grep -c ^RUN)" "RUNs: two shared ones and six own ones"
expect_equal "mail knows 3 products
the mail service" "$(docker run --rm --network none "dbuild-test/mail-$run_id:1")" "what mail prints"
expect_equal "no image differs" "$("$DBUILD" affected --since HEAD)" "affected without a change"
echo more >>services/mail/about.txt
"$DBUILD" affected --since HEAD >"$work/affected.out"
expect_contains "$work/affected.out" "mail: 2 steps, which took "
expect_equal mail "$(grep -o '^[a-z]*' "$work/affected.out")" "images that differ"
bake edited
expect_equal mail "$(report edited '.targets[] | select(.ran > 0) | .name')" "images in which something ran"
if [ -z "$(ls -A "$XDG_CACHE_HOME/dbuild")" ]; then fail "nothing in \$XDG_CACHE_HOME/dbuild"; fi
