#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The engine may answer a step from its cache with a result that stands on other layers: BuildKit 0.13 looks at what is in the root
# file system of a RUN --mount=type=secret, not at how it came about, and `docker buildx build` then makes an image without one of its
# Dockerfile's layers. dbuild notices, and has the steps run.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

tag=dbuild-test/other-layers-$run_id:1
mkdir "$work/context"
echo line >"$work/context/file"
echo word >"$work/token"
dockerfile() { # TIMES: how often the bind mount is read
    echo 'FROM dbuild-test/busybox:1'
    echo "RUN echo $run_id > /first"
    for _ in $(seq "$1"); do echo 'RUN --mount=type=bind,source=file,target=/m cat /m > /lines'; done
    echo 'RUN echo between > /between'
    echo 'RUN --mount=type=secret,id=token wc -l < /lines > /count'
}
for times in 1 2 3; do
    dockerfile $times >"$work/context/Dockerfile"
    build "times_$times" --secret "id=token,src=$work/token" -t "$tag" "$work/context"
    expect_equal $((times + 4)) "$(image_layer_count "$tag")" "layers with $times of them"
    expect_equal 1 "$(docker run --rm --network none "$tag" cat /count)" "lines that the last step counted"
done
build again --secret "id=token,src=$work/token" -t "$tag" "$work/context"
expect_equal "" "$(steps_done again)" "steps that run when nothing changed"

# The same where the layer below, made in the same call, differs in nothing but a time that counts.
dated() { # YEAR
    printf 'FROM dbuild-test/busybox:1\nRUN touch -d %s-02-03 /dated\n' "$1"
    printf 'RUN --mount=type=secret,id=token echo %s >/last\nCMD stat -c %%y /dated\n' "$run_id"
}
for year in 2002 2004; do
    dated $year >"$work/context/Dockerfile"
    build "dated_$year" --secret "id=token,src=$work/token" -t "$tag" "$work/context"
    expect_equal $year "$(docker run --rm --network none "$tag" | cut -c1-4)" "the time that a command set below a secret"
done
