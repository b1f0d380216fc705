#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ADD of http URLs, from a server on loopback: the image that `docker buildx build` makes, times included; a file is asked for at
# every build and sent again only when it changed; equal bytes are a hit wherever they come from; --checksum; errors.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/files" "$work/context"
echo one >"$work/files/one" && echo untagged >"$work/files/untagged" && echo two >"$work/files/two words" && : >"$work/files/empty"
tar -C "$work/files" --owner=3 --group=4 --mtime='2020-01-02 03:04:05 UTC' -czf "$work/files/archive.tgz" one
touch -d '2021-02-03 04:05:06 UTC' "$work/files"/*
python3 "$helpers/file_server.py" "$work/files" "$work/port" "$work/asked" &
server_pid=$!
wait_for 10 "the server's port" test -s "$work/port"
url=http://127.0.0.1:$(cat "$work/port")
asked() { sort "$work/asked" | uniq -c | awk '{ print $2, $3, $4, $1 }' && : >"$work/asked"; }

tag=dbuild-test/urls-$run_id
cat >"$work/context/Dockerfile" <<END
FROM dbuild-test/busybox:1
ADD $url/one /a
ADD $url/one $url/two%20words?query $url/empty /b/
ADD --chown=app:5 --chmod=750 $url/redirect/one /c/named
ADD $url/archive.tgz $url/plain/untagged /d/
ADD --checksum=sha256:$(sha256sum <"$work/files/one" | cut -d' ' -f1) $url/one /e
WORKDIR /f
ADD $url/one .
END
build urls -t "$tag:mine" "$work/context"
asked >"$work/asked.mine"
docker buildx build --provenance=false -t "$tag:theirs" "$work/context" >"$work/buildx.out" 2>&1 || fail "docker buildx build failed"
expect_same_image "$tag:theirs" "$tag:mine"
expect_equal "made in-process" "$(report urls '.steps[] | "\(.status) \(.executor)"' | sort -u)" "who made the steps"
times='stat -c %Y:%n /a /b/empty /c/named /d/untagged /d/archive.tgz /e'
# shellcheck disable=SC2086
expect_equal "$(docker run --rm --network none "$tag:theirs" $times)" "$(docker run --rm --network none "$tag:mine" $times)" "times"
expect_equal 2 "$(awk '$2 == "/one" && $3 == 200 { print $4 }' "$work/asked.mine")" "how often a file with two URLs was sent to one build"

: >"$work/asked"
build again -t "$tag:mine" "$work/context"
expect_equal "" "$(steps_done again)" "steps done again"
expect_equal "GET /archive.tgz 304 1,GET /empty 304 1,GET /one 304 2,GET /plain/untagged 200 1,GET /redirect/one 302 1,GET /two%20words?query 304 1" \
    "$(asked | paste -sd,)" "what was sent again"

# Another time alone changes nothing; other bytes do, for the steps that name them.
touch "$work/files/one"
build touched -t "$tag:mine" "$work/context"
expect_equal "" "$(steps_done touched)" "steps done after a touch"
echo changed >"$work/files/empty"
build changed -t "$tag:mine" "$work/context"
expect_equal changed "$(docker run --rm --network none "$tag:mine" cat /b/empty)" "the changed file"
if ! grep -q '^ADD .*/empty /b/' <<<"$(steps_done changed)"; then fail "the step with the changed file was not made"; fi
if grep -q '/one /a' <<<"$(steps_done changed)"; then fail "a step before it was made again"; fi

# A checksum that is known needs no question, and is held against the bytes.
: >"$work/asked"
printf 'FROM scratch\nADD --checksum=sha256:%064d %s/one /\n' 0 "$url" >"$work/Dockerfile"
expect_exit 1 checksum "$DBUILD" -f "$work/Dockerfile" "$work/context"
expect_contains "$work/checksum.err" 'digest mismatch'
printf 'FROM scratch\nADD --checksum=sha256:%s %s/one /\n' "$(sha256sum <"$work/files/one" | cut -d' ' -f1)" "$url" >"$work/Dockerfile"
build checked -f "$work/Dockerfile" -t "$tag:checked" "$work/context"
: >"$work/asked"
build checked_again -f "$work/Dockerfile" -t "$tag:checked" "$work/context"
expect_equal "" "$(asked)" "requests where the checksum is known"

# --unpack=true, which an engine of the distribution does not know; also between two RUNs.
printf 'FROM dbuild-test/busybox:1\nRUN echo %s\nADD --unpack=true %s/archive.tgz /u/\nRUN stat -c %%u:%%g:%%Y /u/one > /seen\n' "$run_id" "$url" >"$work/Dockerfile"
build unpacked -f "$work/Dockerfile" -t "$tag:unpacked" "$work/context"
expect_equal 3:4:1577934245 "$(docker run --rm --network none "$tag:unpacked" cat /seen)" "a file of an unpacked URL"

printf 'FROM scratch\nADD %s/nothing /\n' "$url" >"$work/Dockerfile"
expect_exit 1 missing "$DBUILD" -f "$work/Dockerfile" "$work/context"
expect_contains "$work/missing.err" 'invalid response status 404'
expect_contains "$work/missing.err" 'Dockerfile:2'
