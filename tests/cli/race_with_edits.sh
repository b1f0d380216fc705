#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files of the context that are edited while a build runs: what a RUN mounted or a COPY copied is recorded only if it is what was
# hashed, an edit after that harms nothing, and a file that never holds still does not fail the build.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

tag=dbuild-test/race-$run_id:1
mkdir "$work/context"
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS slow
RUN echo $run_id > /slow; sleep 3
FROM dbuild-test/busybox:1
COPY --from=slow /slow /
RUN --mount=type=bind,target=/context cat /context/file > /mounted; echo it was "read"; sleep 3
RUN echo after
COPY file /copied
END
content() { docker run --rm --network none "$tag" cat /mounted /copied; }
wait_for_step() { wait_for 60 "$2 to start" grep -q "$2" "$work/$1.err"; }

# Between hashing and use: one second after the slow stage began, everything is hashed.
echo one >"$work/context/file"
build hashed_before --progress plain -t "$tag" "$work/context" &
builder=$!
wait_for_step hashed_before 'sleep 3'
echo two >"$work/context/file"
wait $builder
expect_contains "$work/hashed_before.err" 'the build context changed while it was used: /file'
expect_equal "two
two" "$(content)" "content after the edit"

# The result of the first attempt stands under no key: with the first bytes again, nothing that read them is a hit.
echo one >"$work/context/file"
build first_again -t "$tag" "$work/context"
expect_equal "one
one" "$(content)" "content of the first bytes"
expect_equal 1 "$(steps_done first_again | grep -c mount=type=bind)" "the RUN that mounts ran"

# While the RUN that mounts sleeps, its files are its own: it does not run again. COPY comes later, and takes the new bytes.
echo three >"$work/context/file"
build used_before --progress plain -t "$tag" "$work/context" &
builder=$!
wait_for_step used_before 'it was read'
echo four >"$work/context/file"
wait $builder
build settled -t "$tag" "$work/context"
expect_equal "four
four" "$(content)" "content in the end"
echo three >"$work/context/file"
build third_again -t "$tag" "$work/context"
expect_equal "" "$(steps_done third_again | grep mount=type=bind || true)" "steps that run for the third bytes"
expect_equal "three
three" "$(content)" "content of the third bytes"

# A COPY that the executor makes, because it stands between two RUNs: what BuildKit reads is not what was hashed a second before.
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS slow
RUN echo $run_id-copied > /slow; sleep 3
FROM dbuild-test/busybox:1
COPY --from=slow /slow /
RUN echo before
COPY file /mounted
RUN cp /mounted /copied
END
echo five >"$work/context/file"
build copied_before --progress plain -t "$tag" "$work/context" &
builder=$!
wait_for_step copied_before 'sleep 3'
echo sixx >"$work/context/file" # of the same size
wait $builder
expect_contains "$work/copied_before.err" 'the build context changed while it was used: /file'
expect_equal "sixx
sixx" "$(content)" "content after the edit, by the executor"
echo five >"$work/context/file"
build copied_again -t "$tag" "$work/context"
expect_equal "five
five" "$(content)" "content of the bytes that were hashed first"

# A file that never holds still goes to docker, after three attempts.
python3 -c '
import itertools, sys
for i in itertools.count():
    with open(sys.argv[1], "w") as file: file.write(str(i))
' "$work/context/busy" &
writer=$!
background+=("$writer")
wait_for 60 'the file that never holds still' test -s "$work/context/busy"
printf 'FROM dbuild-test/busybox:1\nRUN --mount=type=bind,target=/context cat /context/busy > /busy\n' >"$work/context/Dockerfile"
build busy -t "$tag" "$work/context"
kill "$writer"
wait "$writer" || true
expect_equal 2 "$(grep -c '; trying again' "$work/busy.err")" "attempts that were given up"
expect_contains "$work/busy.err" 'handing the whole build to docker buildx build: the build context changed while it was used: /busy'
echo calm >"$work/context/busy"
build calm -t "$tag" "$work/context"
expect_equal calm "$(docker run --rm --network none "$tag" cat /busy)" "content of the file that was busy"
