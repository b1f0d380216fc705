#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images of COPY, ADD and WORKDIR made in process run on an engine: a container finds the files, and their folders' owners and modes,
# as under `docker buildx build`. A changed file costs no process. What the layers are in detail is tests/differential/images.py's
# business.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

context=$work/context
mkdir "$context"
(cd "$context" && "$source_dir/tests/differential/images_context.sh")

# Folders above what is copied, existing and new, of several layers: the classic store resets those that a layer leaves out.
cat >"$work/Dockerfile" <<'END'
FROM dbuild-test/busybox:1 AS lower
COPY --chown=7:8 folder /kept/in/side/
COPY --chmod=711 tree /kept/tree
FROM dbuild-test/busybox:1
COPY one /root/
COPY --chown=12:13 folder /tmp/a/b/
COPY tree /tmp/a/c
COPY --from=lower /kept /kept
COPY two /kept/in/side/in/
ADD archive.tgz /kept/in/
COPY --link one /kept/in/side/linked
USER app
WORKDIR /kept/in/home/deep
COPY run.sh ../
END
build whole -f "$work/Dockerfile" -t "dbuild-test/mine-$run_id:1" "$context"
docker buildx build --provenance=false -f "$work/Dockerfile" -t "dbuild-test/theirs-$run_id:1" "$context" >"$work/buildx.out" 2>&1 ||
    fail "docker buildx build failed"
expect_same_image "dbuild-test/theirs-$run_id:1" "dbuild-test/mine-$run_id:1"
expect_equal 0 "$(report whole .totals.executor_calls)" "executor calls"
for who in theirs mine; do
    docker run --rm --network none --user 0 "dbuild-test/$who-$run_id:1" \
        find /root /tmp /kept -exec stat -c '%n %F %a %u:%g %s %h' {} + | sort >"$work/stat.$who"
done
expect_equal "$(cat "$work/stat.theirs")" "$(cat "$work/stat.mine")" "stat in a container"
expect_contains "$work/stat.mine" "/root directory 700 0:0"
expect_contains "$work/stat.mine" "/kept/in/home directory 755 1000:1000"

# A changed file of a last COPY, after a RUN: no process but dbuild itself, and the program's own counter says the same.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /run\nCOPY one tree /last/\n' "$run_id" >"$work/Dockerfile"
tag=dbuild-test/last-$run_id:1
build last.first -f "$work/Dockerfile" -t "$tag" "$context"
echo changed >"$context/one"
expect_exit 0 last strace -f -e trace=execve,execveat -o "$work/strace.log" \
    "$DBUILD" --report "$work/last.json" -f "$work/Dockerfile" -t "$tag" "$context"
expect_equal 1 "$(exec_count "$work/strace.log")" "programs started, dbuild included"
expect_equal 0 "$(report last .totals.processes_started)" "processes_started"
expect_equal "COPY one tree /last/" "$(steps_done last)" "steps that did work"
expect_equal changed "$(docker run --rm --network none "$tag" cat /last/one)" "the changed file"

# Between two RUNs, what an engine of the distribution does not know is made in process all the same.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s > /run\nCOPY --exclude=a --chmod=u=rwX,go= tree /t\nRUN ls /t > /listed\n' "$run_id" >"$work/Dockerfile"
build filtered -f "$work/Dockerfile" -t "$tag" "$context"
expect_equal "hit null, made in-process, ran buildx" "$(report filtered '[.steps[] | "\(.status) \(.executor)"] | join(", ")')" "who made the steps"
expect_equal "drwx------" "$(docker run --rm --network none "$tag" stat -c %A /t/sub)" "a mode that --chmod gave"
expect_equal "" "$(docker run --rm --network none "$tag" grep -x a /listed || true)" "what --exclude left out"
