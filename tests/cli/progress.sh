#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Progress on a real engine: plain, rawjson, quiet and none as files, tty on a pseudo-terminal; a failure whose command for
# trying it again is pasted; hostile output.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
unset DBUILD_PROGRESS BUILDKIT_PROGRESS NO_COLOR
PATH=$(cd "$(dirname "$DBUILD")" && pwd):$PATH # the command that dbuild prints names itself

mkdir "$work/context"
cat >"$work/context/Dockerfile" <<END_OF_FILE
FROM dbuild-test/busybox:1 AS base
RUN echo base-$run_id > /base
FROM base AS left
RUN for i in 1 2 3; do echo "left \$i"; sleep 0.2; done
FROM base AS right
RUN printf '10%%\\r99%%\\r100%%\\n\\033]0;title\\007\\033[2Jright\\233\\n'
FROM base
COPY --from=left /base /left
COPY --from=right /base /right
END_OF_FILE
tag=dbuild-test/progress-$run_id:1
arguments=(-t "$tag" "$work/context")
controls=$'[\001-\010\013-\037\177]'

# plain: each line of output says whose it is, what came as a progress bar or to the terminal is tame, and one line closes.
build plain --progress=plain "${arguments[@]}"
expect_contains "$work/plain.err" "[base 1/1] RUN echo base-$run_id > /base: running ("
for i in 1 2 3; do expect_contains "$work/plain.err" "[left 1/1] | left $i"; done
expect_contains "$work/plain.err" "[right 1/1] | 100%"
expect_contains "$work/plain.err" "[right 1/1] | right"
grep -qE '^\[left 1/1\] done in [0-9]+\.[0-9] s$' "$work/plain.err" || fail "no time of a step"
if grep -q "$controls" "$work/plain.err"; then fail "control characters reached a log"; fi
if grep -q '| .*title' "$work/plain.err"; then fail "the text of a title was shown"; fi
grep -qE "^0 hit, [45] run, [0-9.]+ s, $(image_id "$tag"), [0-9.]+ MB, $tag\$" <(tail -n 1 "$work/plain.err") || fail "the closing line"

# Where everything hits there is only that line; with a step to run, the hits are told too, and why it is none.
build again "${arguments[@]}"
expect_equal 1 "$(wc -l <"$work/again.err")" "lines of a build in which everything hits"
grep -qE "^[56] hit, 0 run, " "$work/again.err" || fail "hits and runs"
sed -i 's/left \$i/new \$i/' "$work/context/Dockerfile"
build edited "${arguments[@]}"
expect_contains "$work/edited.err" "[base 1/1] RUN echo base-$run_id > /base: hit"
expect_contains "$work/edited.err" "[left 1/1] | new 3"

# rawjson: documents that jq reads, which are BuildKit's solve status too, with the output as it was written.
sed -i 's/new \$i/raw \$i/' "$work/context/Dockerfile"
DBUILD_PROGRESS=rawjson build raw "${arguments[@]}"
jq -e . "$work/raw.err" >/dev/null || fail "not JSON"
expect_equal 1 "$(jq -r .dbuild.version "$work/raw.err" | sort -u)" "versions"
expect_equal build_finished "$(tail -n 1 "$work/raw.err" | jq -r .dbuild.event)" "the last event"
expect_equal "$(image_id "$tag")" "$(tail -n 1 "$work/raw.err" | jq -r '.dbuild.images[0].id')" "image ID"
left=$(jq -r 'select(.dbuild.event == "step_started" and .dbuild.stage == "left") | .vertexes[0].digest' "$work/raw.err")
expect_equal $'raw 1\nraw 2\nraw 3' \
    "$(jq -r --arg v "$left" '.logs // [] | .[] | select(.vertex == $v) | .data' "$work/raw.err" | base64 -d)" "the output"
expect_equal true "$(jq -r 'select(.dbuild.event == "step_hit") | .vertexes[0].cached' "$work/raw.err" | sort -u)" "cached vertices"

# quiet and none say nothing where nothing is wrong; the option beats the environment, ours beats BuildKit's.
BUILDKIT_PROGRESS=rawjson build quiet --progress quiet "${arguments[@]}"
expect_equal "$(image_id "$tag")" "$(cat "$work/quiet.out")" "the image ID, which quiet does say"
BUILDKIT_PROGRESS=plain DBUILD_PROGRESS=none build none --no-cache "${arguments[@]}"
expect_equal "" "$(cat "$work/quiet.err" "$work/none.err")" "quiet and none"
expect_exit 0 unset "$DBUILD" --progress= "${arguments[@]}"
DBUILD_PROGRESS=fancy expect_exit 2 fancy "$DBUILD" "${arguments[@]}"
expect_contains "$work/fancy.err" DBUILD_PROGRESS

# tty: the pseudo-terminal's last screen is read back through a terminal that knows only what dbuild may use.
sed -i 's/raw \$i/tty \$i/' "$work/context/Dockerfile"
on_terminal() { python3 "$helpers/terminal.py" --columns 72 --rows 20 "$@"; }
TERM=xterm on_terminal -- "$DBUILD" "${arguments[@]}" >"$work/tty.out"
expect_contains "$work/tty.out" " => [base 1/1] RUN echo base-$run_id > /base"
grep -qE '^ => \[left 1/1\] RUN .*[0-9]\.[0-9]s$' "$work/tty.out" || fail "no line of a finished step"
grep -qE "^4 hit, [01] run|^3 hit, [0-9] run|^[0-9] hit, [0-9] run" "$work/tty.out" || fail "no closing line on the terminal"
if grep -qF '[+]' "$work/tty.out"; then fail "the region was left on the terminal"; fi
TERM=xterm on_terminal --dump-raw "$work/tty.raw" --resize 40 -- "$DBUILD" --no-cache "${arguments[@]}" >"$work/resized.out"
grep -qaF '| tty 1' "$work/tty.raw" || fail "no live output on the terminal"
expect_contains "$work/resized.out" " s, sha256:"
TERM=dumb on_terminal --dump-raw "$work/dumb.raw" -- "$DBUILD" --no-cache "${arguments[@]}" >/dev/null
if grep -qaP '\x1b' "$work/dumb.raw"; then fail "escape sequences on a dumb terminal"; fi
TERM=xterm NO_COLOR=1 on_terminal --dump-raw "$work/colour.raw" -- "$DBUILD" --no-cache "${arguments[@]}" >/dev/null
if grep -qaP '\x1b\[[0-9;]*m' "$work/colour.raw"; then fail "colours in spite of NO_COLOR"; fi

# A signal in the middle: the cursor was never hidden and no mode was changed, so nothing is left to restore.
sed -i 's/sleep 0.2/sleep 9/' "$work/context/Dockerfile"
TERM=xterm on_terminal --dump-raw "$work/signal.raw" --signal-at 'tty 1' -- "$DBUILD" "${arguments[@]}" >"$work/signal.out" &&
    fail "an interrupted build succeeded"
if grep -qaP '\x1b\[\?' "$work/signal.raw"; then fail "a mode of the terminal was changed"; fi
expect_contains "$work/signal.out" "interrupted"

# A failure: output, excerpt, how to try it again, error. The printed command fails in the same way, and works when mended.
cat >"$work/context/Dockerfile" <<END_OF_FILE
FROM dbuild-test/busybox:1
ARG WORD
ENV COLOUR="dark red"
WORKDIR /work
RUN echo made-$run_id > made
RUN echo "it's \$WORD, \$COLOUR in \$(pwd): \$(cat made)" && \\
    exit 7
RUN echo never
END_OF_FILE
failing() { expect_exit 1 "$1" "$DBUILD" --progress "$2" --build-arg "WORD=a 'word'" "$work/context"; }
printed_command() { sed -n '/^To try it again:$/{n;s/^  //;p}' "$work/$1.err"; }
output="it's a 'word', dark red in /work: made-$run_id"
failing failed plain
expect_contains "$work/failed.err" "[stage-0 5/6] | $output"
expect_contains "$work/failed.err" "[stage-0 5/6] failed: exit code: 7"
expect_equal "------
 > [stage-0 5/6] RUN echo \"it's \$WORD, \$COLOUR in \$(pwd): \$(cat made)\" &&     exit 7:
$output
------" "$(sed -n '/^------$/,/^------$/p' "$work/failed.err")" "the output, told again"
expect_contains "$work/failed.err" "   6 | >>> RUN echo"
expect_contains <(tail -n 1 "$work/failed.err") "Dockerfile:6: error: RUN failed: exit code: 7"
command=$(printed_command failed)
expect_exit 7 again bash -c "$command"
expect_equal "$output" "$(cat "$work/again.out")" "the output of the printed command"
expect_exit 0 shell sh -c "${command/exit 7/true}"
failing quietly quiet
expect_equal "$(sed '1,/^\[stage-0 5.6\] failed/d' "$work/failed.err")" "$(cat "$work/quietly.err")" "the failure, told by quiet"
failing raw_failure rawjson
expect_equal "$command" "$(jq -r 'select(.dbuild.event == "step_failed") | .dbuild.reproduction' "$work/raw_failure.err")" "rawjson"

# What only BuildKit can do is built again, up to the step that failed.
cat >>"$work/context/Dockerfile" <<END_OF_FILE
FROM dbuild-test/busybox:1
RUN --mount=type=cache,target=/kept echo "kept: $run_id" && exit 5
RUN echo never
END_OF_FILE
failing mount plain
command=$(printed_command mount)
expect_exit 1 mount_again bash -c "$command"
expect_contains "$work/mount_again.err" "kept: $run_id"
expect_contains "$work/mount_again.err" "exit code: 5"
