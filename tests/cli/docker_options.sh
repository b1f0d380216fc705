#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Docker's options do what they do in docker: each build here gives what `docker buildx build` is documented to give, whether
# dbuild plans it or hands it over. A registry of our own stands for the world.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

name=dbuild-test/docker-options-$run_id
mkdir "$work/context"
cd "$work/context"
shown() { docker run --rm --network none "$1"; }
handed() { expect_contains "$work/$1.err" "handing the whole build to docker buildx build: $2"; }
planned() { if grep -q "handing the whole" "$work/$1.err"; then fail "$1 was handed over: $(cat "$work/$1.err")"; fi; }
expect_digest() { grep -qxE 'sha256:[0-9a-f]{64}' "$1" || fail "no digest in $1: $(cat "$1")"; }

printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /word\nCMD ["cat", "/word"]\n' "$run_id" >Dockerfile

# A Dockerfile on standard input, planned and handed over; a context on standard input.
sed "s/$run_id/from-stdin-$run_id/" Dockerfile | build stdin_file -f - -t "$name:1" .
planned stdin_file
expect_equal "from-stdin-$run_id" "$(shown "$name:1")" "-f -"
sed "s/$run_id/again-$run_id/" Dockerfile | build stdin_handed -f - --annotation index:a=b -t "$name:1" .
handed stdin_handed --annotation
expect_equal "again-$run_id" "$(shown "$name:1")" "-f -, handed over"
tar -c Dockerfile | build stdin_context -t "$name:2" -
handed stdin_context "the context is standard input"
expect_equal "$run_id" "$(shown "$name:2")" "a context on standard input"

# What the result is written to. --load, and outputs that mean the engine, are planned.
build load --load -o type=docker --platform local --provenance=false --sbom=false --iidfile "$work/iid" --metadata-file "$work/metadata" \
    -t "$name:3" -t "$name:4" .
planned load
expect_equal "$run_id" "$(shown "$name:3")" "--load"
expect_digest "$work/iid"
expect_equal "$(image_id "$name:3")" "$(cat "$work/iid")" "--iidfile"
expect_equal "$(image_id "$name:3") docker.io/$name:3,docker.io/$name:4" \
    "$(jq -r '"\(."containerimage.digest") \(."image.name")"' "$work/metadata")" "--metadata-file"
jq -r '."containerimage.config.digest"' "$work/metadata" >"$work/config_digest"
expect_digest "$work/config_digest"
docker buildx build --provenance=false -q --metadata-file "$work/metadata.docker" -t "$name:5" . >/dev/null
expect_equal "$(jq -S 'del(."buildx.build.ref") | map_values(type)' "$work/metadata.docker")" \
    "$(jq -S 'map_values(type)' "$work/metadata")" "keys of docker buildx and of dbuild in --metadata-file"
# BuildKit had the step already, with a compressed layer; the image must be whole all the same: listed, and saved with a
# manifest, a configuration and two layers.
expect_equal 1 "$(docker images -q "$name:3" | wc -l)" "images listed as $name:3"
expect_equal 4 "$(docker save "$name:3" | tar -t | grep -c 'blobs/sha256/.')" "blobs of $name:3 when it is saved"
echo old >"$work/iid"
expect_exit 1 iid_failed "$DBUILD" --iidfile "$work/iid" --target nowhere .
if [ -e "$work/iid" ]; then fail "an ID file outlived a failed build"; fi

build output_local -o "$work/out" .
planned output_local
expect_equal "$run_id" "$(cat "$work/out/word")" "--output FOLDER"
build output_tar --output "type=tar,dest=$work/out.tar" .
expect_equal "$run_id" "$(tar -xOf "$work/out.tar" word)" "--output type=tar"

# --secret, --ssh, --network, --add-host, --build-context, --no-cache-filter
cat >run.Dockerfile <<DOCKERFILE
FROM dbuild-test/busybox:1 AS first
RUN --mount=type=secret,id=token cat /run/secrets/token > /token; date +%s%N > /when; echo $run_id
FROM first
RUN cat /etc/hosts > /hosts; echo $run_id
DOCKERFILE
echo "secret of $run_id" >"$work/token"
build secret -f run.Dockerfile --secret "id=token,src=$work/token" -t "$name:secret" .
planned secret
expect_equal "secret of $run_id" "$(docker run --rm --network none "$name:secret" cat /token)" "--secret"
if grep -rqF "secret of $run_id" "$work"/secret.{json,err,out} "$work/cache"/*.sqlite*; then fail "the secret is shown or kept in the index"; fi
before=$(docker run --rm --network none "$name:secret" cat /when)
build filter -f run.Dockerfile --secret "id=token,src=$work/token" --no-cache-filter first -t "$name:filter" .
if [ "$(docker run --rm --network none "$name:filter" cat /when)" = "$before" ]; then fail "--no-cache-filter: the stage did not run again"; fi
build host -f run.Dockerfile --network=host --add-host build.example:10.9.8.7 --secret "id=token,src=$work/token" -t "$name:host" .
handed host --network
docker run --rm --network none "$name:host" cat /hosts >"$work/hosts"
expect_contains "$work/hosts" 10.9.8.7
printf 'FROM dbuild-test/busybox:1\nCOPY --from=other word /\nCMD ["cat", "/word"]\n' >context.Dockerfile
build context -f context.Dockerfile --build-context "other=$work/out" -t "$name:context" .
handed context --build-context
expect_equal "$run_id" "$(shown "$name:context")" "--build-context"
eval "$(ssh-agent -s)" >/dev/null
background+=("$SSH_AGENT_PID")
printf 'FROM dbuild-test/busybox:1\nRUN --mount=type=ssh,required test -S "$SSH_AUTH_SOCK"; echo %s\n' "$run_id" >ssh.Dockerfile
build ssh -f ssh.Dockerfile --ssh default -t "$name:ssh" .

# --cache-to and --cache-from other than type=local (remote_dir.sh). What the engine's own builder makes of them depends on
# its image store: whatever docker buildx says, dbuild says too.
for option in --cache-from=type=registry,ref=127.0.0.1:1/none --cache-to=type=inline; do
    theirs=0 ours=0
    docker buildx build "$option" . >/dev/null 2>&1 || theirs=$?
    "$DBUILD" "$option" . >/dev/null 2>"$work/cache.err" || ours=$?
    expect_equal "$theirs" "$ours" "exit status of $option"
    handed cache "${option%%=*}"
done

# A registry: --push, and --pull of what changed there.
registry=127.0.0.1:$(free_port)
base=$registry/$run_id/base:1
cat >"$work/registry.yml" <<CONFIG
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "$registry"}
CONFIG
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
background+=($!)
wait_for 10 registry curl -sf -o /dev/null "http://$registry/v2/"
build push --push -t "$base" .
planned push
docker rmi -f "$base" >/dev/null 2>&1 || true
printf 'FROM %s\nRUN cp /word /copy\nCMD ["cat", "/copy"]\n' "$base" >pulled.Dockerfile
build pulled -f pulled.Dockerfile -t "$name:pulled" .
planned pulled
expect_equal "$run_id" "$(shown "$name:pulled")" "a base that only the registry has"
sed "s/$run_id/second-$run_id/" Dockerfile >second.Dockerfile
build push_second -f second.Dockerfile --push -t "$base" .
docker tag "$name:3" "$base" # the engine's own image of that name is the first again
build not_again -f pulled.Dockerfile -t "$name:pulled" .
expect_equal "$run_id" "$(shown "$name:pulled")" "without --pull it is the engine's image"
build pull_again --pull -f pulled.Dockerfile -t "$name:pulled" .
planned pull_again
expect_equal "second-$run_id" "$(shown "$name:pulled")" "--pull"
expect_exit 0 pull_plan "$DBUILD" plan --pull -f pulled.Dockerfile .
docker rmi -f "$base" >/dev/null 2>&1 || true

# --pull of what no registry has fails as in docker, and through docker, which may have credentials.
expect_exit 1 no_pull "$DBUILD" --pull -t "$name:6" .
handed no_pull "engine: cannot pull dbuild-test/busybox:1"
