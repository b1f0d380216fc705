#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a fuzzer with clang, address and undefined-behaviour sanitizers, and runs it.
# Usage: run.sh store_formats FORMAT SECONDS [FOLDER]    (FOLDER keeps the program, the corpus and what was found)
set -euo pipefail
cd "$(dirname "$0")/../.."
name=$1 format=$2 seconds=$3 folder=${4:-}
if [ -z "$folder" ]; then
    folder=$(mktemp -d "${TMPDIR:-/tmp}/dbf-XXXXXX")
    trap 'if [ $? = 0 ]; then rm -rf "$folder"; else echo "kept: $folder" >&2; fi' EXIT
fi
case "$name" in
store_formats) sources=(cache/store/{pack_format,recipe,tar_splitter,chunker}.cpp support/digest.cpp) libraries=(-lcrypto) ;;
*) echo "no such fuzzer: $name" >&2 && exit 2 ;;
esac
mkdir -p "$folder/corpus"
if [ ! -x "$folder/$name" ] || [ "tests/fuzz/$name.cpp" -nt "$folder/$name" ] || [ -n "$(find cache/store -newer "$folder/$name" -name "*.?pp")" ]; then
    clang++ -std=c++20 -O1 -g -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        "tests/fuzz/$name.cpp" "${sources[@]}" "${libraries[@]}" -o "$folder/$name"
fi
DBUILD_FUZZ_FORMAT=$format "$folder/$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$folder/" "$folder/corpus" 2>&1 | tail -n 12
