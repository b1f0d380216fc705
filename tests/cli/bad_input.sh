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
expect_exit 2 near_flag "$DBUILD" --no-cach "$work/context"
expect_contains "$work/near_flag.err" "unknown flag --no-cach (did you mean --no-cache?)"
expect_exit 2 two_paths "$DBUILD" "$work/context" "$work"
expect_contains "$work/two_paths.err" "one PATH is expected, and there are 2"
expect_exit 2 bad_boolean "$DBUILD" --pull=maybe "$work/context"
expect_exit 2 upper_case "$DBUILD" -t BadName "$work/context"
expect_contains "$work/upper_case.err" lower-case
expect_exit 2 folder_to_stdout "$DBUILD" -o type=local,dest=- "$work/context"
expect_contains "$work/folder_to_stdout.err" "--output: type=local"
expect_exit 2 bare_secret "$DBUILD" --secret token "$work/context"
expect_contains "$work/bare_secret.err" "--secret token"
expect_exit 1 no_secret "$DBUILD" --secret "id=x,src=$work/none" "$work/context"
expect_contains "$work/no_secret.err" "cannot find $work/none"
expect_contains "$work/bad_boolean.err" --pull
expect_exit 2 bad_tag "$DBUILD" -t 'No:::Name' "$work/context"
expect_contains "$work/bad_tag.err" --tag
expect_exit 2 twice_stdin "$DBUILD" -f - -
expect_contains "$work/twice_stdin.err" --file
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
for name in unknown_flag near_flag two_paths bad_boolean bad_tag twice_stdin no_path executor progress no_value absent_context plan_flag; do
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
    expect_equal "" "$(steps_done "$name")" "$name: steps that ran or were made"
}
mkdir "$work/empty"
expect_failure missing_dockerfile "there is no Dockerfile in $work/empty" "$work/empty"
expect_failure missing_named "--file: cannot open $work/absent.Dockerfile" -f "$work/absent.Dockerfile" "$work/context"

printf 'FROM scratch\n\nFROOM scratch\n' >"$work/context/unknown.Dockerfile"
expect_failure unknown_instruction unknown.Dockerfile:3 -f "$work/context/unknown.Dockerfile" "$work/context"
expect_contains "$work/unknown_instruction.err" FROOM
expect_contains "$work/unknown_instruction.err" '>>>'

printf 'FROM scratch\nCOPY onlyone\n' >"$work/context/copy.Dockerfile"
expect_failure copy_without_destination copy.Dockerfile:2 -f "$work/context/copy.Dockerfile" "$work/context"

expect_failure unknown_target 'target stage "nosuchstage" could not be found' --target nosuchstage "$work/context"
printf 'FROM scratch AS first\nCOPY a /a\n' >"$work/context/named.Dockerfile"
expect_failure near_target "(did you mean first?)" --target frist -f "$work/context/named.Dockerfile" "$work/context"

printf 'FROM scratch\nCOPY a /a\nCOPY absent /b\n' >"$work/context/source.Dockerfile"
expect_failure missing_source 'source.Dockerfile:3: error: "/absent": not found' -f "$work/context/source.Dockerfile" "$work/context"
expect_contains "$work/missing_source.err" '>>> COPY absent /b'

printf 'FROM scratch AS one\nCOPY --from=one /a /b\n' >"$work/context/circle.Dockerfile"
expect_failure circle "circle.Dockerfile:2: error: circular dependency" -f "$work/context/circle.Dockerfile" "$work/context"
printf 'FROM scratch AS one\nCOPY --from=two /a /b\nFROM scratch AS two\nCOPY --from=one /b /a\n' >"$work/context/late.Dockerfile"
expect_failure late 'late.Dockerfile:2: error: circular dependency detected on stage: one' -f "$work/context/late.Dockerfile" "$work/context"

: >"$work/context/empty.Dockerfile"
expect_failure empty_file empty.Dockerfile -f "$work/context/empty.Dockerfile" "$work/context"
printf '# a comment\n\n' >"$work/context/comment.Dockerfile"
expect_failure only_comments "comment.Dockerfile:2: error: file with no instructions" -f "$work/context/comment.Dockerfile" "$work/context"
expect_failure empty_stdin "-:1: error: the Dockerfile cannot be empty" -f - "$work/context" </dev/null

# An engine that does not answer: asked for a base image, and by docker buildx.
printf 'FROM scratch\nRUN x\n' >"$work/context/run.Dockerfile"
expect_failure no_engine "annot connect to the Docker daemon at $DOCKER_HOST" -f "$work/context/run.Dockerfile" "$work/context"
printf 'FROM dbuild-test/busybox:1\nCOPY a /a\n' >"$work/context/base.Dockerfile"
expect_failure no_engine_for_base "cannot connect to the Docker engine at $DOCKER_HOST: No such file or directory" \
    -f "$work/context/base.Dockerfile" "$work/context"

# A file that the user cannot read; root reads everything, so it is somebody else.
echo secret >"$work/context/unreadable"
chmod 0600 "$work/context/unreadable"
printf 'FROM scratch\nCOPY unreadable /\n' >"$work/context/unreadable.Dockerfile"
as_somebody=()
if [ "$(id -u)" = 0 ]; then
    as_somebody=(setpriv --reuid=65534 --regid=65534 --clear-groups env "HOME=$work/somebody" "DBUILD_CACHE_DIR=$work/somebody/cache")
    chmod 0711 "$work"
    mkdir "$work/somebody" "$work/bin"
    chown 65534:65534 "$work/somebody"
    cp "$DBUILD" "$work/bin/dbuild" # where it was built, only root may look
else
    chmod 0000 "$work/context/unreadable"
    as_somebody=(env)
    mkdir -p "$work/bin" && cp "$DBUILD" "$work/bin/dbuild"
fi
expect_exit 1 unreadable "${as_somebody[@]}" "$work/bin/dbuild" -f "$work/context/unreadable.Dockerfile" "$work/context"
expect_contains "$work/unreadable.err" "$work/context/unreadable: Permission denied"
