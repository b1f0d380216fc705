#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A remote in a folder, between machines: each has an empty cache; the second one's engine has the base image only.
# Whether anything was run is seen from outside: $work/bin/docker notes every call of the docker program.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

other_engine=$(cat "$DBUILD_TEST_STATE_DIR/engine_shared") # this test's own one, `private`, may be pruned
remote=dir:$work/remote
base=dbuild-test/busybox:$run_id
images="one two three four five"

mkdir "$work/bin"
printf '#!/bin/sh\necho "$@" >>"%s"\nexec "%s" "$@"\n' "$work/docker.calls" "$(command -v docker)" >"$work/bin/docker"
chmod +x "$work/bin/docker"
PATH=$work/bin:$PATH

on_other() { DOCKER_HOST=$other_engine "$@"; }
clean_other() {
    on_other docker images --format '{{.Repository}}:{{.Tag}}' | { grep -F -- "$run_id" || true; } |
        xargs -r env DOCKER_HOST="$other_engine" docker rmi -f >/dev/null
}
trap 'status=$?; clean_other || true; (exit $status); clean_up' EXIT

# machine NAME: an empty cache
machine() { export DBUILD_CACHE_DIR=$work/cache-$1; }

# executor_calls COMMAND...: how often `docker buildx` was called meanwhile
executor_calls() {
    : >"$work/docker.calls"
    "$@"
    calls=$(grep -c '^buildx build' "$work/docker.calls" || true)
}

# An image of its own per name, without bytes that another one has, or it would need its pack: what COPY takes, what two RUNs in two stages make, metadata.
for name in $images; do
    mkdir -p "$work/$name"
    head -c 300000 /dev/urandom | base64 >"$work/$name/data"
    cat >"$work/$name/Dockerfile" <<END
FROM $base AS made
RUN mkdir /out && seq 1 20000 | sed "s/^/$name/" >/out/$name && echo $run_id-$name >/out/who
FROM $base
WORKDIR /app-$name
COPY data .
COPY --from=made /out out
RUN echo "the last of $name" >last && chmod 0700 last
ENV NAME=$name
CMD ["cat", "last"]
END
done
build_image() { # build_image NAME REPORT ARGUMENT...
    local name=$1 report=$2
    shift 2
    build "$report" -t "app-$name:$run_id" --cache-remote "$remote" "$@" "$work/$name"
}

# Machine A makes everything, from nothing.
machine a
docker tag dbuild-test/busybox:1 "$base"
docker builder prune -af >/dev/null
for name in $images; do build_image "$name" "a-$name"; done
expect_equal "" "$(find "$work/remote/tmp" -type f)" "temporary files left in the remote"
packs=$(find "$work/remote/packs" -type f | wc -l)
[ "$packs" -ge 5 ] || fail "only $packs packs were published"
[ "$(report a-one .totals.remote_bytes_written)" -gt 100000 ] || fail "the report does not say what was published"

# Machine B has the base image and the remote.
docker save "$base" | on_other docker load >/dev/null
machine b
for name in $images; do
    executor_calls on_other build_image "$name" "b-$name"
    expect_equal 0 "$calls" "calls of docker buildx build for $name on machine B"
    expect_equal 0 "$(report "b-$name" .totals.executor_calls)" "executor calls of the report"
    expect_equal "" "$(steps_done "b-$name")" "steps done on machine B"
    expect_equal "$(docker image inspect -f '{{.Id}} {{json .RootFS}} {{json .Config}}' "app-$name:$run_id")" \
        "$(on_other docker image inspect -f '{{.Id}} {{json .RootFS}} {{json .Config}}' "app-$name:$run_id")" \
        "image $name"
    expect_equal "$(report "a-$name" '.images[0].digest')" "$(report "b-$name" '.images[0].digest')" "manifest of $name"
done
expect_equal "the last of one" "$(on_other docker run --rm "app-one:$run_id")" "what the fetched image says"

# A build that only hits, with everything at home, publishes nothing and fetches no pack.
on_other build_image one b-again
expect_equal 0 "$(report b-again .totals.remote_bytes_written)" "bytes written by a build without news"

# Nor does it read the index, which is what it was. (Once an hour it does: hence a second try.)
bytes_read_of_remote() {
    on_other strace -f -y -e trace=read,pread64 -o "$work/reads" "$DBUILD" -t "app-one:$run_id" --cache-remote "$remote" "$work/one" \
        >"$work/b-traced.out" 2>"$work/b-traced.err"
    awk -v folder="<$work/remote/" 'index($0, folder) { total += $NF } END { print total + 0 }' "$work/reads"
}
bytes=$(bytes_read_of_remote)
[ "$bytes" -lt 200 ] || bytes=$(bytes_read_of_remote)
[ "$bytes" -lt 200 ] || fail "$bytes bytes were read of a remote that has not changed"
grep -qF "<$work/remote/" "$work/reads" || fail "the remote was not even looked at"

# A fifth of the packs is gone: what needs them is made again, nothing fails, and then it is there again.
clean_other
docker save "$base" | on_other docker load >/dev/null
find "$work/remote/packs" -type f | sort | awk 'NR % 5 == 1' | xargs rm
machine c
done_again=0
for name in $images; do
    on_other build_image "$name" "c-$name"
    if [ -n "$(steps_done "c-$name")" ]; then done_again=$((done_again + 1)); fi
done
if [ "$done_again" -lt 1 ] || [ "$done_again" -gt 2 ]; then fail "$done_again images for one pack in five"; fi
clean_other
docker save "$base" | on_other docker load >/dev/null
machine d
for name in $images; do
    on_other build_image "$name" "d-$name"
    expect_equal "" "$(steps_done "d-$name")" "steps of $name after the remote has healed"
done

# A build that fails publishes what it finished, and so does one that is interrupted.
mkdir "$work/broken"
printf 'FROM %s\nRUN echo good-%s >/good\nRUN exit 3\n' "$base" "$run_id" >"$work/broken/Dockerfile"
machine e
expect_exit 1 e-broken "$DBUILD" -t "broken:$run_id" --cache-remote "$remote" "$work/broken"
machine f
"$DBUILD" plan -t "broken:$run_id" --cache-remote "$remote" "$work/broken" >"$work/f.out"
expect_contains "$work/f.out" "RUN echo good-$run_id >/good: hit"
printf 'FROM %s\nRUN echo first-%s >/first\nRUN echo sec"o"nd; sleep 100\n' "$base" "$run_id" >"$work/broken/Dockerfile"
machine g
"$DBUILD" --progress plain -t "broken:$run_id" --cache-remote "$remote" "$work/broken" >"$work/g.out" 2>"$work/g.err" &
pid=$!
background+=("$pid")
wait_for 60 "the second step" grep -q '| second' "$work/g.err"
kill -TERM "$pid"
expect_exit 130 g-wait wait "$pid"
machine h
"$DBUILD" plan -t "broken:$run_id" --cache-remote "$remote" "$work/broken" >"$work/h.out"
expect_contains "$work/h.out" "RUN echo first-$run_id >/first: hit"

# Ten at once into one scope: all records are there. COPY alone, so that nothing but the remote is between them.
pids=()
for i in $(seq 10); do
    mkdir "$work/w$i"
    echo "$run_id $i" >"$work/w$i/file"
    printf 'FROM scratch\nCOPY file /\n' >"$work/w$i/Dockerfile"
    DBUILD_CACHE_DIR=$work/cache-w$i "$DBUILD" -t "w$i:$run_id" --scope together --cache-remote "$remote" "$work/w$i" \
        >"$work/w$i.out" 2>"$work/w$i.err" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "one of ten writers failed"; done
machine i
for i in $(seq 10); do
    "$DBUILD" plan -t "w$i:$run_id" --scope together --cache-remote "$remote?mode=read" "$work/w$i" >"$work/plan.out"
    expect_contains "$work/plan.out" "COPY file /: hit"
done

# A remote that cannot be used costs a line. mode=read writes nothing.
machine j
echo garbage >"$work/no-folder"
build j-file -t "j:$run_id" --cache-remote "dir:$work/no-folder" "$work/w1"
expect_contains "$work/j-file.err" "remote cache dir:$work/no-folder"
build j-read -t "j:$run_id" --cache-remote "dir:$work/nothing?mode=read" "$work/w2"
[ ! -e "$work/nothing" ] || fail "mode=read made a folder"
printf 'garbage' >"$(find "$work/remote/scopes" -path '*together*' -name '*.index' | sort -V | tail -1)"
machine k
build k -t "k:$run_id" --scope together --cache-remote "$remote" "$work/w1"
expect_contains "$work/k.err" "remote cache $remote"
machine l
build l -t "l:$run_id" --scope together --cache-remote "$remote" "$work/w1"
expect_equal "" "$(steps_done l)" "steps after a damaged index was replaced"

# --cache-to and --cache-from of a local folder, and the environment.
machine m
build m-to -t "m:$run_id" --cache-to "type=local,dest=$work/local,mode=max" "$work/w3"
machine n
build n-from -t "m:$run_id" --cache-from "type=local,src=$work/local" "$work/w3"
expect_equal "" "$(steps_done n-from)" "steps with --cache-from"
machine o
DBUILD_CACHE_REMOTE="dir:$work/local?mode=read" build o -t "m:$run_id" "$work/w3"
expect_equal "" "$(steps_done o)" "steps with DBUILD_CACHE_REMOTE"

# In a pipeline the branch is part of the name, and the default branch is read.
machine p
DBUILD_CACHE_REMOTE="dir:$work/branches" build p -t "branch:$run_id" "$work/w4"
machine q
export GITLAB_CI=true CI_COMMIT_REF_NAME=feature/x CI_DEFAULT_BRANCH=main DBUILD_CACHE_REMOTE=dir:$work/branches
build q -t "branch:$run_id" "$work/w4"
expect_equal "" "$(steps_done q)" "steps of a branch after the default branch"
machine r
CI_COMMIT_REF_NAME=other build r -t "branch:$run_id" "$work/w5"
unset GITLAB_CI CI_COMMIT_REF_NAME CI_DEFAULT_BRANCH DBUILD_CACHE_REMOTE
"$DBUILD" cache scopes --cache-remote "dir:$work/branches" >"$work/scopes.out"
# feature/x made nothing that the default branch lacks.
expect_equal "branch@linux/amd64
branch@linux/amd64~other" "$(awk 'NR > 1 {print $1}' "$work/scopes.out" | sort)" "scopes"
