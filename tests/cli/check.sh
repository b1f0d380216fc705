#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `dbuild check` and `dbuild parse`: formats and exit status. No engine is asked.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

mkdir "$work/context"
printf 'FROM scratch\nCOPY a /a\n' >"$work/context/Dockerfile"
expect_exit 0 good "$DBUILD" check "$work/context"
expect_equal "no errors, no warnings" "$(cat "$work/good.out")" "a good file"

bad=$work/bad.Dockerfile
printf 'FROM scratch\nRUNN x\nCOPY --form=a b c\n' >"$bad"
expect_exit 1 bad "$DBUILD" check "$bad"
expect_contains "$work/bad.out" "$bad:2:1: error: unknown instruction: RUNN (did you mean RUN?)"
expect_contains "$work/bad.out" "$bad:3:6: error: unknown flag: --form (did you mean from?)"
expect_contains "$work/bad.out" 'errors: 2, warnings: 0'

expect_exit 1 json "$DBUILD" check --format json -f "$bad" "$work/context"
expect_equal "1 true 2 error 3 6" \
    "$(jq -r '"\(.version) \(.failed) \(.diagnostics | length) \(.diagnostics[1] | "\(.severity) \(.first_line) \(.column)")"' "$work/json.out")" \
    "the JSON form"

printf 'FROM scratch\nMAINTAINER 100%%\n' >"$work/warned.Dockerfile"
expect_exit 0 github "$DBUILD" check --format=github "$work/warned.Dockerfile"
expect_equal "::warning file=$work/warned.Dockerfile,line=2,endLine=2,col=1,title=MaintainerDeprecated::Maintainer instruction is deprecated in favor of using label" \
    "$(cat "$work/github.out")" "the annotation"
printf '# check=error=true\nFROM scratch\nMAINTAINER x\n' >"$work/strict.Dockerfile"
expect_exit 1 strict "$DBUILD" check "$work/strict.Dockerfile"
expect_contains "$work/strict.out" '[MaintainerDeprecated]'

mkdir "$work/lower"
printf '# check=experimental=all\n# words\nARG A\nFROM scratch\nCOPY a /a\n' >"$work/lower/dockerfile"
echo a >"$work/lower/.dockerignore"
expect_exit 0 lower "$DBUILD" check --format github "$work/lower"
expect_equal "line=3 InvalidDefinitionDescription
line=5 CopyIgnoredFile" "$(sed -E 's/.*(line=[0-9]+),.*title=([A-Za-z]+).*/\1 \2/' "$work/lower.out")" "experimental rules, and the lower-case name"

# Time and output grow with the warnings alone.
{ echo 'FROM scratch'; for i in $(seq 20000); do echo "ENV a$i \$b$i"; done; } >"$work/many.Dockerfile"
expect_exit 0 many timeout 60 "$DBUILD" check "$work/many.Dockerfile"
expect_contains "$work/many.out" 'errors: 0, warnings: 40000'

# Stages times triggers could be any number: the rest is not judged.
{ echo 'FROM scratch AS s'; for i in $(seq 9000); do echo "ONBUILD ENV a$i=1"; done; for i in $(seq 9000); do echo 'FROM s'; done; } >"$work/triggers.Dockerfile"
expect_exit 0 triggers timeout 60 "$DBUILD" check "$work/triggers.Dockerfile"

# A stage knows what all below it defined, without a copy of it.
{ echo 'FROM scratch AS s0'; for i in $(seq 20000); do echo "FROM s$((i - 1)) AS s$i"; echo "ENV v$i=\$v$((i - 1))"; done; } >"$work/chain.Dockerfile"
expect_exit 0 chain timeout 60 "$DBUILD" check "$work/chain.Dockerfile"
expect_contains "$work/chain.out" 'errors: 0, warnings: 1'

printf 'ARG V\nFROM busybox:$V\n' >"$work/base.Dockerfile"
expect_exit 1 base "$DBUILD" check "$work/base.Dockerfile"
expect_contains "$work/base.out" ':2:1: error:'
expect_contains "$work/base.out" 'busybox:'

expect_exit 2 format "$DBUILD" check --format xml "$work/context"
expect_contains "$work/format.err" --format
expect_exit 2 no_path "$DBUILD" check
expect_exit 1 absent "$DBUILD" check "$work/absent"

expect_exit 0 parse "$DBUILD" parse "$work/context/Dockerfile"
expect_equal "1 scratch COPY /a" "$(jq -r '"\(.version) \(.stages[0] | "\(.image) \(.instructions[0] | "\(.instruction) \(.destination)")")"' "$work/parse.out")" \
    "the parsed file"
expect_exit 0 sexpr "$DBUILD" parse --format sexpr "$work/context/Dockerfile"
expect_equal '(from "scratch")
(copy "a" "/a")' "$(cat "$work/sexpr.out")" "the tree"
expect_exit 1 parse_bad "$DBUILD" parse "$bad"
expect_contains "$work/parse_bad.err" "$bad:2"
expect_exit 2 parse_format "$DBUILD" parse --format xml "$bad"
