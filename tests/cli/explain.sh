#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `dbuild explain` names what changed, for every kind of edit: explain.expected has the whole output. It runs nothing.
# DBUILD_ACCEPT_GOLDEN=1 rewrites the expectation, and fails.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

base=$work/base
mkdir -p "$base/src/deep" "$base/tools"
cat >"$base/Dockerfile" <<'END'
ARG BASE=dbuild-test/busybox:1
FROM $BASE AS build
ARG VERSION=1
ENV MODE=fast
WORKDIR /src
COPY src ./src
RUN --mount=type=bind,source=tools,target=/tools sh /tools/make.sh
FROM dbuild-test/busybox:1
COPY --from=build /src/out /out
COPY --chmod=0644 conf extra* /etc/
RUN cat /etc/conf
RUN --mount=type=cache,target=/c echo last
COPY <<note /note
words
note
END
echo 'cp -R src out' >"$base/tools/make.sh"
for file in src/a src/b src/deep/c conf ignored; do echo "$file $run_id" >"$base/$file"; done
ln -s a "$base/src/link"
echo ignored >"$base/.dockerignore"
tag=dbuild-test/explain-$run_id:1

"$DBUILD" explain -t "$tag" "$base" >"$work/never.out"
build first -t "$tag" "$base"

actual=$work/actual
{
    echo "== before the first build"
    cat "$work/never.out"
} >"$actual"

# edit WHAT COMMAND [FLAG...]: the command runs in a copy of the context that was built
edit() {
    local what=$1 command=$2
    shift 2
    rm -rf "$work/context"
    cp -R "$base" "$work/context"
    (cd "$work/context" && eval "$command")
    echo "== $what" >>"$actual"
    "$DBUILD" explain "$@" -t "$tag" "$work/context" >>"$actual" 2>"$work/explain.err" || fail "$what: explain failed"
}
in_dockerfile() { sed -i "$1" Dockerfile; }

edit 'nothing' ':'
edit 'times' 'find . -exec touch {} +'
edit 'an ignored file' 'echo x > ignored'
edit 'a comment and white space' 'in_dockerfile "3i # why" && in_dockerfile "s/^COPY src/COPY   src/"'
edit 'bytes of a file' 'echo x > src/a'
edit 'bytes of a file in a folder' 'echo x > src/deep/c'
edit 'mode of a file' 'chmod 755 src/b'
edit 'a file added' 'echo x > src/new'
edit 'a folder added' 'mkdir src/empty'
edit 'a file removed' 'rm src/b'
edit 'a file renamed' 'mv src/b src/z'
edit 'a link that leads elsewhere' 'ln -sfn b src/link'
edit 'a file replaced by a link' 'ln -sfn a src/b'
edit 'many files' 'for i in 1 2 3; do echo x > src/n$i; done'
edit 'a file that a RUN mounts' 'echo "cp -R src out; :" > tools/make.sh'
edit 'a file that is copied by name' 'echo x > conf'
edit 'one more match of a wildcard' 'echo x > extra1'
edit '.dockerignore' 'echo src/b >> .dockerignore'
edit 'an ENV' 'in_dockerfile "s/MODE=fast/MODE=slow/"'
edit 'an ENV added' 'in_dockerfile "s/^ENV.*/&\nENV MORE=1/"'
edit 'an ENV removed' 'in_dockerfile /^ENV/d'
edit 'a build argument' ':' --build-arg VERSION=2
edit 'the default of an ARG' 'in_dockerfile s/VERSION=1/VERSION=3/'
edit 'the directory' 'in_dockerfile "s|WORKDIR /src|WORKDIR /src/|"'
edit 'another directory' 'in_dockerfile "s|^RUN cat|WORKDIR /etc\n&|"'
edit 'the user' 'in_dockerfile "s|^RUN cat|USER 1\n&|"'
edit 'the shell' 'in_dockerfile "s|^RUN cat|SHELL [\"/bin/busybox\", \"sh\", \"-c\"]\n&|"'
edit 'a command' 'in_dockerfile "s|^RUN cat.*|RUN cat /etc/conf /etc/conf|"'
edit 'a step added' 'in_dockerfile "s|^RUN cat|RUN echo more\n&|"'
edit 'a step removed' 'in_dockerfile "/^RUN cat/d"'
edit 'steps in another order' 'in_dockerfile "/^RUN cat/d" && in_dockerfile "s|^COPY <<note|RUN cat /etc/conf\n&|"'
edit 'a destination' 'in_dockerfile "s|extra\* /etc/|extra* /etc/x/|"'
edit 'a mode' 'in_dockerfile s/--chmod=0644/--chmod=0600/'
edit 'an owner' 'in_dockerfile "s/--chmod=0644/& --chown=1:2/"'
edit 'a mount' 'in_dockerfile s/target=.c/target=\\/d/'
edit 'words of a heredoc' 'in_dockerfile s/^words/letters/'
edit 'a stage renamed' 'in_dockerfile "s/AS build/AS make/; s/from=build/from=make/"'
edit '--no-cache' ':' --no-cache

# Steps that only wait for others are left out.
awk '/^ / { if ($0 !~ / has to be (run|built) first$/) { if (step) print step; print; } step = ""; next }
     /^\[/ { step = $0; next }
     { print }' "$actual" >"$work/without_waiting"
actual=$work/without_waiting
expected=$(dirname "$0")/explain.expected
if [ -n "${DBUILD_ACCEPT_GOLDEN:-}" ]; then cp "$actual" "$expected" && fail "accepted: look at the difference"; fi
expect_equal "$(cat "$expected")" "$(cat "$actual")" "explanations"

# JSON, and the same in one line during a build.
rm -rf "$work/context"
cp -R "$base" "$work/context"
echo x >"$work/context/conf"
expect_equal '[{"kind":"file content","name":"conf","before":"","after":""}]' \
    "$("$DBUILD" explain --format json -t "$tag" "$work/context" | jq -c '.[0].causes')" "causes as JSON"
build second -t "$tag" "$work/context"
expect_equal "file content: conf" "$(report second '.steps[] | select(.text | startswith("COPY --chmod")) | .reason')" "reason in the report"
expect_equal "nothing would run" "$("$DBUILD" explain -t "$tag" "$work/context")" "after the build"

# Another base image under the same name.
docker build -q -t "dbuild-test/base-$run_id:1" - <<<"FROM dbuild-test/busybox:1
RUN echo 1" >/dev/null
build on_base --build-arg "BASE=dbuild-test/base-$run_id:1" -t "$tag" "$work/context"
docker build -q -t "dbuild-test/base-$run_id:1" - <<<"FROM dbuild-test/busybox:1
RUN echo 2" >/dev/null
"$DBUILD" explain --build-arg "BASE=dbuild-test/base-$run_id:1" -t "$tag" "$work/context" >"$work/moved.out"
grep -qE "^    base image: .*base-$run_id:1 sha256:[0-9a-f]{64} -> sha256:[0-9a-f]{64}$" "$work/moved.out" || fail "the base image is not named: $(cat "$work/moved.out")"

# What is kept to name one of 10,000 files: 1 MB at most, once for all steps and scopes that read them.
many=$work/many
python3 - "$many" <<'END'
import pathlib, sys
for i in range(10_000):
    folder = pathlib.Path(sys.argv[1], "packages", f"module-{i // 200:02}", "source")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"component-{i % 200:03}.js").write_text(f"{i}")
END
printf 'FROM scratch\nCOPY packages /one\nCOPY packages /other\n' >"$many/Dockerfile"
kept_bytes() { find "$DBUILD_CACHE_DIR/explain" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'; }
before=$(kept_bytes)
build many --output type=cacheonly --scope "many-$run_id" "$many"
build many_again --output type=cacheonly --scope "again-$run_id" "$many"
more=$(($(kept_bytes) - before))
if [ "$more" -lt 200000 ] || [ "$more" -gt 1000000 ]; then fail "$more bytes are kept of 10,000 files"; fi
echo x >"$many/packages/module-17/source/component-123.js"
for scope in many again; do
    expect_equal "[stage-0 1/2] COPY packages /one
    file content: packages/module-17/source/component-123.js" \
        "$("$DBUILD" explain --scope "$scope-$run_id" "$many" | head -2)" "one of 10,000 files, scope $scope"
done

# A damaged history explains less, and harms nothing.
for file in "$DBUILD_CACHE_DIR"/explain/*; do echo torn >"$file"; done
echo y >"$work/context/conf"
build damaged -t "$tag" "$work/context"
