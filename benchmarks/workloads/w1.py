#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes workload W1: an image project of four stages with a C part and a Node-like part, 2000 generated files.

All content comes from a fixed seed, so that every run and every machine measures the same bytes. `--base` names a Debian
image, in which apt-get installs the gcc of --packages; without it busybox is the base and checksumming stands in for
compiling. Usage: w1.py FOLDER [--base IMAGE --packages FOLDER]
"""
import argparse
import json
import pathlib
import random
import shutil

C_FILES = 40  # 38 filters, main.c and a header
MODULE_FILES = 1955
CONFIG_FILES = 5  # 2000 together; Makefile, package.json, static file and Dockerfile come on top
LAST_COPIED_FILE = "static/banner.txt"  # what the last COPY copies, below FOLDER
LAST_COPIED_PATH = "/srv/app/banner.txt"  # where it then is in the image
COMPILED_FILE = "native/src/filter_01.c"  # below FOLDER; a RUN and two COPYs stand after it
IMAGE_WITHOUT_APT = "dbuild-test/busybox:1"

DOCKERFILE = """\
FROM {base} AS toolchain
{install}

FROM toolchain AS native
WORKDIR /src
COPY native/Makefile ./
COPY native/include/ include/
COPY native/src/ src/
RUN {compile}

FROM {base} AS web
ENV NODE_ENV=production
WORKDIR /web
COPY web/package.json ./
RUN mkdir node_modules && for i in $(seq 1 200); do mkdir node_modules/p$i; cp package.json node_modules/p$i/; done
COPY web/modules/ modules/
RUN mkdir dist && find modules -name '*.js' | sort | xargs cat >dist/bundle.js && sha256sum dist/bundle.js >dist/bundle.sum

FROM {base}
ENV APP_HOME=/srv/app
WORKDIR /srv/app
COPY --from=native /src/out/imagetool bin/
COPY --from=web /web/dist/ public/
COPY config/ config/
COPY {last_copied_file} ./
CMD ["/srv/app/bin/imagetool"]
"""

MAKEFILE = """\
objects := $(patsubst src/%.c,out/%.o,$(sort $(wildcard src/*.c)))
out/imagetool: $(objects)
\tgcc -o $@ $^
out/%.o: src/%.c include/imagetool.h
\t@mkdir -p out
\tgcc -O1 -Iinclude -c -o $@ $<
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def write_native(folder, numbers):
    filters = [f"filter_{i:02}" for i in range(1, C_FILES - 1)]
    write(folder / "Makefile", MAKEFILE)
    write(folder / "include/imagetool.h", "".join(f"unsigned {name}(unsigned pixel);\n" for name in filters))
    for name in filters:
        table = ", ".join(str(numbers.randrange(1 << 16)) for _ in range(256))
        write(folder / f"src/{name}.c",
              f'#include "imagetool.h"\nstatic const unsigned table[256] = {{{table}}};\n'
              f"unsigned {name}(unsigned pixel) {{ return table[pixel & 255] ^ (pixel >> {numbers.randrange(1, 16)}); }}\n")
    calls = "".join(f"    pixel = {name}(pixel);\n" for name in filters)
    write(folder / "src/main.c", '#include "imagetool.h"\n#include <stdio.h>\nint main(void) {\n    unsigned pixel = 1;\n'
          f'{calls}    printf("%u\\n", pixel);\n    return 0;\n}}\n')


def write_web(folder, numbers):
    write(folder / "package.json", json.dumps({"name": "web", "version": "1.0.0", "private": True}, indent=2) + "\n")
    for i in range(MODULE_FILES):
        lines = [f"exports.f{n} = (x) => x * {numbers.random():.12f} + {numbers.randrange(10**9)};\n"
                 for n in range(numbers.randrange(10, 120))]
        write(folder / f"modules/group{i % 40:02}/module{i:04}.js", "".join(lines))


def write_workload(folder, base=None, packages=None):
    """Fills `folder`, which must not exist or be empty."""
    numbers = random.Random(1)
    write_native(folder / "native", numbers)
    write_web(folder / "web", numbers)
    for i in range(CONFIG_FILES):
        write(folder / f"config/part{i}.ini", f"[part{i}]\nseed={numbers.randrange(10**9)}\n")
    write(folder / LAST_COPIED_FILE, "banner\n")
    if base:
        shutil.copytree(packages, folder / "packages")
        install = ("RUN --mount=type=bind,source=packages,target=/packages "
                   "DEBIAN_FRONTEND=noninteractive apt-get install -y /packages/*.deb")
        compile_native = "make"
    else:
        install = "RUN mkdir -p /opt/toolchain && busybox --list >/opt/toolchain/applets"
        compile_native = "mkdir out && cat src/*.c | sha256sum >out/imagetool"
    write(folder / "Dockerfile", DOCKERFILE.format(base=base or IMAGE_WITHOUT_APT, install=install,
                                                   compile=compile_native, last_copied_file=LAST_COPIED_FILE))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--base", help="a Debian image; default: busybox, without apt-get and gcc")
    parser.add_argument("--packages", type=pathlib.Path, help="a folder of the .deb files of gcc and make for that image")
    options = parser.parse_args()
    if bool(options.base) != bool(options.packages):
        parser.error("--base and --packages go together")
    write_workload(options.folder, options.base, options.packages)


if __name__ == "__main__":
    main()
