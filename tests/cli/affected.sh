#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dbuild affected: which images differ from a commit. No engine can be reached, and git is the only program that it starts. Every
# answer is checked by what it says of workload W3 and of a bake file with targets that read from targets.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

git_as() { git -C "$work/w3" -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false "$@"; }
python3 "$source_dir/benchmarks/workloads/w3.py" "$work/w3" --mark "$run_id"
cd "$work/w3"
mkdir -p extra/app links
cat >extra/Dockerfile <<'END'
FROM base
COPY app /app
COPY --exclude=*.md links/li*k /linked
RUN --mount=type=bind,source=mounted.txt,target=/m cat /m
END
echo 1 >extra/app/file && echo 1 >extra/mounted.txt && echo 1 >extra/real.txt && mkdir extra/links && ln -s ../real.txt extra/links/link
printf 'ignored\n*.log\n' >extra/.dockerignore
jq '.target.base = {"context": "extra", "dockerfile-inline": "FROM dbuild-test/busybox:1\nCOPY real.txt /\n"}
    | .target.reader = {"context": "extra", "contexts": {"base": "target:base"}, "tags": ["reader:1"]}
    | .target.foreign = {"context": "extra/app", "dockerfile-inline": "FROM scratch\nCOPY . /", "network": "host"}
    | .group.default.targets += ["reader", "foreign"]' docker-bake.json >bake.tmp && mv bake.tmp docker-bake.json
echo '*.ignored' >.gitignore
git -c init.defaultBranch=main init -q .
git_as add -A && git_as commit -qm first

# expect_affected NAMES WHAT: since HEAD; then the work tree is HEAD again
expect_affected() {
    "$DBUILD" affected --since HEAD --format json >"$work/affected.json"
    if [ "$1" != "$(jq -r '[.images[].target] | join(" ")' "$work/affected.json")" ]; then
        cat "$work/affected.json" >&2
        fail_depth=1 fail "$2: expected: $1"
    fi
    git_as checkout -q . && git_as clean -fdq
}
all=$(seq -f 'image-%02g' -s ' ' 12)

expect_affected "" "nothing changed"
"$DBUILD" affected --since HEAD >"$work/none.out"
expect_equal "no image differs" "$(cat "$work/none.out")" "text without a difference"

echo more >>services/image-07/main.txt
expect_affected "image-07" "a file of one image"
echo new >services/image-03/new.txt
expect_affected "image-03" "an untracked file"
echo new >services/image-03/new.ignored
expect_affected "" "a file that git ignores"
rm services/image-04/main.txt
expect_affected "image-04" "a removed file"
chmod +x services/image-05/main.txt
expect_affected "image-05" "a mode"
git_as mv services/image-06/main.txt services/image-06/other.txt
expect_affected "image-06" "a renamed file"
git_as reset -q --hard
touch services/image-07/main.txt
expect_affected "" "a time"
echo more >>common/part_000.txt
expect_affected "$all" "a file of a shared stage"
sed -i '/AS image-11/,/CMD/s/CMD .*/CMD ["true"]/' Dockerfile
expect_affected "image-11" "metadata of one image"
sed -i 's/^\(COPY services\/image-02 .*\)/\1\nRUN echo more/' Dockerfile
expect_affected "image-02" "a further instruction"
sed -i 's/^FROM deps AS/# a comment\nFROM deps AS/' Dockerfile
expect_affected "" "a comment"
jq '.target["image-09"].args = {"UNUSED": "1"} | .target["image-10"].tags += ["more:1"] | .target.new = {"context": "extra/app", "dockerfile-inline": "FROM scratch\nCOPY . /"} | .group.default.targets += ["new"]' docker-bake.json >bake.tmp && mv bake.tmp docker-bake.json
expect_affected "image-10 new" "the bake file"

echo 2 >extra/mounted.txt
expect_affected "reader" "what is mounted"
echo 2 >extra/real.txt
expect_affected "reader" "what a link leads to, and a target that is read"
echo 2 >extra/app/file
expect_affected "foreign reader" "what docker buildx builds"
echo 2 >extra/ignored && echo 2 >extra/x.log
expect_affected "" "what .dockerignore leaves out"
echo '*.txt' >>extra/.dockerignore
expect_affected "reader" "another .dockerignore"

# What it says of the steps, and how long they took before.
echo more >>services/image-07/main.txt
"$DBUILD" affected --since HEAD image-07 image-08 >"$work/text.out"
expect_equal "image-07: 2 steps
    [image-07 line 41] COPY services/image-07 /app (services/image-07/main.txt)
    [image-07 line 42] RUN $(sed -n '42s/^RUN //p' Dockerfile)" "$(cat "$work/text.out")" "text"
expect_equal '{"include":[{"target":"image-07"}]}' "$("$DBUILD" affected --since HEAD --format github-matrix)" "matrix"
"$DBUILD" affected --since HEAD --format json >"$work/steps.json"
expect_equal "image-07 41 services/image-07/main.txt null" \
    "$(jq -r '.images[0] | "\(.target) \(.steps[0].line) \(.steps[0].changed) \(.steps[0].wall_ms)"' "$work/steps.json")" "JSON"

# No program but git, no network.
ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=execve,connect -o "$work/trace" "$DBUILD" affected --since HEAD >/dev/null
if grep -E 'execve\(.* = 0' "$work/trace" | grep -vE '"[^"]*/(git|dbuild)"'; then fail "it started more than git"; fi
if grep -E 'connect\(.*(sun_path="|AF_INET)' "$work/trace" | grep -v nscd; then fail "it connected to something"; fi

# In a folder below, and wrong usage.
(cd extra && "$DBUILD" affected -f - --since HEAD <<<'{"target": {"x": {"context": "app", "dockerfile-inline": "FROM scratch\nCOPY . /"}}}' >"$work/below.out" --format github-matrix x)
expect_equal '{"include":[]}' "$(cat "$work/below.out")" "in a folder below"
expect_exit 2 no-since "$DBUILD" affected
expect_contains "$work/no-since.err" "--since is missing"
expect_exit 2 no-commit "$DBUILD" affected --since nothing
expect_contains "$work/no-commit.err" '--since: "nothing" is no commit of'
expect_exit 2 format "$DBUILD" affected --since HEAD --format xml
cd "$work"
expect_exit 2 nowhere "$DBUILD" affected --since HEAD
expect_contains "$work/nowhere.err" "not a git repository"
