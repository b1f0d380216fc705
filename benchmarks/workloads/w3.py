#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes workload W3: a monorepo of twelve images that share three stages, with a bake file, on the base image of
scripts/make_base_images.sh.

Usage: w3.py FOLDER [--mark TEXT] [--server URL]
--mark makes all steps new to every engine; --server has each RUN fetch URL/NAME, so that it can be counted from outside.
"""
import argparse
import json
import pathlib

IMAGES = 12

STAGES = """FROM dbuild-test/busybox:1 AS toolchain
RUN {toolchain}
FROM toolchain AS deps
COPY deps.txt /deps.txt
RUN {deps}
FROM toolchain AS common
COPY common /common
RUN {common}
"""
IMAGE = """FROM deps AS {name}
COPY --from=common /common /common
COPY services/{name} /app
RUN {own}
CMD ["cat", "/app/main.txt"]
"""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--mark", default="w3")
    arguments.add_argument("--server")
    options = arguments.parse_args()

    def run(name, seconds):
        if options.server:
            return f"wget -qO /{name}.done {options.server}/{options.mark}/{name}"
        return f"echo {options.mark} >/{name}.done && seq 1 20000 >>/{name}.done && sleep {seconds}"

    names = [f"image-{number:02}" for number in range(1, IMAGES + 1)]
    text = STAGES.format(toolchain=run("toolchain", 1), deps=run("deps", 1), common=run("common", 1))
    targets = {}
    for name in names:
        text += IMAGE.format(name=name, own=run(name, 0.3))
        service = options.folder / "services" / name
        service.mkdir(parents=True, exist_ok=True)
        (service / "main.txt").write_text(f"{options.mark} {name}\n")
        targets[name] = {"context": ".", "target": name, "tags": [f"dbuild-test/{options.mark}-{name}:1"]}
    (options.folder / "common").mkdir(exist_ok=True)
    for number in range(200):
        (options.folder / "common" / f"part_{number:03}.txt").write_text(f"{options.mark} {number}\n" * 20)
    (options.folder / "deps.txt").write_text(f"{options.mark}\n")
    (options.folder / "Dockerfile").write_text(text)
    bake = {"group": {"default": {"targets": names}}, "target": targets}
    (options.folder / "docker-bake.json").write_text(json.dumps(bake, indent=2) + "\n")


main()
