#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two contexts of the same base name, with files of the same size and time and different bytes: BuildKit mixes them up, dbuild
# gives each image its own. The same for a file that is edited within its size and time.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

for name in a b; do
    mkdir -p "$work/$name/context"
    cat >"$work/$name/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
COPY file /file
RUN --mount=type=bind,target=/context cat /context/file > /copied-$run_id
END
    echo "the bytes of $name" >"$work/$name/context/file"
    touch -d '2020-01-01 00:00:00' "$work/$name/context/file"
done
for name in a b; do
    build $name -t "dbuild-test/alike-$name-$run_id:1" "$work/$name/context"
done
for name in a b; do
    expect_equal "the bytes of $name
the bytes of $name" "$(docker run --rm --network none "dbuild-test/alike-$name-$run_id:1" cat /file "/copied-$run_id")" "content of $name"
done

echo "the bytes of c" >"$work/a/context/file"
touch -d '2020-01-01 00:00:00' "$work/a/context/file"
build edited -t "dbuild-test/alike-a-$run_id:1" "$work/a/context"
expect_equal "the bytes of c
the bytes of c" "$(docker run --rm --network none "dbuild-test/alike-a-$run_id:1" cat /file "/copied-$run_id")" "content of the edited one"
