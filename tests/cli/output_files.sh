#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dbuild build --output type=local and type=tar: the files that docker buildx build writes, by dbuild alone, merged with what the
# folder holds, and never through a link in it.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
cd "$work/context"
cat >Dockerfile <<END
FROM dbuild-test/busybox:1 AS made
RUN echo $run_id && mkdir -p /tree/dir/sub /tree/dir-with-dash /tree/closed && cd /tree && \\
    echo one > dir/file && ln dir/file dir/sub/linked && ln dir/file a-name && chmod 4755 dir/file && \\
    : > empty && ln empty dir/empty-too && ln -s ../file dir/sub/link && ln -s /nowhere broken && mkfifo fifo && \\
    mknod device c 1 3 && chmod 600 device && head -c 300000 /dev/zero > dir/large && echo gone > gone && \\
    mkdir -p $(printf 'n%.0s' $(seq 120))/$(printf 'm%.0s' $(seq 120)) && chmod 1777 dir && chmod 555 closed && \\
    chown -h 12:34 dir/large broken && find . -exec touch -h -d @1500000000 {} +
RUN rm /tree/gone && echo two > /tree/dir/file && touch -d @1500000001 /tree/dir/file /tree/dir /tree
COPY --link file /tree/copied
FROM scratch AS tree
COPY --from=made /tree /
FROM made AS whole
END
echo copied >file
touch -d @1400000000 file

docker_build() { docker buildx build -q --provenance=false "$@" . >"$work/docker.out" 2>"$work/docker.err"; }
native() { if grep -q 'docker buildx' "$work/$1.err"; then fail "$1 went to docker buildx: $(cat "$work/$1.err")"; fi; }
folder_list() { (cd "$1" && find . -mindepth 1 -printf '%P %y %m %U:%G %s %T@ %l %n\n' | sort); }
long_list() { tar --full-time --numeric-owner -tvf "$1"; }

# A tree without the base, by both.
docker_build --target tree -o "type=local,dest=$work/docker-folder"
docker_build --target tree -o "type=tar,dest=$work/docker.tar"
build folder --target tree -o "$work/folder" .
native folder
expect_equal "$(folder_list "$work/docker-folder")" "$(folder_list "$work/folder")" "files of the folder"
diff -r --no-dereference -x fifo -x device "$work/docker-folder" "$work/folder" || fail "bytes of the folder"
build tar --target tree -o "type=tar,dest=$work/own.tar" .
native tar
expect_equal 0 "$(report tar .totals.executor_calls)" "executor calls for the tar"
expect_equal "$(long_list "$work/docker.tar")" "$(long_list "$work/own.tar")" "files of the tar"
cmp "$work/docker.tar" "$work/own.tar" || fail "the tar has other bytes than docker's"
build stdout --target tree -o - .
cmp "$work/own.tar" "$work/stdout.out" || fail "the tar on standard output has other bytes"

# What is no file gets the bytes as they come; a link to a file stays one.
mkfifo "$work/pipe"
cat "$work/pipe" >"$work/from_pipe.tar" &
build pipe --target tree -o "type=tar,dest=$work/pipe" .
wait $!
cmp "$work/own.tar" "$work/from_pipe.tar" || fail "the tar through a pipe has other bytes"
[ -p "$work/pipe" ] || fail "the pipe is gone"
echo old >"$work/linked.tar"
ln -s linked.tar "$work/link.tar"
build link --target tree -o "type=oci,dest=$work/link.tar" .
[ -L "$work/link.tar" ] || fail "the link is gone"
skopeo inspect "oci-archive:$work/linked.tar" >/dev/null

# With the base below, and SOURCE_DATE_EPOCH, which is every file's time.
docker_build --target whole -o "type=tar,dest=$work/docker-whole.tar" --build-arg SOURCE_DATE_EPOCH=1234567890
build whole --target whole -o "type=tar,dest=$work/whole.tar" -o "type=local,dest=$work/whole" -t "dbuild-test/files-$run_id:1" --load \
    --build-arg SOURCE_DATE_EPOCH=1234567890 .
native whole
expect_equal "$(long_list "$work/docker-whole.tar")" "$(long_list "$work/whole.tar")" "files of the whole tar"
expect_equal 1234567890 "$(stat -c %Y "$work/whole/tree/dir")" "time with SOURCE_DATE_EPOCH"
docker run --rm --network none "dbuild-test/files-$run_id:1" cat /tree/copied >/dev/null

# What the folder holds stays; what the image has replaces it, and a link in it leads nowhere.
mkdir -p "$work/merged/dir/own" "$work/merged/empty/full" "$work/outside"
echo kept >"$work/merged/dir/own/file"
ln -s "$work/outside" "$work/merged/dir-with-dash"
ln -s "$work/outside/file" "$work/merged/copied"
build merged --target tree -o "type=local,dest=$work/merged" .
expect_equal kept "$(cat "$work/merged/dir/own/file")" "a file of the folder's own"
expect_equal copied "$(cat "$work/merged/copied")" "a file instead of a link"
expect_equal "" "$(ls "$work/outside")" "files outside"
rm -r "$work/merged/dir/own"
touch -d @1500000001 "$work/merged/dir"
expect_equal "$(folder_list "$work/folder")" "$(folder_list "$work/merged")" "the folder, merged"

# What is wrong.
: >"$work/a-file"
expect_exit 1 no_folder "$DBUILD" --target tree -o "type=local,dest=$work/a-file/x" .
expect_contains "$work/no_folder.err" "$work/a-file"
expect_exit 1 no_tar "$DBUILD" --target tree -o "type=tar,dest=$work/none/x.tar" .
expect_contains "$work/no_tar.err" "$work/none"
expect_exit 2 no_dest "$DBUILD" --target tree -o type=local .
expect_contains "$work/no_dest.err" "dest="
expect_exit 2 no_value "$DBUILD" --target tree -o "type=local,dest" .
expect_contains "$work/no_value.err" "NAME=VALUE"
