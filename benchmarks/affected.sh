#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `dbuild affected` against `git status`, in turn, in a repository of FILES files (default 100,000) with twelve images, each of which
# copies a part of it, and one changed file. Prints milliseconds, medians and the ratio. No engine is needed.
# Usage: affected.sh [RUNS] [FILES]; DBUILD is the binary.
set -euo pipefail
dbuild=${DBUILD:?path of the dbuild binary}
runs=${1:-5} files=${2:-100000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DBUILD_CACHE_DIR=$work/cache HOME=$work
cd "$work"
mkdir repository && cd repository
python3 - "$files" <<'END'
import json, pathlib, sys
names = [f"image-{number:02}" for number in range(12)]
for number in range(int(sys.argv[1])):
    folder = pathlib.Path("services", names[number % 12], f"part-{number // 12 % 100:02}")
    if number < 1200:
        folder.mkdir(parents=True)
    (folder / f"file-{number}.txt").write_text(f"{number}\n")
text = "".join(f"FROM scratch AS {name}\nCOPY services/{name} /app\n" for name in names)
pathlib.Path("Dockerfile").write_text(text)
targets = {name: {"context": ".", "target": name} for name in names}
pathlib.Path("docker-bake.json").write_text(json.dumps({"group": {"default": {"targets": names}}, "target": targets}))
END
git -c init.defaultBranch=main init -q . && git add -A
git -c user.name=b -c user.email=b@example.com -c commit.gpgsign=false commit -qm all
echo changed >>services/image-07/part-00/file-7.txt
milliseconds() {
    local start=$EPOCHREALTIME
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", (b - a) * 1000 }'
}
median() { tr ' ' '\n' <<<"$1" | sort -n | awk 'NF { v[++n] = $1 } END { print v[int((n + 1) / 2)] }'; }
git status >/dev/null
my_times='' their_times=''
for _ in $(seq "$runs"); do
    my_times+="$(milliseconds "$dbuild" affected --since HEAD) "
    cp "$work/log" "$work/affected"
    their_times+="$(milliseconds git status) "
done
grep -q '^image-07: ' "$work/affected" && [ "$(grep -c '^image' "$work/affected")" = 1 ]
a=$(median "$my_times") b=$(median "$their_times")
echo "affected, $files files: dbuild $my_times| git status $their_times| medians $a / $b = $(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')"
