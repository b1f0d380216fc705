#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle: does dbuild make what BuildKit makes from nothing, and run no step that a warm BuildKit does not?

Seeded projects and edits (steps.py, edits.py). Each state is built by dbuild, whose cache lives on over all edits, and by
`docker buildx build` on another engine: first warm, then with --no-cache, in this order, because a --no-cache build fills
the cache. compare.py judges. A finding ends its project, whose folder is kept; --seed, --project and the other options
equal, the same happens again.

    tests/differential/run.py --seed 7 --edits 100              engines of its own, from scripts/private_engine.sh
    tests/differential/run.py --seed 7 --edits 100 --project 3  only the fourth project
    tests/differential/run.py --cases copy,copy_from,content    only these kinds of steps and edits
Exit status: 0 nothing found, 1 findings, 2 wrong usage, 3 the test itself could not go on."""
import argparse
import collections
import concurrent.futures
import copy
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import compare
from builds import Engine, build_with_buildx, build_with_dbuild, evict_layers
from edits import CASES, EDITS, edit_project, make_project
from project import write_folder
from steps import KINDS

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "..", "..", "scripts")
PRUNE_EVERY = 10  # edits: dbuild's engine forgets its builder cache, so that it cannot hide dbuild's mistakes
BASE = "dbuild-test/busybox"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edits", type=int, default=20, help="of all projects together")
    parser.add_argument("--edits-per-project", type=int, default=10)
    parser.add_argument("--project", type=int, help="only this one, from 0")
    parser.add_argument("--cases", help="comma separated names of steps and edits, of: " + " ".join(CASES))
    parser.add_argument("--mount-weight", type=float, default=1, help="how often RUN --mount is chosen, as a factor; 0 is never")
    parser.add_argument("--dbuild", default=os.environ.get("DBUILD", os.path.join(HERE, "../../build/ci/bin/dbuild")))
    parser.add_argument("--executor", default="auto", help="dbuild's, default %(default)s")
    parser.add_argument("--engines", nargs=2, metavar="SOCKET", help="dbuild's engine and BuildKit's; both are used up")
    parser.add_argument("--keep", action="store_true", help="keep all folders")
    parser.add_argument("--folder", default="/tmp", help="where all state is kept, the engines' too: an existing folder with a short path,"
                        " default %(default)s; on a tmpfs such as /dev/shm all goes ten times as fast")
    options = parser.parse_args()
    cases = options.cases.split(",") if options.cases else CASES
    if unknown := sorted(set(cases) - set(CASES)):
        parser.error(f"unknown case: {', '.join(unknown)}")
    options.kinds = sorted(set(cases) & set(KINDS)) or KINDS
    options.edit_names = sorted(set(cases) - set(KINDS)) or sorted({*EDITS, "revert"})
    return options


def start_engines(options, work):
    """The two engines, and a function that stops what was started."""
    started = []
    if options.engines:
        sockets = options.engines
    elif state := os.environ.get("DBUILD_TEST_STATE_DIR"):  # ctest's fixtures
        sockets = []
        for name in ("oracle_dbuild", "oracle_buildkit"):
            with open(os.path.join(state, "engine_" + name)) as file:
                sockets.append(file.read().strip().removeprefix("unix://"))
    else:
        sockets = [f"{work}/{name}/docker.sock" for name in ("d", "b")]
        for path in sockets:
            subprocess.run([f"{SCRIPTS}/private_engine.sh", "start", os.path.dirname(path)], check=True, stdout=subprocess.DEVNULL)
            started.append(os.path.dirname(path))

    def stop():
        for folder in started:
            subprocess.run([f"{SCRIPTS}/private_engine.sh", "stop", folder], check=False)
    return [Engine(path, f"{work}/home{i}") for i, path in enumerate(sockets)], stop


def make_base_images(engines, work):
    """busybox:1 and others on top of it, byte for byte the same in both engines. None is another one's equal: Docker 26.1.5 may
    ask the registry for an image that one Dockerfile names by two tags."""
    first, second = engines
    subprocess.run([f"{SCRIPTS}/make_base_images.sh"], env=first.environment, check=True)
    folder = f"{work}/base"
    os.makedirs(folder)
    change = "RUN echo 2 > /etc/version && chmod 0750 /home && touch -d 2000-01-01 /etc/version\n"
    texts = {2: change + "ENV BASE=two\nLABEL base=two\n", 3: "LABEL base=three\n", 4: change + "RUN rm -r /var\nENV ONE=four\n",
             5: change + "RUN rm -r /var\nENV ONE=five\nWORKDIR /\nUSER root\n"}  # 5 has the layers of 4
    for number, text in texts.items():
        with open(f"{folder}/Dockerfile", "w") as file:
            file.write(f"FROM {BASE}:1\n{text}")
        subprocess.run(["docker", "buildx", "build", "-q", "-t", f"{BASE}:{number}", folder], env=first.environment, check=True, stdout=subprocess.DEVNULL)
    names = "&".join(f"names={BASE}:{number}" for number in (1, *texts))
    second.request("POST", "/images/load", first.request("GET", f"/images/get?{names}"))


class Run:
    """One run of the oracle: what all projects share, and what was counted."""

    def __init__(self, options, work, engines):
        self.options, self.work, self.engines = options, work, engines
        self.counts = collections.Counter()
        self.reasons = collections.Counter()  # why builds were handed over
        self.seconds = collections.Counter()
        self.findings = 0
        self.was_evicted = False  # of one project, but a step that another one has too may be what was kept for it
        with open(f"{work}/token", "w") as file:
            file.write("the secret of every project\n")
        self.pool = concurrent.futures.ThreadPoolExecutor(2)

    def build_with_buildx_twice(self, context, arguments):
        warm = build_with_buildx(self.engines[1], f"{self.work}/warm", [], arguments, context)
        return warm, build_with_buildx(self.engines[1], f"{self.work}/fresh", ["--no-cache"], arguments, context)

    def judge(self, folder, link, state):
        """Builds the state in `folder`. Returns (kind of the finding, lines)s. link: the path under which BuildKit gets the context,
        unique to the state: BuildKit would not read a file again that has the same size and time under the same name."""
        arguments = state.arguments()
        if any(step.kind == "secret" for stage in state.stages for step in stage.steps):
            arguments += ["--secret", f"id=token,src={self.work}/token"]
        os.symlink(folder, link)
        other = self.pool.submit(self.build_with_buildx_twice, link, arguments)
        mine = build_with_dbuild(self.options.dbuild, self.engines[0], f"{self.work}/cache", f"{self.work}/report.json",
                                 f"dbuild-test/{state.run}:1", ["--executor", self.options.executor, *arguments], folder)
        warm, fresh = other.result()
        os.unlink(link)
        for name, outcome in (("dbuild", mine), ("buildx warm", warm), ("buildx --no-cache", fresh)):
            self.seconds[name] += outcome.seconds
        self.counts["states"] += 1
        self.counts["handed over"] += bool(mine.handed_over)
        self.reasons[mine.handed_over] += bool(mine.handed_over)
        if mine.exit_code == 0 and fresh.exit_code == 0:
            return self.judge_images(mine, warm, fresh, state)
        if mine.exit_code != 0 and fresh.exit_code != 0:
            self.counts["failing in both"] += 1
            return []
        if mine.exit_code != 0 and warm.exit_code != 0:
            # A step that needs what an earlier one left in a cache mount ran alone: BuildKit has the same weakness.
            self.counts["failing in warm BuildKit too"] += 1
            return []
        if any(step["status"] == "failed" and "type=cache" in step["text"] for step in mine.report.get("steps", [])):
            # The same, where BuildKit's engine has the step's result from a build with --no-cache: docs/cache_key.md says why.
            self.counts["failing for what a cache mount has lost"] += 1
            return []
        if mine.exit_code == 0 and compare.refused_wildcard(fresh.output):
            self.counts["globs that BuildKit refuses"] += 1
            return []
        failed, output = ("dbuild", mine.output) if mine.exit_code else ("buildx --no-cache", fresh.output)
        return [("exit status", [f"dbuild {mine.exit_code}, buildx warm {warm.exit_code}, buildx --no-cache {fresh.exit_code}; {failed} says:",
                                 *output.splitlines()[-25:]])]

    def judge_images(self, mine, warm, fresh, state):
        results = []
        lines = compare.compare_images(mine.image, fresh.image)
        self.counts["labels of other stages in BuildKit's image"] += sum(compare.leaked(line, state) for line in lines)
        if lines := [line for line in lines if not compare.leaked(line, state)]:
            if warm.image and not compare.compare_images(mine.image, warm.image):
                lines.append("(warm BuildKit made the same image as dbuild)")
            results.append(("stale", lines))
        # BuildKit finds results of RUN --mount=type=secret and type=ssh by the content of the root file system, also such that stand
        # on other layers. Its image is not what the Dockerfile says then, and no measure of what has to run.
        if not warm.image:
            self.counts["failing in warm BuildKit alone"] += 1
            print("warm BuildKit alone failed:", *warm.output.splitlines()[-3:], sep="\n    ", flush=True)
        elif warm.image.layer_count != fresh.image.layer_count:
            self.counts["warm BuildKit lacks layers"] += 1
        elif not mine.handed_over:
            self.counts["steps run by dbuild"] += compare.ran_count(mine.report)
            self.counts["steps run by warm BuildKit"] += sum(is_run and not name.startswith("[internal]") for name, is_run in warm.vertices.items())
            if lines := compare.find_excess(mine.report, warm.vertices, self.was_evicted):
                results.append(("excess", lines))
        return results

    def run_project(self, number):
        options = self.options
        numbers = random.Random(f"{options.seed}/{number}")
        # The steps of one project are never those of another one, or of an earlier run on the same engines.
        run = f"{options.seed}-{number}-{os.path.basename(self.work)[4:].lower().replace('_', '-').strip('-')}"
        folder = f"{self.work}/p{number}/context"
        os.makedirs(folder)
        past, state, written, what = [], make_project(numbers, run, options.kinds, options.mount_weight), {}, "first state"
        first_edit = number * options.edits_per_project
        for edit in range(first_edit, min(first_edit + options.edits_per_project, options.edits) + 1):
            if edit > first_edit:
                past.append(state)
                state, what = edit_project(numbers, state, past, options.kinds, options.edit_names, options.mount_weight)
                self.counts["edits"] += 1
                if self.counts["edits"] % PRUNE_EVERY == 0:
                    self.engines[0].prune_builder()
            write_folder(folder, written, state.all_files())
            written = copy.deepcopy(state.all_files())
            if what.startswith("touch"):
                for place, folders, files in os.walk(folder):
                    for name in folders + files:
                        os.utime(os.path.join(place, name), follow_symlinks=False)
            elif what.startswith("evict"):
                evict_layers(options.dbuild, self.engines[0], f"{self.work}/cache")
                self.was_evicted = True
            elif what.startswith("move"):
                new_folder = f"{self.work}/p{number}/moved{edit}"
                os.rename(folder, new_folder)
                folder = new_folder
            for engine in self.engines:
                engine.tag(f"{BASE}:{state.base_version}", state.base_tag())
            results = self.judge(folder, f"{self.work}/link-{number}-{edit}", state)
            if results:
                self.tell(number, edit, folder, past[-1] if past else None, state, what, results)
                return
        if not options.keep:
            shutil.rmtree(f"{self.work}/p{number}")

    def tell(self, number, edit, folder, before, state, what, results):
        self.findings += len(results)
        options = self.options
        for kind, lines in results:
            print(f"FINDING {kind}: seed {options.seed}, edit {edit} (project {number}): {what}")
            for line in lines[:30]:
                print("    " + line)
            if len(lines) > 30:
                print(f"    and {len(lines) - 30} more")
        print(f"  folder: {folder}\n  options: {' '.join(state.arguments())}")
        if before:
            earlier = f"{self.work}/p{number}/before"
            os.makedirs(earlier)
            write_folder(earlier, {}, before.all_files())
            print(f"  before: {earlier}, options: {' '.join(before.arguments())}")
            print("  Dockerfile, from before to after:")
            print("".join(difflib.unified_diff(before.dockerfile().splitlines(True), state.dockerfile().splitlines(True), n=99)) or "(unchanged)")
        if not before or before.dockerfile() == state.dockerfile():
            print(f"  Dockerfile:\n{state.dockerfile()}")
        sys.stdout.flush()

    def run_all(self):
        last = max(0, -(-self.options.edits // self.options.edits_per_project) - 1)
        for number in range(last + 1) if self.options.project is None else [self.options.project]:
            self.run_project(number)


def main():
    options = parse_arguments()
    if not os.access(options.dbuild, os.X_OK):
        sys.exit(f"no dbuild at {options.dbuild}: --dbuild")
    start = time.monotonic()
    work = tempfile.mkdtemp(prefix="dbo-", dir=options.folder)  # short: it holds the engines' sockets
    engines, stop, run = [], lambda: None, None
    try:
        engines, stop = start_engines(options, work)
        make_base_images(engines, work)
        run = Run(options, work, engines)
        run.run_all()
    except Exception as error:  # the test's own trouble must not look like a finding
        print(f"the oracle could not go on: {error!r}; {work} is kept", file=sys.stderr)
        if os.environ.get("DBUILD_ORACLE_TRACE"):
            raise
        return 3
    finally:
        stop()
        if run:
            run.counts["archives read again"] = engines[0].retries
            print(", ".join(f"{name}: {count}" for name, count in run.counts.items()) +
                  "; seconds: " + ", ".join(f"{name} {count:.0f}" for name, count in run.seconds.items()) +
                  f", all {time.monotonic() - start:.0f}; findings: {run.findings} (seed {options.seed})")
            for reason, count in (+run.reasons).items():
                print(f"handed over {count} times: {reason}")
    if not run.findings and not options.keep:
        shutil.rmtree(work)
    return 1 if run.findings else 0


if __name__ == "__main__":
    sys.exit(main())
