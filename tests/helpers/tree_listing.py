#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists a tar from standard input, sorted by path: path, type, mode, uid:gid, link target or device, SHA-256 of the bytes.
Times are left out: two builds of one step make them differ."""
import hashlib
import sys
import tarfile

KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink",
         tarfile.LNKTYPE: "hardlink", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}

lines = []
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    for entry in archive:
        detail = entry.linkname
        if entry.isreg():
            detail = hashlib.sha256(archive.extractfile(entry).read()).hexdigest()
        elif entry.ischr() or entry.isblk():
            detail = f"{entry.devmajor},{entry.devminor}"
        attributes = {k: v for k, v in entry.pax_headers.items() if k.startswith("SCHILY.xattr.")}
        lines.append(f"{entry.name.removeprefix('./').rstrip('/') or '.'} {KINDS[entry.type]} {entry.mode:04o} "
                     f"{entry.uid}:{entry.gid} {detail} {sorted(attributes.items()) or ''}".rstrip())
print("\n".join(sorted(lines)))
