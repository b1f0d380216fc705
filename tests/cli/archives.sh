#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ADD unpacks archives as BuildKit does, good and hostile ones, each in a folder and over the root of a base. Those that it takes
# are unpacked by each program in one build, a stage each, and compared as one image; the others fail. While dbuild unpacks,
# nothing outside its own folders is written, and nothing that an archive names is read.
# DBUILD_TEST_FULL=1 asks BuildKit about every single archive; without it, tests/cli/in_process/refused says which it refuses.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

context=$work/context
mkdir "$context"
python3 "$source_dir/tests/cli/in_process/make_archives.py" "$context"
find "$context" -exec touch -h -d '2020-01-02 03:04:05 UTC' {} +
(cd "$context" && mkdir -p base/etc base/usr/bin base/tmp && echo users >base/etc/passwd && ln -s ../../bin/x base/usr/bin/env)
base='FROM scratch AS base\nCOPY base /\n'

refused=$source_dir/tests/cli/in_process/refused
if [ -n "${DBUILD_TEST_FULL:-}" ]; then
    for archive in $(cd "$context" && ls -d good/* hostile/*); do
        for place in /new/ /; do
            printf "${base}FROM base\nADD $archive $place\n" >"$work/Dockerfile"
            docker buildx build -q --provenance=false -f "$work/Dockerfile" "$context" >"$work/asked.out" 2>&1 || echo "$archive $place"
        done
    done >"$work/refused"
    diff "$refused" "$work/refused" || fail "tests/cli/in_process/refused is not what BuildKit refuses"
fi

tag=dbuild-test/archives-$run_id
printf "$base" >"$work/Dockerfile"
last='FROM scratch\n' count=0
for archive in $(cd "$context" && ls -d good/* hostile/*); do
    for place in /new/ /; do
        if grep -qxF "$archive $place" "$refused"; then continue; fi
        count=$((count + 1))
        printf "FROM base AS stage$count\nADD $archive $place\n" >>"$work/Dockerfile"
        last+="COPY --from=stage$count / /stage$count/\n"
    done
done
printf "$last" >>"$work/Dockerfile"
docker buildx build --provenance=false -f "$work/Dockerfile" -t "$tag:theirs" "$context" >"$work/buildx.out" 2>&1 ||
    fail "docker buildx build failed"
expect_exit 0 unpacked strace -f --seccomp-bpf -e trace=%file,ftruncate -o "$work/strace.log" \
    "$DBUILD" --quiet --report "$work/unpacked.json" -f "$work/Dockerfile" -t "$tag:mine" "$context"
expect_same_image "$tag:theirs" "$tag:mine"
expect_equal 0 "$(report unpacked .totals.executor_calls)" "executor calls"
expect_equal 0 "$(report unpacked .totals.processes_started)" "processes started"
if [ "$count" -lt 80 ]; then fail "only $count archives were unpacked"; fi

# Names that a successful call made or opened for writing, wherever they are.
written=$(grep -E '(O_WRONLY|O_RDWR|O_CREAT|mkdir|mknod|link|rename|unlink|chmod|chown|truncate).* = [0-9]' "$work/strace.log" |
    grep -oE '"/[^"]*"' | tr -d '"' | grep -vE "^($work/|/dev/null$|/proc/self/)" | sort -u || true)
expect_equal "" "$written" "written outside of the test's folder"
if grep -E '"[^"]*(dbuild-escaped|etc/hostname|/proc/self/(root|cwd))' "$work/strace.log"; then fail "a path that an archive names was touched"; fi

# What BuildKit refuses is refused, and leaves nothing behind.
while read -r archive place; do
    printf "${base}FROM base\nADD $archive $place\n" >"$work/Dockerfile"
    expect_exit 1 refused "$DBUILD" --report "$work/refused.json" -f "$work/Dockerfile" -t "$tag:refused" "$context"
    if ! grep -qE 'cannot unpack|cannot link|too many links|not a directory' "$work/refused.err"; then fail "$archive $place: another error"; fi
    expect_equal 0 "$(report refused .totals.executor_calls)" "$archive $place: executor calls"
done <"$refused"
