#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints executors/runtime/seccomp.json as the BPF program that crun makes of it, in base64: after a change to it,
#   scripts/compile_seccomp_filter.sh >executors/runtime/seccomp.bpf.base64
# Before it stands what runc adds to its own: a system call that is newer than the profile does not exist (ENOSYS), so that programs
# which try it fall back; crun would say that it is forbidden (EPERM). Source: runc, libcontainer/seccomp/patchbpf.
# Needs root, crun, jq and python3. A test compares the two.
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
python3 - "$work/seccomp.bpf" <<'E3' | base64
import struct, sys

X86_64, I386, X32 = 0xC000003E, 0x40000003, 0x40000000  # <linux/audit.h>; the bit of x32's numbers
LAST, LAST_X32 = 456, 547  # futex_requeue, the profile's newest, and x32's own last
LOAD, EQUAL, GREATER, AT_LEAST, RETURN = 0x20, 0x15, 0x25, 0x35, 0x06  # <linux/bpf_common.h>
ENOSYS = 0x00050000 | 38
newer_calls_do_not_exist = [  # code, instructions to pass over if true, if false, operand
    (LOAD, 0, 0, 4),  # the architecture
    (EQUAL, 1, 0, X86_64),
    (EQUAL, 0, 5, I386),  # the filter itself ends others
    (LOAD, 0, 0, 0),  # the number
    (AT_LEAST, 1, 0, X32),
    (GREATER, 1, 2, LAST),
    (GREATER, 0, 1, X32 + LAST_X32),
    (RETURN, 0, 0, ENOSYS),
]
filter = b"".join(struct.pack("<HBBI", *instruction) for instruction in newer_calls_do_not_exist)
sys.stdout.buffer.write(filter + open(sys.argv[1], "rb").read())
E3
