#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many images at once: what they share runs once, seen by a server that the RUNs fetch from; a second run starts nothing; one
# changed file runs in its image only; a failing image stops no other one; targets that read from targets; what docker buildx
# has to build; every kind of bake file.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
images=$(seq -f 'image-%02g' 12)
python3 "$source_dir/benchmarks/workloads/w3.py" "$work/w3" --mark "$run_id" --server "$server"
cd "$work/w3"

# bake NAME ARGUMENT...: as build(), for `dbuild bake`
bake() {
    local name=$1
    shift
    expect_exit 0 "$name" "$DBUILD" bake --report "$work/$name.json" "$@"
}
paths() { for name in $1; do echo "/$run_id/$name"; done | sort; }

bake first
expect_equal "$(paths "common deps toolchain $images")" "$(fetched)" "what twelve images ran, each once"
expect_equal 15 "$(report first .totals.executor_calls)" "executor calls"
expect_equal 12 "$(report first '[.targets[] | select(.outcome == "built")] | length')" "images built"
for name in $images; do
    expect_equal "$run_id $name" "$(docker run --rm --network none "dbuild-test/$run_id-$name:1")" "what $name prints"
done
expect_contains "$work/first.err" "12 built: "

strace -f -e trace=execve -o "$work/trace" "$DBUILD" bake --report "$work/second.json" >"$work/second.out" 2>"$work/second.err"
expect_equal 1 "$(exec_count "$work/trace")" "programs started by a bake without news, itself included"
expect_equal "" "$(steps_done second)" "steps of a bake without news"
expect_equal "" "$(fetched)" "what it ran"

# All images are gone from the engine: they are loaded again one at a time, which Docker 26 takes a tenth of the time for.
for name in $images; do docker rmi -f "dbuild-test/$run_id-$name:1" >/dev/null; done
start_proxy
bake back
DOCKER_HOST=unix://$engine_socket
expect_equal "" "$(steps_done back)$(fetched)" "what ran for images that the engine had lost"
expect_equal 12 "$(grep -c '^POST /images/load' "$work/answers")" "images loaded"
expect_equal 1 "$(awk '/^POST .images.load/ && ++n > most { most = n } /^answered POST .images.load/ { --n } END { print most }' \
    "$work/answers")" "images loaded at once"
for name in $images; do docker image inspect "dbuild-test/$run_id-$name:1" >/dev/null || fail "$name is not there again"; done

echo changed >>services/image-07/main.txt
bake third
expect_equal "$(paths image-07)" "$(fetched)" "what one changed file ran"
expect_equal "image-07" "$(report third '.targets[] | select(.ran > 0) | .name')" "targets in which something ran"

# A failing image: the others are built, and the exit status says so. With --fail-fast nothing else is begun.
jq '.target["image-01"].args = {"X": "y"} | .target.broken = {"context": ".", "dockerfile-inline": "FROM dbuild-test/busybox:1\nRUN echo '"$run_id"' && exit 3"}
    | .target.late = {"context": ".", "contexts": {"it": "target:broken"}, "dockerfile-inline": "FROM it"}' docker-bake.json >"$work/broken.json"
expect_exit 1 broken "$DBUILD" bake --report "$work/broken-report.json" -f "$work/broken.json" broken late image-01
expect_contains "$work/broken.err" "broken: -:2: error: RUN failed: exit code: 3"
expect_contains "$work/broken.err" "[broken stage-0 1/1] RUN echo $run_id && exit 3"
expect_equal "broken failed
image-01 built
late not built" "$(report broken-report '.targets[] | "\(.name) \(.outcome)"' | sort)" "outcomes"

mkdir "$work/fast"
cat >"$work/fast/docker-bake.json" <<END
{"group": {"default": {"targets": ["bad", "slow"]}},
 "target": {"bad": {"dockerfile-inline": "FROM dbuild-test/busybox:1\nRUN echo $run_id && exit 4"},
            "slow": {"dockerfile-inline": "FROM dbuild-test/busybox:1\nRUN echo $run_id && sleep 60"}}}
END
cd "$work/fast"
SECONDS=0
expect_exit 1 fast "$DBUILD" bake --fail-fast
[ $SECONDS -lt 50 ] || fail "--fail-fast waited for the other image"
expect_contains "$work/fast.err" "1 failed, 1 not built"

# Targets that read from targets: one is a base, and what COPY takes; a change in it is one in what reads it.
mkdir -p "$work/reads/lib" "$work/reads/app"
cd "$work/reads"
printf 'FROM dbuild-test/busybox:1\nCOPY lib.txt /\nRUN echo %s >/lib.done\nENV WHO=lib\n' "$run_id" >lib/Dockerfile
echo one >lib/lib.txt
printf 'FROM base\nRUN echo "$WHO" >/who\nCOPY --from=base /lib.txt /copy\nCMD cat /who /copy /lib.done\n' >app/Dockerfile
cat >docker-bake.hcl <<'END'
variable "TAG" { default = "none" }
target "lib" { context = "lib" }
target "app" {
  context  = "app"
  contexts = { base = "target:lib" }
  tags     = [TAG]
}
group "default" { targets = ["app"] }
END
export TAG=dbuild-test/reads-$run_id:1
bake reads
expect_equal "lib
one
$run_id" "$(docker run --rm "$TAG")" "what the reading image prints"
docker buildx bake --load --provenance=false --set "app.tags=$TAG-theirs" >"$work/theirs.out" 2>&1
expect_same_image "$TAG-theirs" "$TAG"
echo two >lib/lib.txt
bake reads-again
expect_equal "lib
two
$run_id" "$(docker run --rm "$TAG")" "what it prints after a change in the target that it reads"
bake reads-third
expect_equal "" "$(steps_done reads-third)" "steps without news"
# The base's layers are lost, its records are not.
rm -rf "$DBUILD_CACHE_DIR/packs" "$DBUILD_CACHE_DIR/layers"
echo 'RUN echo more' >>app/Dockerfile
bake lost
expect_equal "two" "$(docker run --rm "$TAG" cat /copy)" "image whose base had lost its layers"

# --print is what docker prints; --set and compose files go through it.
"$DBUILD" bake --print >"$work/mine.json"
docker buildx bake --print >"$work/theirs.json" 2>"$work/print.err"
expect_equal "$(jq -S . "$work/theirs.json")" "$(jq -S . "$work/mine.json")" "bake --print"
bake set --set "app.args.UNUSED=1" --set "app.tags=$TAG-set" --metadata-file "$work/metadata.json"
expect_equal "$(image_id "$TAG-set")" "$(jq -r '.app["containerimage.digest"]' "$work/metadata.json")" "ID in the metadata file"
cat >"$work/compose.yaml" <<END
services:
  web:
    image: dbuild-test/compose-$run_id:1
    build: {context: $work/reads/lib}
  other: {image: redis}
END
bake compose -f "$work/compose.yaml"
docker image inspect "dbuild-test/compose-$run_id:1" >/dev/null || fail "no image of the compose file"

# What is not planned goes to docker buildx bake, with what it reads; the rest is built here.
cat >"$work/mixed.bake.json" <<END
{"target": {"lib": {"context": "lib"},
  "app": {"context": "app", "contexts": {"base": "target:lib"}, "tags": ["dbuild-test/mixed-app-$run_id:1"], "network": "none"},
  "own": {"context": "lib", "tags": ["dbuild-test/mixed-own-$run_id:1"]}}}
END
bake mixed -f "$work/mixed.bake.json" app own --metadata-file "$work/mixed.metadata"
expect_contains "$work/mixed.err" "app: handed to docker buildx bake: --network"
expect_equal "app handed over
lib built
own built" "$(report mixed '.targets[] | "\(.name) \(.outcome)"' | sort)" "outcomes"
docker image inspect "dbuild-test/mixed-app-$run_id:1" "dbuild-test/mixed-own-$run_id:1" >/dev/null || fail "an image is missing"
expect_equal "app lib own" "$(jq -r 'keys | join(" ")' "$work/mixed.metadata")" "targets in the metadata file"

# Wrong usage.
expect_exit 2 no-flag "$DBUILD" bake --lode
expect_contains "$work/no-flag.err" "unknown flag --lode (did you mean --load?)"
expect_exit 2 no-target "$DBUILD" bake -f "$work/mixed.bake.json" nothing
expect_contains "$work/no-target.err" "there is no target nothing"
expect_exit 2 no-file "$DBUILD" bake -f "$work/none.json"
cd "$work/tmp"
expect_exit 2 nowhere "$DBUILD" bake
expect_contains "$work/nowhere.err" "there is no bake file or compose file here"
expect_exit 2 url "$DBUILD" bake https://example.com/repository.git
"$DBUILD" bake --help >"$work/help.out"
expect_contains "$work/help.out" "--fail-fast"
