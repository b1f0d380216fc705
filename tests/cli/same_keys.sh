#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Keys are the same wherever the same files are: in another folder, for another user, cloned or copied, touched, listed in another
# order, on another file system, in another locale; and with a stat cache or without. Starts no engine.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

umask 022
chmod 755 "$work"
cp "$DBUILD" "$work/dbuild" # where every user may read it
first=$work/first
mkdir "$first"
cat >"$first/Dockerfile" <<'END'
FROM scratch AS sources
WORKDIR /src
COPY tree ./tree
COPY tree/b* deep/
FROM scratch
COPY --link . /all/
COPY --from=sources /src/tree /copied
END
names='a b b-c b.d b0 bb z'
fill() { # FOLDER NAME...: a file, a script, a link and an empty folder of each name
    local folder=$1 name
    shift
    for name in "$@"; do
        mkdir -p "$folder/tree/$name/inner" "$folder/tree/empty-$name"
        echo "bytes of $name" >"$folder/tree/$name/inner/file"
        echo "script $name" >"$folder/tree/$name/script.sh"
        chmod 755 "$folder/tree/$name/script.sh"
        ln -s "../$name/inner/file" "$folder/tree/$name/link"
        touch "$folder/tree/empty-$name/.keep" # git has no empty folders
    done
}
# shellcheck disable=SC2086
fill "$first" $names

# keys NAME FOLDER [COMMAND...]: of the steps whose keys a plan knows
keys() {
    local name=$1 folder=$2
    shift 2
    (cd "$folder" && "$@" "$work/dbuild" plan --report "$work/$name.json" . >"$work/$name.out" 2>"$work/$name.err") || fail "$name: plan failed"
    report "$name" '.steps[] | select(.key) | .key'
}
expected=$(keys first "$first")
if [ "$(wc -l <<<"$expected")" -lt 2 ]; then fail "a plan should know some keys: $expected"; fi
check() { expect_equal "$expected" "$(keys "$@")" "keys: $1"; }

check again "$first"
rm -rf "$DBUILD_CACHE_DIR"
check without_stat_cache "$first"

cp -R "$first" "$work/another"
check another_folder "$work/another"

git init --quiet "$first"
git -C "$first" add --all
git -C "$first" -c user.name=t -c user.email=t@example.org commit --quiet --message one
git clone --quiet "$first" "$work/clone"
rm -rf "$work/clone/.git" "$first/.git"
check clone "$work/clone"

find "$first" -exec touch --no-dereference --date '2001-02-03 04:05:06' {} +
check touched "$first"

reversed=$work/reversed
mkdir "$reversed"
# shellcheck disable=SC2046
fill "$reversed" $(tr ' ' '\n' <<<"$names" | tac)
cp "$first/Dockerfile" "$reversed"
check reversed "$reversed"

if [ -w /dev/shm ]; then # lists the newest name first, and is not one that the stat cache trusts
    memory=$(mktemp -d /dev/shm/dbt-XXXXXX)
    cp -R "$reversed/." "$memory"
    check tmpfs "$memory"
    rm -rf "$memory"
fi

check locale "$first" env LC_ALL=C.UTF-8 TZ=Pacific/Auckland

if [ "$(id -u)" = 0 ]; then
    other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown -R 4321:1234 "$first"
    chmod 777 "$work"
else
    other=(unshare --user --map-root-user)
fi
check another_user "$first" env HOME="$work/theirs" DBUILD_CACHE_DIR="$work/their-cache" "${other[@]}"

# And they are not the same for other files.
echo more >>"$first/tree/a/inner/file"
if [ "$expected" = "$(keys changed "$first")" ]; then fail "keys do not tell changed files apart"; fi

# Modes tell files apart, too, but where octal digits give all of them another one.
modes=$work/modes
mkdir -p "$modes/tree/inner"
echo a | tee "$modes/tree/a" >"$modes/tree/inner/b"
for flag in '' --chmod=0640 --chmod=u+x '--chmod=640 --exclude=x' '--chmod=640 --parents'; do
    printf 'FROM scratch AS one\nCOPY %s tree /a/\nFROM scratch\nCOPY --from=one /a /a\n' "$flag" >"$modes/Dockerfile"
    chmod 755 "$modes/tree/inner" && chmod 644 "$modes/tree/a"
    before=$(keys modes "$modes")
    chmod 700 "$modes/tree/inner" && chmod 600 "$modes/tree/a"
    case $flag in
    *640 | *exclude*) expect_equal "$before" "$(keys modes "$modes")" "keys of other modes under $flag" ;;
    *) if [ "$before" = "$(keys modes "$modes")" ]; then fail "keys do not tell modes apart under '$flag'"; fi ;;
    esac
    echo more >>"$modes/tree/inner/b"
    if [ "$before" = "$(keys modes "$modes")" ]; then fail "keys do not tell files apart under '$flag'"; fi
done
