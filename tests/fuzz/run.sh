#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a fuzzer with clang, address and undefined-behaviour sanitizers, and runs it.
# Usage: run.sh NAME FORMAT SECONDS [FOLDER]    (FOLDER keeps the program, each corpus and what was found)
# NAME is store_formats or dockerfile; the head of tests/fuzz/NAME.cpp says which formats it has.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=$1 format=$2 seconds=$3 folder=${4:-}
if [ -z "$folder" ]; then
    folder=$(mktemp -d "${TMPDIR:-/tmp}/dbf-XXXXXX")
    trap 'if [ $? = 0 ]; then rm -rf "$folder"; else echo "kept: $folder" >&2; fi' EXIT
fi
corpus=$folder/$format
mkdir -p "$corpus"
options=(-max_total_time="$seconds" -timeout=10 -print_final_stats=1 -artifact_prefix="$folder/")
case "$name" in
store_formats)
    watched=cache
    sources=(cache/store/{chunker,database,pack_format,query,recipe,record_transfer,reserve,tar_splitter}.cpp
        cache/oci/{byte_source,contents,decompression,layer_tar,path_walk,tar_header,tar_stream}.cpp dockerfile_parser/{dockerignore,glob,unicode}.cpp support/{digest,files,gunzip}.cpp -I"$folder/generated")
    libraries=(-lcrypto -lsqlite3 -larchive -lfmt)
    cmake -D DBUILD_GENERATED_DIR="$folder/generated" -P cache/store/schema.cmake
    options+=(-max_len=8192 -rss_limit_mb=2048)
    ;;
dockerfile)
    watched=dockerfile_parser sources=(dockerfile_parser/*.cpp) libraries=(-lfmt -lboost_json)
    options+=(-rss_limit_mb=256)
    # Inputs up to 1 MiB: the parser's alone may be that long, and few may be, or nothing else would be tried.
    if [ "$format" = parser ]; then options+=(-max_len=1048576 -len_control=1000); else options+=(-max_len=4096); fi
    export ASAN_OPTIONS=quarantine_size_mb=8 # freed memory that is kept to find its users is not the parser's
    tests/fuzz/make_seeds.py "$format" "$corpus"
    ;;
*) echo "no such fuzzer: $name" >&2 && exit 2 ;;
esac
if [ ! -x "$folder/$name" ] || [ "tests/fuzz/$name.cpp" -nt "$folder/$name" ] ||
    [ -n "$(find "$watched" support -newer "$folder/$name" -name "*.?pp")" ]; then
    clang++ -std=c++20 -O1 -g -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        "tests/fuzz/$name.cpp" "${sources[@]}" "${libraries[@]}" -o "$folder/$name"
fi
DBUILD_FUZZ_FORMAT=$format "$folder/$name" "${options[@]}" "$corpus" 2>&1 | tail -n 12
