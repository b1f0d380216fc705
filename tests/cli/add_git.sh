#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ADD of git repositories, from a daemon and from a plain web server on loopback: the trees that `docker buildx build` makes; a
# commit is the key, so a branch that moves is made again and one that is only renamed is not; the rules for names; errors.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

export GIT_CONFIG_GLOBAL=$work/gitconfig
git config --file "$GIT_CONFIG_GLOBAL" user.name test
git config --file "$GIT_CONFIG_GLOBAL" user.email test@example.org
git config --file "$GIT_CONFIG_GLOBAL" init.defaultBranch main
git config --file "$GIT_CONFIG_GLOBAL" protocol.file.allow always
umask 002 # which shows in no image
repository=$work/git/app.git
git init -q "$work/app"
cd "$work/app"
commit() { git add -A && git commit -qm "$1" && git push -q --all "$repository" && git push -q --tags "$repository" && git -C "$repository" update-server-info; }
git init -q --bare "$repository"
mkdir -p sub/deep empty && echo one >one && echo '#!/bin/sh' >run && chmod 755 run && ln -s sub/deep/x link && echo x >sub/deep/x && echo "a b" >"sub/a b"
commit first
git tag light && git tag -a annotated -m annotated && git branch both && git branch feature/x
echo second >one && commit second # of another size: BuildKit's git takes files of one size and second for equal
git tag both && git checkout -q feature/x && echo feature >one && commit third && git checkout -q main
first=$(git rev-parse light) # is no tip of a branch
cd "$work"
port=$(free_port)
"$(git --exec-path)/git-daemon" --reuseaddr --export-all --listen=127.0.0.1 --port="$port" --base-path="$work/git" "$work/git" >"$work/daemon.log" 2>&1 &
background+=($!)
url=git://127.0.0.1:$port/app.git
wait_for 10 "the git daemon" git ls-remote -q "$url" HEAD >/dev/null
mkdir "$work/context"
tag=dbuild-test/git-$run_id
dockerfile=$work/context/Dockerfile

write_dockerfile() {
    cat >"$dockerfile" <<END
FROM dbuild-test/busybox:1
ADD $url /head
ADD $url#main /branch
ADD $url#light /light
ADD $url#annotated /annotated
ADD $url#both /both
ADD $url#feature/x /slash
ADD $url#refs/tags/both /full
ADD $url#:sub /sub
ADD $url#light:sub/deep/ /deep/
ADD $url#$first /commit
ADD --chown=app:5 --chmod=700 $url#light /owned
WORKDIR /here
ADD $url .
END
}
# BuildKit 0.13 may check out a file of another commit (seen once in some forty runs): no measure then. Another spelling of the URL is
# another repository to it.
for url in "git://127.0.0.1:$port/app.git" "git://localhost:$port/app.git" "git://127.0.0.1:$port/app"; do
    write_dockerfile
    docker buildx build --provenance=false -t "$tag:theirs" "$work/context" >"$work/buildx.out" 2>&1 || fail "docker buildx build failed"
    if [ "$(docker run --rm --network none "$tag:theirs" cat /light/one)" = one ]; then break; fi
done
build git -t "$tag:mine" "$work/context"
expect_same_image "$tag:theirs" "$tag:mine"
expect_equal "made in-process" "$(report git '.steps[] | "\(.status) \(.executor)"' | sort -u)" "who made the steps"
expect_equal 0 "$(report git .totals.executor_calls)" "executor calls"

# Nothing is made twice; the remote is asked once for each reference, and not at all for a commit.
expect_exit 0 again strace -f -e trace=execve -o "$work/strace.log" "$DBUILD" --report "$work/again.json" -t "$tag:mine" "$work/context"
expect_equal "" "$(steps_done again)" "steps done again"
expect_equal 7 "$(grep -c 'execve("[^"]*/git",.*ls-remote.* = 0' "$work/strace.log")" "questions to the remote"
expect_equal 7 "$(report again .totals.processes_started)" "processes_started"

# A branch that moves is made again, a name that means the same commit is not.
(cd "$work/app" && echo three >one && commit fourth)
printf 'FROM dbuild-test/busybox:1\nADD %s#main /branch\nRUN cat /branch/one > /seen\n' "$url" >"$dockerfile"
build moved -t "$tag:moved" "$work/context"
expect_equal three "$(docker run --rm --network none "$tag:moved" cat /seen)" "what a later RUN sees"
(cd "$work/app" && git tag renamed && git push -q --tags "$repository")
printf 'FROM dbuild-test/busybox:1\nADD %s?tag=renamed /branch\nRUN cat /branch/one > /seen\n' "$url" >"$dockerfile"
build renamed -t "$tag:moved" "$work/context"
expect_equal "" "$(steps_done renamed)" "steps done for another name of the same commit"

# Forms that an engine of the distribution does not know yet.
cat >"$dockerfile" <<END
FROM dbuild-test/busybox:1
ADD $url?branch=feature/x&subdir=sub /a
ADD --checksum=$first $url#light /b
ADD $url?ref=light&checksum=${first:0:12} /c
ADD --exclude=sub $url#light /d
END
build newer -t "$tag:newer" "$work/context"
expect_equal "a b,deep,link,one,run,sub" "$(docker run --rm --network none "$tag:newer" sh -c 'ls /a /b' | grep -v : | sort -u | grep . | paste -sd,)" "files"
expect_equal "link,one,run" "$(docker run --rm --network none "$tag:newer" ls /d | paste -sd,)" "what --exclude leaves"

# --keep-git-dir: a repository that git works with.
printf 'FROM scratch\nADD --keep-git-dir %s#light /\n' "$url" >"$dockerfile"
build kept -t "$tag:kept" "$work/context"
mkdir "$work/kept" && container=$(docker create "$tag:kept" /none) && docker export "$container" | tar -x -C "$work/kept"
docker rm "$container" >/dev/null
expect_equal "$first" "$(git -c safe.directory='*' -C "$work/kept" rev-parse HEAD)" "the commit that was kept"
expect_equal "$url" "$(git -c safe.directory='*' -C "$work/kept" config remote.origin.url)" "the remote"

# Submodules; over a plain web server, which gives no single commit.
(cd "$work/app" && git checkout -q -b with-module && git submodule -q add "$repository" module && git config -f .gitmodules submodule.module.url "$url" && commit module)
python3 "$helpers/file_server.py" "$work/git" "$work/port" "$work/asked" &
server_pid=$!
wait_for 10 "the server's port" test -s "$work/port"
web=http://127.0.0.1:$(cat "$work/port")/app.git
# The .git file of a submodule names a folder of the builder's.
printf 'FROM dbuild-test/busybox:1\nADD %s#with-module /m\nADD %s#%s /w\nRUN rm /m/module/.git\n' "$url" "$web" "$first" >"$dockerfile"
build modules -t "$tag:mine" "$work/context"
docker buildx build --provenance=false -t "$tag:theirs" "$work/context" >"$work/buildx.out" 2>&1 || fail "docker buildx build failed"
expect_same_image "$tag:theirs" "$tag:mine"
expect_equal "made in-process,made in-process,ran buildx" "$(report modules '.steps[] | "\(.status) \(.executor)"' | paste -sd,)" "who made the steps"

# Errors, in the words and at the place of the instruction.
refused() { # NAME WORDS ADD...
    printf 'FROM scratch\nADD %s\n' "$3" >"$dockerfile"
    expect_exit 1 "$1" "$DBUILD" "$work/context"
    expect_contains "$work/$1.err" "$2"
    expect_contains "$work/$1.err" "Dockerfile:2"
}
refused no_ref "does not contain ref nothing" "$url#nothing /"
refused no_folder '"/nothing": not found' "$url#main:nothing /"
refused file_as_folder "subdir is not a folder" "$url#main:one /"
refused checksum "expected checksum to match" "--checksum=${first:1:9} $url#light /"
refused contradiction "at once" "$url?branch=main#light /"
