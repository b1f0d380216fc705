#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints executors/runtime/seccomp.json as the BPF program that crun makes of it, in base64: after a change to it,
#   scripts/compile_seccomp_filter.sh >executors/runtime/seccomp.bpf.base64
# Needs root, crun and jq. A test compares the two.
set -euo pipefail
. "$(dirname "$0")/common.sh"

repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/dbuild-seccomp-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bundle/root/dev" "$work/state"
install -m 755 /dev/null "$work/bundle/root/none"
jq '{ociVersion: "1.0.2", process: {args: ["/none"], cwd: "/", user: {uid: 0, gid: 0}}, root: {path: "root"}, mounts: [],
     linux: {namespaces: [{type: "pid"}, {type: "mount"}], seccomp: .}}' \
    "$repository/executors/runtime/seccomp.json" >"$work/bundle/config.json"

# In mounts of its own: crun refuses a machine that shows both versions of cgroups.
unshare --mount bash -s "$work" <<'E2' >&2
set -euo pipefail
umount --lazy /sys/fs/cgroup/unified 2>/dev/null || true
crun --root "$1/state" create --bundle "$1/bundle" filter </dev/null >/dev/null
cp "$1/state/filter/seccomp.bpf" "$1/"
crun --root "$1/state" delete --force filter
E2
[ -s "$work/seccomp.bpf" ] || die "crun made no filter"
base64 "$work/seccomp.bpf"
