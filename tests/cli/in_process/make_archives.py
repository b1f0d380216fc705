#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the archives of tests/cli/archives.sh into the folders `good` and `hostile` of the folder that is given.

Good ones are what people pack, in every format and compression; hostile ones have names, links and types that try to leave the
destination, or that no file system has. Which of both BuildKit refuses is found out by asking it.
"""
import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

TIME = 1577934245  # one whole second, so that layers can be equal
TYPES = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE,
         "p": tarfile.FIFOTYPE, "c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE}


def pack(entries, tar_format=tarfile.PAX_FORMAT, pax_headers=None):
    """Bytes of a tar of (name, type, {field: value}); `data` is a file's content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format, pax_headers=pax_headers or {}) as tar:
        for name, kind, fields in entries:
            fields = dict(fields)
            data = fields.pop("data", b"")
            info = tarfile.TarInfo(name)
            info.type, info.mtime, info.mode = TYPES[kind], TIME, 0o755 if kind == "d" else 0o644
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def file(name, data=b"x\n", **fields):
    return name, "f", {"data": data, **fields}


def folder(name, **fields):
    return name, "d", fields


def link(name, target, **fields):
    return name, "l", {"linkname": target, **fields}


def hard(name, target, **fields):
    return name, "h", {"linkname": target, **fields}


def with_size_field(text):
    """A file whose header says this size, which its bytes do not have."""
    raw = bytearray(pack([file("sized")]))
    raw[124:136] = text.ljust(12, b"\0")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


def good_archives():
    ustar = [folder("dir", mode=0o750, uid=3, gid=4), file("dir/file", b"hello\n", mode=0o4755, uid=1000, gid=1001),
             hard("dir/hard", "dir/file", mode=0o4755, uid=1000, gid=1001), link("dir/link", "file"), link("abs", "/etc/passwd"),
             ("fifo", "p", {}), ("null", "c", {"devmajor": 1, "devminor": 3}), file("deep/er/file", b""), folder("./sub", mode=0o700)]
    basic = ustar + [file("\u00e4" + "n" * 120, b"long")]
    raw = pack(basic)
    raw_file = pack([file("file", b"hello\n")])
    yield from {
        "basic": raw, "gnu": pack(basic, tarfile.GNU_FORMAT), "ustar": pack(ustar, tarfile.USTAR_FORMAT),
        "gzip": gzip.compress(raw, mtime=0), "bzip2": bz2.compress(raw), "xz": lzma.compress(raw),
        "zstd": subprocess.run(["zstd", "-qc"], input=raw, stdout=subprocess.PIPE, check=True).stdout,
        "compressed_text": gzip.compress(b"hello" * 1000, mtime=0), "zeros": b"\0" * 10240, "empty": b"", "short": raw[:300],
        "wrong_sum": raw[:148] + b"0000000\0" + raw[156:], "cut": raw[:700], "cut_gzip": gzip.compress(raw, mtime=0)[:200],
        "cut_padding": raw_file[:600], "cut_padding_gzip": gzip.compress(raw_file[:600], mtime=0), "cut_after_body": raw_file[:512 + 6],
        "cut_body": raw_file[:512 + 5], "no_end": raw_file[:1024], "one_zero_block": raw_file[:1536], "cut_end": raw_file[:1100],
        "over": pack([file("etc/passwd", b"new\n"), file("usr/bin/env", b"env\n", mode=0o755), folder("tmp", mode=0o700)]),
        "file_over_folder": pack([file("etc", b"now a file\n")]), "folder_over_link": pack([folder("usr/bin/env"), file("usr/bin/env/x")]),
        "file_then_folder": pack([file("a"), folder("a"), file("a/b")]),
        "folder_again": pack([file("etc"), folder("etc"), file("etc/new")]),
        "twice": pack([file("a", b"1"), file("a", b"22"), hard("b", "a"), file("a", b"333"), hard("c", "a")]),
        "odd_names": pack([file("./x/y"), file("//abs/z"), folder("./"), file("q/./r/../s"), file("a\nb"), file(" "), file("...")]),
        "slash": pack([folder("/", mode=0o711, uid=9, gid=9), file("x")]), "dot": pack([folder(".", mode=0o711, uid=9), file("./x")]),
        "hard_to_base": pack([hard("newname", "etc/passwd")]), "hard_changes_base": pack([hard("newname", "etc/passwd", mode=0o600, uid=5)]),
        "hard_changes": pack([file("a"), hard("b", "a", mode=0o777, uid=77)]), "hard_link": pack([link("s", "t"), hard("b", "s")]),
        "times": pack([file("old", mtime=-5), file("big", mtime=4102444800), file("part", mtime=TIME + 0.75)]),
        "owners": pack([file("a", uid=3000000, gid=70000)]), "global": pack([file("a")], pax_headers={"comment": "hi"}),
        "through_link": pack([link("l", "sub"), folder("sub"), file("l/x")]), "setuid": pack([file("s", mode=0o7777)]),
    }.items()


def hostile_archives():
    evil = "tmp/dbuild-escaped"
    yield from {
        "up": [file("../../../../" + evil)], "up_inside": [file("a/../../../../../" + evil)], "absolute": [file("/" + evil)],
        "deep_up": [file("a/" * 50 + "../" * 80 + evil)], "root_file": [file("..")], "root_link": [link("..", "/tmp")],
        "up_folder": [folder("../.."), file("../../x")], "backslash": [file("..\\..\\x")],
        "link_root": [link("l", "/"), file("l/" + evil)], "link_up": [link("l", "../../../../../../.."), file("l/" + evil)],
        "link_chain": [link("a", ".."), link("b", "a/.."), link("c", "b/.."), link("d", "c/.."), file("d/" + evil)],
        "link_absolute": [link("l", "/etc"), file("l/x")], "link_dangling": [link("l", "nowhere"), file("l/x")],
        "link_proc": [link("p", "/proc/self/root"), file("p/" + evil)], "link_cwd": [link("p", "/proc/self/cwd"), file("p/x")],
        "link_loop": [link("a", "b"), link("b", "a"), file("a/x")], "link_self": [link("a", "a"), file("a/x")],
        "link_replaced": [link("a", "/tmp"), folder("a"), file("a/x")], "link_overwritten": [link("a", "/" + evil), file("a")],
        "link_to_folder": [link("a", "/tmp"), folder("a/new")], "link_over_etc": [link("etc", "/tmp"), file("etc/x")],
        "link_empty": [link("e", "")], "link_long": [link("e", "x" * 5000)],
        "hard_up": [hard("x", "../../../../etc/hostname")], "hard_absolute": [hard("x", "/etc/hostname")],
        "hard_via_link": [link("l", "/"), hard("x", "l/etc/hostname")], "hard_missing": [hard("x", "nothing")],
        "hard_self": [hard("x", "x")], "hard_folder": [folder("d"), hard("x", "d")], "hard_root": [hard("d", "../.."), file("d/" + evil)],
        "hard_through": [link("l", "/"), file("l/" + evil), hard("l/tmp/two", "l/" + evil)],
        "below_file": [file("a"), file("a/b")], "below_fifo": [("p", "p", {}), file("p/x")],
        "devices": [("sda", "c", {"devmajor": 8}), ("mem", "c", {"devmajor": 1, "devminor": 1})],
        "name_long": [file("n" * 300)], "path_long": [file("/".join(["d" * 200] * 30))],
        "time_negative": [file("n", mtime=-99999999999)],
        "many": [file(f"m{number}") for number in range(500)],
        "size_huge": with_size_field(b"77777777777"), "size_larger": with_size_field(b"\x80" + (1 << 60).to_bytes(11, "big")),
        "size_negative": with_size_field(b"\xff" * 12), "size_word": with_size_field(b"sizeable"),
    }.items()


def main():
    root = Path(sys.argv[1])
    for name, data in good_archives():
        (root / "good").mkdir(exist_ok=True)
        (root / "good" / name).write_bytes(data)
    for name, entries in hostile_archives():
        (root / "hostile").mkdir(exist_ok=True)
        (root / "hostile" / name).write_bytes(entries if isinstance(entries, bytes) else pack(entries))


main()
