#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# -f, --build-arg, --target, --label, two tags, --scope, -q, and what each of them makes run again.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
cat >"$work/context/other.Dockerfile" <<END
FROM dbuild-test/busybox:1 AS base
RUN echo base-$run_id > /base
FROM base AS words
ARG WORD=plain
RUN echo "word: \$WORD" > /word
CMD ["cat", "/word"]
FROM base
CMD ["cat", "/base"]
END
tag=dbuild-test/options-$run_id
arguments=(-f "$work/context/other.Dockerfile" -t "$tag:1" "$work/context")
shown() { docker run --rm --network none "$1"; }

build last -t "$tag:2" "${arguments[@]}"
expect_equal "base-$run_id" "$(shown "$tag:1")" "the last stage"
expect_equal "$(image_id "$tag:1")" "$(image_id "$tag:2")" "the image under both tags"
expect_equal "RUN echo base-$run_id > /base" "$(steps_done last)" "steps that ran: only those that the last stage needs"

build target --target words "${arguments[@]}"
expect_equal "word: plain" "$(shown "$tag:1")" "--target words"
build argument --target words --build-arg WORD=given "${arguments[@]}"
expect_equal "word: given" "$(shown "$tag:1")" "--build-arg"
expect_equal 'RUN echo "word: $WORD" > /word' "$(steps_done argument)" "steps that ran for another argument"
build argument_again --target words --build-arg WORD=given "${arguments[@]}"
expect_equal "" "$(steps_done argument_again)" "steps that ran for the same argument"

build labelled --target words --build-arg WORD=given --label colour=red --scope other-scope "${arguments[@]}"
expect_equal red "$(docker image inspect -f '{{.Config.Labels.colour}}' "$tag:1")" "--label"
expect_equal "" "$(steps_done labelled)" "steps that ran for another label and scope"
expect_equal other-scope "$(report labelled .scope)" "scope in the report"

quiet=$("$DBUILD" build -q "${arguments[@]}" 2>"$work/quiet.err")
expect_equal "$(image_id "$tag:1")" "$quiet" "-q"
