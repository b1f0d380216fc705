#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Wrong usage exits with 2 and names the flag; a wrong or missing Dockerfile with 1 and names the place. No engine is asked.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
printf 'FROM scratch\nCOPY a /a\n' >"$work/context/Dockerfile"
touch "$work/context/a"

# Usage.
expect_exit 2 unknown_flag "$DBUILD" --nonsense "$work/context"
expect_contains "$work/unknown_flag.err" --nonsense
expect_exit 2 no_path "$DBUILD" build
expect_contains "$work/no_path.err" PATH
expect_exit 2 executor "$DBUILD" --executor nonsense "$work/context"
expect_contains "$work/executor.err" --executor
expect_exit 2 progress "$DBUILD" --progress nonsense "$work/context"
expect_contains "$work/progress.err" --progress
expect_exit 2 no_value "$DBUILD" "$work/context" --target
expect_contains "$work/no_value.err" --target
expect_exit 2 absent_context "$DBUILD" "$work/absent"
expect_contains "$work/absent_context.err" "$work/absent"
expect_exit 2 plan_flag "$DBUILD" plan --nonsense "$work/context"
expect_contains "$work/plan_flag.err" --nonsense
expect_exit 0 help "$DBUILD" --help
expect_contains "$work/help.out" --build-arg
for name in unknown_flag no_path executor progress no_value absent_context plan_flag; do
    if [ -s "$work/$name.out" ]; then fail "$name: usage errors belong on stderr"; fi
done

# Dockerfiles. Each leaves a report.
# expect_failure NAME TEXT ARGUMENT...
expect_failure() {
    local name=$1 text=$2
    shift 2
    expect_exit 1 "$name" "$DBUILD" --report "$work/$name.json" "$@"
    expect_contains "$work/$name.err" "$text"
    expect_equal "1 1 true" "$(report "$name" '"\(.version) \(.exit_code) \(.error != null)"')" "$name: version, exit_code, has an error"
    if grep -q 'internal error' "$work/$name.err"; then fail "$name: an internal error"; fi
}
mkdir "$work/empty"
expect_failure missing_dockerfile Dockerfile "$work/empty"
expect_failure missing_named absent.Dockerfile -f "$work/absent.Dockerfile" "$work/context"

printf 'FROM scratch\n\nFROOM scratch\n' >"$work/context/unknown.Dockerfile"
expect_failure unknown_instruction unknown.Dockerfile:3 -f "$work/context/unknown.Dockerfile" "$work/context"
expect_contains "$work/unknown_instruction.err" FROOM
expect_contains "$work/unknown_instruction.err" '>>>'

printf 'FROM scratch\nCOPY onlyone\n' >"$work/context/copy.Dockerfile"
expect_failure copy_without_destination copy.Dockerfile:2 -f "$work/context/copy.Dockerfile" "$work/context"

expect_failure unknown_target nosuchstage --target nosuchstage "$work/context"

: >"$work/context/empty.Dockerfile"
expect_failure empty_file empty.Dockerfile -f "$work/context/empty.Dockerfile" "$work/context"
