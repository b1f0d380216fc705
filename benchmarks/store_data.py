# SPDX-License-Identifier: Apache-2.0
"""What benchmarks/store stores: layers made up here, or of what this machine's package managers download."""
import glob
import io
import os
import pathlib
import random
import re
import subprocess
import tarfile

MADE_AT = 1_700_000_000

# An image of about 900 MB, with all that these depend on.
DEBIAN_PACKAGES = "python3-dev gcc default-jre-headless nginx apache2 php-fpm php-gd php-mysql php-curl postgresql curl".split()

# What stands below and beside an application of Node: the interpreter's library, and what `npm ci` would fetch.
NODE_RUNTIME = "libnode108 libicu72 libuv1 libssl3".split()
NODE_MODULES = """node-typescript webpack node-babel7 node-lodash node-core-js rollup eslint node-terser node-postcss node-ajv node-undici
node-browserslist node-acorn node-source-map node-semver npm""".split()


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, **options).stdout.decode()


def make_system_tar(path, limit):
    """This machine's /usr/lib and /usr/share, up to `limit` bytes of files."""
    left = limit
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for root in ("/usr/lib", "/usr/share"):
            for name in sorted(pathlib.Path(root).rglob("*")):
                if not name.is_file() or name.is_symlink() or left < name.stat().st_size:
                    continue
                left -= name.stat().st_size
                tar.add(name, str(name)[1:])


def add_file(tar, name, data, mtime):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), mtime
    tar.addfile(info, io.BytesIO(data))


def make_many_tar(path, mtime):
    """34,000 small files."""
    dice = random.Random(1)
    words = [bytes(dice.choices(b"abcdefghijklmnop", k=dice.randrange(3, 9))) for _ in range(3000)]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for number in range(34_000):
            data = b" ".join(dice.choices(words, k=max(1, int(dice.lognormvariate(4.6, 1.6)))))[:200_000]
            add_file(tar, f"node_modules/package{number // 12}/lib/module{number % 12}.js", data, mtime + number % 7)


def make_big_tar(path, gigabytes):
    """Files of 100 MB, no two alike, that compress to about a half."""
    dice = random.Random(2)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for number in range(gigabytes * 10):
            block = dice.randbytes(500_000) + bytes(500_000)
            data = b"".join(block[cut:] + block[:cut] for cut in (dice.randrange(len(block)) for _ in range(100)))
            add_file(tar, f"big{number}", data, MADE_AT)


def make_step_tars(folder, count):
    """What `count` short RUNs leave: a file and the folders above it."""
    folder.mkdir()
    for number in range(count):
        with tarfile.open(folder / f"{number}.tar", "w", format=tarfile.GNU_FORMAT) as tar:
            add_file(tar, f"step{number}", f"{number}\n".encode(), MADE_AT)
    return sorted(folder.iterdir())


def tar_of(folder, path):
    run("tar", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "-C", folder, "-cf", path, ".")


def read_archive(archive):
    """What apt's list of that archive says of each package: a dictionary of its fields."""
    packages = {}
    for index in glob.glob(f"/var/lib/apt/lists/*{archive}_binary-amd64_Packages*"):
        for stanza in run("/usr/lib/apt/apt-helper", "cat-file", index).split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.M))
            if fields:
                packages[fields["Package"]] = fields
    return packages


def with_dependencies(names, packages):
    """Of alternatives the first one; recommended packages are left out."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in found or name not in packages:
            continue
        found.add(name)
        for field in ("Depends", "Pre-Depends"):
            waiting += [re.split(r"[ :(|]", each.strip())[0] for each in packages[name].get(field, "").split(",")]
    return found


def debian_versions():
    """For each of the packages: its version in the release, and the newest of release and security archive."""
    released = read_archive("debian_dists_bookworm_main")
    security = read_archive("debian-security_dists_bookworm-security_main")
    versions = {}
    for name in with_dependencies(DEBIAN_PACKAGES, released):
        old, new = (packages[name]["Version"] if name in packages else "" for packages in (released, security))
        is_updated = new and subprocess.run(["dpkg", "--compare-versions", new, "gt", old], check=False).returncode == 0
        versions[name] = (old, new if is_updated else old)
    return versions


def make_debian_tars(folder):
    """The packages as they were released, and with their security updates. Needs apt's lists of both archives."""
    folder.mkdir()
    versions = debian_versions()
    wanted = sorted({f"{name}={version}" for name, pair in versions.items() for version in pair})
    run("apt-get", "download", "-q", *wanted, cwd=folder, stderr=subprocess.DEVNULL)
    tars = []
    for place, label in enumerate(("released", "updated")):
        tree = folder / label
        tree.mkdir()
        for name, pair in sorted(versions.items()):
            file = next(folder.glob(f"{name}_{pair[place].replace(':', '%3a')}_*.deb"))
            run("dpkg", "-x", file, tree)
        tars.append(folder / f"{label}.tar")
        tar_of(tree, tars[-1])
        run("rm", "-rf", tree)
    changed = sum(old != new for old, new in versions.values())
    return tars, f"{changed} of {len(versions)} packages"


def make_node_context(folder):
    """A context of three COPYs: the interpreter, node_modules, and 200 files of an application."""
    packages = folder.parent / "node-packages"
    packages.mkdir()
    run("apt-get", "download", "-q", *NODE_RUNTIME, *NODE_MODULES, cwd=packages, stderr=subprocess.DEVNULL)
    for name, part in [(name, "runtime") for name in NODE_RUNTIME] + [(name, "modules") for name in NODE_MODULES]:
        run("dpkg", "-x", next(packages.glob(f"{name}_*.deb")), folder / part)
    modules = folder / "node_modules"
    (folder / "modules/usr/share/nodejs").rename(modules)
    run("rm", "-rf", packages, folder / "modules")
    dice = random.Random(3)
    (folder / "src").mkdir()
    for number in range(200):
        (folder / f"src/module{number}.js").write_bytes(b"".join(b"export const v%d = %d;\n" % (i, dice.randrange(1 << 30)) for i in range(300)))
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY runtime /\nCOPY node_modules /app/node_modules\nCOPY src /app/src\n")


def release_node_version(folder, number):
    """The next version: five files of the application and every script of one package are others, and `npm ci` wrote all of
    node_modules anew."""
    for file in range(5):
        with open(folder / f"src/module{(number * 5 + file) % 200}.js", "a") as out:
            out.write(f"export const version = {number};\n")
    packages = sorted(path for path in (folder / "node_modules").iterdir() if path.is_dir() and len(list(path.rglob("*.js"))) > 20)
    for script in sorted(packages[number % len(packages)].rglob("*.js")):
        if script.is_file() and not script.is_symlink():
            script.write_bytes(b"/* version %d */\n" % number + script.read_bytes())
    for path in (folder / "node_modules").rglob("*"):
        os.utime(path, (MADE_AT + number * 100_000,) * 2, follow_symlinks=False)
