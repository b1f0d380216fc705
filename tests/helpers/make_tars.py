#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tars of all dialects that programs at hand write, sound and damaged ones: make_tars.py FOLDER COUNT SEED."""
import io
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile

SIZES = [0, 1, 511, 512, 513, 4096, 70_000, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 900_000]


def content(dice, size):
    return bytes(dice.choices(b"abcdefgh", k=size)) if dice.random() < 0.8 else dice.randbytes(size)


def by_tarfile(dice, path, dialect):
    with tarfile.open(path, "w", format=dialect) as tar:
        for number in range(dice.randrange(12)):
            long_name = dice.random() < 0.3 and dialect != tarfile.USTAR_FORMAT
            info = tarfile.TarInfo(f"{'deep/' * 30 if long_name else ''}file{number}" + ("ü" if long_name else ""))
            info.mtime, info.uid, info.mode = dice.randrange(1 << 31), dice.randrange(1 << 16), dice.randrange(0o10000)
            kind = dice.random()
            if kind < 0.6:
                data = content(dice, dice.choice(SIZES))
                info.size = len(data)
                if dialect == tarfile.PAX_FORMAT:
                    info.pax_headers = {"SCHILY.xattr.user.a": "value", "mtime": f"{info.mtime}.123456789"}
                tar.addfile(info, io.BytesIO(data))
                continue
            info.type = dice.choice([tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
            info.linkname = "x" * dice.choice([1, 90, 150 if dialect != tarfile.USTAR_FORMAT else 90])
            tar.addfile(info)


def by_program(dice, path, tree, dialect):
    for number in range(4):
        (tree / f"file{number}").write_bytes(content(dice, dice.choice(SIZES)))
    with open(tree / "sparse", "wb") as sparse:
        sparse.truncate(dice.randrange(1, 5) << 20)
        sparse.seek(dice.randrange(1 << 20))
        sparse.write(content(dice, 5000))
    sparse = [] if dialect in ("v7", "ustar") else ["--sparse"]
    subprocess.run(["tar", f"--format={dialect}", *sparse, "-b", str(dice.choice([1, 20])), "-C", tree, "-cf", path, "."], check=True)


def by_libarchive(dice, path, tree, dialect):
    for number in range(4):
        (tree / f"file{number}").write_bytes(content(dice, dice.choice(SIZES)))
    long_name = tree / ("long-" * 25)
    long_name.write_bytes(content(dice, 600))
    subprocess.run(["bsdtar", f"--format={dialect}", "-C", tree, "-cf", path, "."], check=True, stderr=subprocess.DEVNULL)
    long_name.unlink()


def damage(dice, path):
    data = bytearray(path.read_bytes())
    if dice.random() < 0.5:
        del data[dice.randrange(len(data) + 1):]
    else:
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(min(len(data), dice.choice([2048, len(data)])))] = dice.randrange(256)
    path.write_bytes(data)


def main(folder, count, seed):
    dice, folder = random.Random(int(seed)), pathlib.Path(folder)
    tree = folder / "tree"
    tree.mkdir(parents=True)
    dialects = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, "v7", "oldgnu", "gnu", "ustar", "pax"]
    libarchive = ["libarchive:pax", "libarchive:gnutar", "libarchive:ustar", "libarchive:v7"]
    if shutil.which("bsdtar"):
        dialects += libarchive
    for number in range(int(count)):
        path, dialect = folder / f"{number}.tar", dialects[number % len(dialects)]
        if isinstance(dialect, str) and dialect.startswith("libarchive:"):
            by_libarchive(dice, path, tree, dialect.removeprefix("libarchive:"))
        elif isinstance(dialect, str):
            by_program(dice, path, tree, dialect)
        else:
            by_tarfile(dice, path, dialect)
        if number // len(dialects) % 3 == 2:
            damage(dice, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
