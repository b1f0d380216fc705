#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A folder includes only what stands left of it: support <- dockerfile_parser <- cache <- executors <- orchestrator.
# Usage: check_includes.sh SOURCE_DIR
set -euo pipefail
cd "$1"

folders=(support dockerfile_parser cache executors orchestrator)
status=0
for index in "${!folders[@]}"; do
    folder=${folders[index]}
    forbidden=$(IFS='|' && echo "${folders[*]:index+1}")
    if [ -z "$forbidden" ]; then continue; fi
    if grep -rnE --include='*.hpp' --include='*.cpp' --include='*.in' "^ *# *include *[<\"]($forbidden)/" "$folder"; then
        echo "$folder must not include any of: ${forbidden//|/ }" >&2
        status=1
    fi
done
# Includes are from the root, so that the check above sees them.
if grep -rnE --include='*.hpp' --include='*.cpp' '^ *# *include *"(\.\.?/|[^/"]*")' "${folders[@]}"; then
    echo "includes of own files start with the folder's name" >&2
    status=1
fi
exit $status
