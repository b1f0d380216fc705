#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What looking at a build context costs: nothing changed (against `git status -uno`, and `docker buildx build` where
DOCKER_HOST names an engine), first hashing, and memory. First hashing stands against `openssl speed` on messages of the
files' mean size, all in the page cache. With --cold (by root; the whole machine feels it) it also stands against the disk's
rate, with nothing of the files in the kernel's caches, not even names: what `find` and as many `cat`s as there are processors
take to read the same.

    benchmarks/context.py build/release/bin/dbuild [--files N] [--runs N] [--folder DIR] [--cold]

The files are random bytes from a fixed seed; sizes of the small ones are log-normal around 2 KiB, 13 KiB on average, like those of
three node_modules folders that were measured; the big ones are 8 MiB each. DIR (default: a
temporary folder) must be on ext4, xfs or btrfs for the stat cache to work. Prints medians, and the spread in parentheses.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def make_small_files(folder, count):
    source = random.Random(1)
    for i in range(count):
        parent = folder / f"d{i // 2000}" / f"m{i // 50 % 40}" / "lib"
        if i % 50 == 0:
            parent.mkdir(parents=True)
        (parent / f"f{i % 50}.js").write_bytes(source.randbytes(int(min(source.lognormvariate(7.6, 1.95), 1 << 20))))


def make_big_files(folder):
    source = random.Random(2)
    folder.mkdir()
    for i in range(64):
        (folder / f"big{i}").write_bytes(source.randbytes(8 << 20))


def make_context(folder):
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / ".dockerignore").write_text(".git\n")


def run(command, folder, environment=None):
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}: exit {done.returncode}\n{done.stderr}")
    return time.perf_counter() - started


def show(name, times):
    median = statistics.median(times)
    print(f"  {name:<24} {median * 1000:8.0f} ms   ({min(times) * 1000:.0f}–{max(times) * 1000:.0f})")
    return median


def compare(runs, **actions):
    """Medians of several actions, run in turn, every other time in the reverse order, so that noise hits all alike."""
    times = {name: [] for name in actions}
    for i in range(runs):
        for name in sorted(actions, reverse=i % 2 == 1):
            times[name].append(actions[name]())
    return {name: show(name, times[name]) for name in actions}


def openssl_rate(message_bytes):
    """Bytes a second that all processors hash together, in messages of that size."""
    text = subprocess.run(["openssl", "speed", "-evp", "sha256", "-bytes", str(message_bytes), "-seconds", "1", "-multi", str(os.cpu_count())],
                          capture_output=True, text=True, check=True).stdout
    return float(re.search(r"sha256\s+([\d.]+)k", text, re.IGNORECASE).group(1)) * 1000


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]


def read_all(files):
    return sum(len(path.read_bytes()) for path in files)


def drop_caches(dbuild):
    """Has the kernel forget names, inodes and bytes of all files; the programs that are compared are read again."""
    os.sync()  # what is not written yet cannot be dropped
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
    for program in (dbuild, "find", "xargs", "cat"):
        subprocess.run([program, "--version"], stdout=subprocess.DEVNULL, check=True)


def read_by_cat(folder):
    """Seconds that finding the files and reading them takes as many processes as there are processors, and nothing else."""
    reader = f"find . -name .git -prune -o -type f -print0 | xargs -0 -P{os.cpu_count()} -n200 cat >/dev/null"
    return run(["sh", "-c", reader], folder)


def peak_memory(command, folder, environment):
    """Bytes. By a small program in between, as a process inherits the peak of the one that it was forked from."""
    script = "import os, sys; _, _, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0); print(usage.ru_maxrss)"
    done = subprocess.run([sys.executable, "-S", "-c", script, *command], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dbuild", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    dbuild = str(options.dbuild.resolve())
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        work = pathlib.Path(name)
        environment = dict(os.environ, DBUILD_CACHE_DIR=str(work / "cache"))
        small, big, empty = work / "small", work / "big", work / "empty"
        small.mkdir()
        empty.mkdir()
        make_small_files(small, options.files)
        make_big_files(big)
        for folder in (small, big, empty):
            make_context(folder)

        def plan(folder):
            return run([dbuild, "plan", "."], folder, environment)

        def plan_first(folder):
            shutil.rmtree(work / "cache" / "stat", ignore_errors=True)
            return plan(folder)

        run(["git", "init", "--quiet"], small)
        run(["git", "add", "--all"], small)
        plan(small)

        print(f"nothing changed, {options.files} files")
        times = compare(options.runs, **{"git status -uno": lambda: run(["git", "status", "-uno"], small), "dbuild plan": lambda: plan(small)})
        print(f"  ratio {times['dbuild plan'] / times['git status -uno']:.2f}")

        bytes_a_file = (peak_memory([dbuild, "plan", "."], small, environment)
                        - peak_memory([dbuild, "plan", "."], empty, environment)) / options.files
        print(f"memory: {bytes_a_file:.0f} bytes a file, names and stat cache included")

        print("first hashing")
        for folder, label in ((big, "64 files of 8 MiB"), (small, f"{options.files} small files")):
            files = files_in(folder)
            size = read_all(files)
            mean = min(size // len(files), 1 << 16)  # longer ones are hashed no faster
            times, rates = [], []
            for _ in range(options.runs):
                rates.append(openssl_rate(mean))
                read_all(files)  # other work may have pushed them out of the page cache
                times.append(plan_first(folder))
            taken, rate = show(label, times), statistics.median(rates)
            print(f"  {size / 1e6:.0f} MB: {size / taken / 1e6:.0f} MB/s, {size / taken / rate:.2f} of `openssl speed -bytes {mean} "
                  f"-multi {os.cpu_count()}`, {rate / 1e6:.0f} MB/s")

        def cold(action, folder):
            drop_caches(dbuild)
            return action(folder)
        for folder, label in ((big, "64 files of 8 MiB"), (small, f"{options.files} small files")) if options.cold else ():
            print(f"first hashing from the disk, {label}")
            times = compare(options.runs, cat=lambda: cold(read_by_cat, folder), dbuild=lambda: cold(plan_first, folder))
            print(f"  {times['cat'] / times['dbuild']:.2f} of the disk's rate")

        if "DOCKER_HOST" in os.environ:
            print("the whole build, nothing changed")
            ours = [dbuild, "--quiet", "--tag", "dbuild-bench/context:1", "."]
            theirs = ["docker", "buildx", "build", "--quiet", "--tag", "dbuild-bench/context:2", "."]
            for command in (ours, theirs):
                run(command, small, environment)
            times = compare(options.runs, dbuild=lambda: run(ours, small, environment), buildx=lambda: run(theirs, small, environment))
            print(f"  dbuild is {times['buildx'] / times['dbuild']:.0f} times faster")


if __name__ == "__main__":
    main()
