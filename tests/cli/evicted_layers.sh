#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What neither the cache nor the engine has any more is made again when something has to run on it, or is copied from it: layers of
# the same stage, of the stage below and of another one, whose bytes differ then by the times that commands leave.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

tag=dbuild-test/evicted-$run_id:1
mkdir "$work/context"
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS lower
RUN mkdir /made && echo lower-$run_id > /made/lower
RUN echo more > /made/more
FROM dbuild-test/busybox:1 AS other
RUN echo other-$run_id > /other
FROM lower AS upper
RUN cat /made/lower > /made/upper
FROM upper
ARG WORD=one
COPY --from=other /other /made/
RUN echo \$WORD > /made/word
COPY Dockerfile /
CMD ["sh", "-c", "cat /made/*"]
END
shown() { docker run --rm --network none "$tag" | paste -sd' '; }
evict() {
    docker rmi -f "$tag" >/dev/null
    docker builder prune -af >/dev/null
    "$DBUILD" cache prune --max-size 0 >/dev/null
}

build first -t "$tag" "$work/context"
sleep 1.1 # the files that are made again get other times
evict
build another_word --build-arg WORD=two -t "$tag" "$work/context"
expect_equal "lower-$run_id more other-$run_id lower-$run_id two" "$(shown | sed 's/ *$//')" "an image on layers that were made again"
build nothing --build-arg WORD=two -t "$tag" "$work/context"
expect_equal "" "$(steps_done nothing)" "steps that ran when nothing changed"
sleep 1.1
evict
build only_image --build-arg WORD=two -t "$tag" "$work/context"
expect_equal "lower-$run_id more other-$run_id lower-$run_id two" "$(shown | sed 's/ *$//')" "the same image, all layers made again"

# What is made again may come out different (no two runs of this one are equal); what was made upon it is not run again for that.
dockerfile() { # LAST
    printf 'FROM dbuild-test/busybox:1\nRUN cat /proc/sys/kernel/random/uuid > /unsteady\nRUN echo second\nRUN echo %s\n' "$1" >"$work/context/Dockerfile"
}
dockerfile first
build unsteady -t "$tag" "$work/context"
docker builder prune -af >/dev/null # the image stays
"$DBUILD" cache prune --max-size 0 >/dev/null
dockerfile other
build remade -t "$tag" "$work/context"
expect_equal "a layer is no longer in the cache
a layer is no longer in the cache" "$(report remade '.steps[:2][].reason')" "why the lower steps ran"
dockerfile first
build back -t "$tag" "$work/context"
expect_equal "0" "$(report back '.totals.executor_calls')" "executor calls for what was built before"

# All layers of an image are gone, and the name is another one's: the engine refuses the delta, but keeps it under the name.
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN : $run_id
COPY word /word
CMD ["cat", "/word"]
END
write_word() { # with a time of its own, so that a layer which is made again is the same
    echo "$1" >"$work/context/word"
    touch -d 2024-01-01 "$work/context/word"
}
for word in one two; do
    write_word $word
    build $word -t "$tag" "$work/context"
done
"$DBUILD" cache prune --max-size 0 >/dev/null
is_forgotten() { ! docker image inspect "$1" >/dev/null 2>&1; }
wait_for 20 "the engine to forget the image that lost its name" is_forgotten "$(report one '.images[0].id')"
write_word one
build one_again -t "$tag" "$work/context"
expect_equal "one" "$(shown | sed 's/ *$//')" "an image that the engine had refused as a delta"
docker save "$tag" >"$work/saved.tar"
expect_equal "$(tar xOf "$work/saved.tar" manifest.json | jq -r '.[0] | .Config, .Layers[]' | sort)" \
    "$(tar tf "$work/saved.tar" | grep '^blobs/sha256/.' | grep -vF "$(report one_again '.images[0].digest' | cut -d: -f2)" | sort)" "blobs of the saved image"

# Two stages begin alike, one reads from the other, and all layers are lost: the reader holds the claim on the step that both have.
cat >"$work/context/Dockerfile" <<'END'
FROM dbuild-test/busybox:1 AS lower
RUN mkdir /common
RUN echo lower > /lower
FROM dbuild-test/busybox:1
RUN mkdir /common
COPY --from=lower /lower /common/
ARG WORD=one
RUN echo $WORD > /common/word
CMD ["sh", "-c", "cat /common/*"]
END
build alike -t "$tag" "$work/context"
evict
timeout 60 "$DBUILD" --build-arg WORD=two -t "$tag" "$work/context" 2>"$work/alike_again.err" || fail "alike_again: $(cat "$work/alike_again.err")"
expect_equal "lower two" "$(shown | sed 's/ *$//')" "two stages with a step in common, made again"

# Layers are lost of steps that hand something on in a cache mount, not the engine's cache: it answers all of them or none.
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN --mount=type=cache,target=/c,id=$run_id-pair echo first >/c/value
RUN --mount=type=cache,target=/c,id=$run_id-pair echo second >>/c/value
RUN --mount=type=cache,target=/c,id=$run_id-pair mv /c/value /value
ARG WORD=one
RUN echo \$WORD >/word
CMD ["cat", "/value", "/word"]
END
build pair -t "$tag" "$work/context"
docker rmi -f "$tag" >/dev/null
"$DBUILD" cache prune --max-size 0 >/dev/null
build pair_again --build-arg WORD=two -t "$tag" "$work/context"
expect_equal "first second two" "$(shown | sed 's/ *$//')" "what came through a cache mount, made again"
