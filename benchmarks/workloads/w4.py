#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes workload W4: 20 RUNs of 0.2 s each over busybox, then one COPY of a small static file.

It shows what a tool adds to each step, where the steps themselves are short.
Usage: w4.py FOLDER [--base IMAGE]
"""
import argparse
import pathlib

RUN_COUNT = 20
RUN_SECONDS = 0.2
LAST_COPIED_FILE = "static/banner.txt"
LAST_COPIED_PATH = "/srv/banner.txt"


def write_workload(folder, base="dbuild-test/busybox:1"):
    """Fills `folder`, which must not exist or be empty."""
    (folder / "static").mkdir(parents=True)
    (folder / LAST_COPIED_FILE).write_text("banner\n", encoding="ascii")
    runs = "".join(f"RUN sleep {RUN_SECONDS} && echo {i} >/step{i:02}\n" for i in range(1, RUN_COUNT + 1))
    (folder / "Dockerfile").write_text(f"FROM {base}\n{runs}COPY {LAST_COPIED_FILE} /srv/\n", encoding="ascii")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--base", default="dbuild-test/busybox:1")
    options = parser.parse_args()
    write_workload(options.folder, options.base)


if __name__ == "__main__":
    main()
