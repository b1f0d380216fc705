#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ONBUILD triggers, of an image and of a stage, are steps of the stage that is built on it: the image is docker buildx's,
# nothing is handed over, and nothing runs twice. Triggers that read from stages are newer (frontend 1.11) than the engine
# here: they must give what the same instructions give without ONBUILD.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

base=dbuild-test/triggers-$run_id:1
mine=dbuild-test/mine-$run_id:1
theirs=dbuild-test/theirs-$run_id:1

# with_buildx TAG ARGUMENT...
with_buildx() {
    local tag=$1
    shift
    docker buildx build --no-cache --provenance=false -t "$tag" "$@" >"$work/buildx.out" 2>&1 || fail "docker buildx build failed"
}

# expect_planned NAME: a build that was not handed over, and whose repetition runs nothing
expect_planned() {
    local name=$1
    shift
    build "$name" -t "$mine" "$@"
    if grep -q 'handing the whole build' "$work/$name.err"; then fail "$name: was not planned"; fi
    build "$name.again" -t "$mine" "$@"
    expect_equal 0 "$(report "$name.again" .totals.executor_calls)" "$name: executor calls of the second build"
}

mkdir "$work/base" "$work/context"
echo "from the context of $run_id" >"$work/context/file"
cat >"$work/base/Dockerfile" <<'END'
FROM dbuild-test/busybox:1
ENV FROM_BASE=yes
ONBUILD COPY file /copied
ONBUILD ARG WORD=default
ONBUILD RUN echo "$WORD $FROM_BASE" > /word
ONBUILD WORKDIR /work
ONBUILD ENV WORD_WAS=$WORD
ONBUILD RUN <<EOF
echo one > relative
echo two >> relative
EOF
ONBUILD USER app
ONBUILD CMD ["cat", "/word"]
END
with_buildx "$base" "$work/base"
cat >"$work/context/Dockerfile" <<END
FROM $base AS parent
LABEL own=\$WORD_WAS
ONBUILD COPY --chown=app file /tmp/again
FROM parent
ENTRYPOINT ["echo"]
END
expect_planned plain "$work/context"
with_buildx "$theirs" "$work/context"
expect_same_image "$theirs" "$mine"
expect_equal "COPY file /copied ARG WORD=default" "$(report plain '[.steps[].text][0:2] | join(" ")')" "the first steps in the report"
expect_equal "null" "$(docker image inspect -f '{{json .Config.OnBuild}}' "$mine")" "triggers of the image"

echo "changed, $run_id" >"$work/context/file"
expect_exit 0 change "$DBUILD" plan -t "$mine" "$work/context"
expect_contains "$work/change.out" "COPY file /copied: miss (file content: file)"

# A trigger that reads from stages of the child's Dockerfile, also from one that nothing else needs.
cat >"$work/base/Dockerfile" <<'END'
FROM dbuild-test/busybox:1
ONBUILD COPY --from=tools /tool /copied
ONBUILD RUN --mount=from=more,target=/mounted cat /mounted/tool > /read
END
with_buildx "$base" "$work/base"
stages="FROM dbuild-test/busybox:1 AS tools
RUN echo $run_id > /tool
FROM dbuild-test/busybox:1 AS more
RUN echo more $run_id > /tool"
printf '%s\nFROM %s\nRUN cat /read >> /copied\n' "$stages" "$base" >"$work/context/Dockerfile"
printf '%s\nFROM dbuild-test/busybox:1\n%s\nRUN cat /read >> /copied\n' "$stages" \
    "$(sed -n 's/^ONBUILD //p' "$work/base/Dockerfile")" >"$work/context/Dockerfile.flat"
expect_planned sources "$work/context"
with_buildx "$theirs" -f "$work/context/Dockerfile.flat" "$work/context"
expect_same_image "$theirs" "$mine"
expect_equal "$run_id more $run_id" "$(docker run --rm --network none "$mine" cat /copied | paste -sd ' ')" "what the triggers read"

# An error in a trigger has the place of the FROM that runs it.
printf 'FROM dbuild-test/busybox:1\nONBUILD COPY --form=x a b\n' >"$work/base/Dockerfile"
with_buildx "$base" "$work/base"
printf 'FROM scratch AS unused\n\nFROM %s\n' "$base" >"$work/context/Dockerfile"
expect_exit 1 wrong "$DBUILD" build "$work/context"
expect_contains "$work/wrong.err" "Dockerfile:3: error: unknown flag: --form (did you mean from?)"
