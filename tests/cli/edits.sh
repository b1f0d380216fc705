#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What an edit makes run: nothing for times, the last COPY and what follows it for its file, no executor for a CMD.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

copy_example two_stage
tag=dbuild-test/edits-$run_id:1
build first -t "$tag" "$work/context"
first_id=$(image_id "$tag")

# Times.
find "$work/context" -exec touch -d '2001-02-03 04:05:06' {} +
build touched -t "$tag" "$work/context"
expect_equal "" "$(steps_done touched)" "steps that ran after touch"
expect_equal "0 0" "$(report touched '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started after touch"
expect_equal "$first_id" "$(image_id "$tag")" "image ID after touch"

# An ignored file.
mkdir "$work/context/notes"
echo "not read" >"$work/context/notes/todo.txt"
build ignored -t "$tag" "$work/context"
expect_equal "" "$(steps_done ignored)" "steps that ran after a change of an ignored file"
expect_equal "$first_id" "$(image_id "$tag")" "image ID after a change of an ignored file"

# A file of the last COPY.
echo "words, newly counted:" >"$work/context/banner.txt"
build banner -t "$tag" "$work/context"
expect_equal 'COPY banner.txt greet.sh ./
RUN cat banner.txt count.txt > motd.txt' "$(steps_done banner)" "steps that ran after a change of banner.txt"
expect_equal "hello from $run_id
words, newly counted:
5" "$(docker run --rm --network none "$tag")" "what the new image prints"

# The same length and the same time: only the bytes tell.
reference=$(stat -c %y "$work/context/banner.txt")
echo "words, twice counted:" >"$work/context/banner.txt"
touch -d "$reference" "$work/context/banner.txt"
build same_stat -t "$tag" "$work/context"
expect_equal "words, twice counted:" "$(docker run --rm --network none "$tag" | sed -n 2p)" "content of equal size and time"

# Back again: both states are known.
echo "words in the list:" >"$work/context/banner.txt"
build back -t "$tag" "$work/context"
expect_equal "" "$(steps_done back)" "steps that ran after going back"
expect_equal "$first_id" "$(image_id "$tag")" "image ID after going back"

# CMD.
sed -i 's|^CMD .*|CMD ["cat", "/app/count.txt"]|' "$work/context/Dockerfile"
build cmd -t "$tag" "$work/context"
expect_equal "0 0" "$(report cmd '"\(.totals.executor_calls) \(.totals.processes_started)"')" "executor_calls, processes_started after a changed CMD"
expect_equal "" "$(steps_done cmd)" "steps that ran after a changed CMD"
expect_equal 5 "$(docker run --rm --network none "$tag")" "what the new CMD prints"

# The first stage runs again, to the same files: the second stage is not touched.
sed -i 's|sort "$WORDS"|cat "$WORDS" \| sort|' "$work/context/Dockerfile"
build cutoff -t "$tag" "$work/context"
expect_equal 'RUN mkdir -m 0750 out &&' "$(steps_done cutoff | cut -c1-24)" "steps that ran after a first stage's RUN came out equal"

# --no-cache.
build no_cache --no-cache -t "$tag" "$work/context"
expect_equal 0 "$(report no_cache '[.steps[] | select(.status == "hit")] | length')" "hits under --no-cache"

# What only a cache mount hands on: the layer of the stage below is the same, and what reads the mount has to run again.
context=$work/mount
mkdir "$context"
for word in one two; do
    cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS writer
RUN mkdir /c
RUN --mount=type=cache,target=/c,id=$run_id echo $word >/c/word
FROM writer
RUN --mount=type=cache,target=/c,id=$run_id cp /c/word /word
CMD ["cat", "/word"]
END
    build "mount_$word" -t "$tag" "$context"
    expect_equal "$word" "$(docker run --rm --network none "$tag")" "what came through the cache mount"
done
