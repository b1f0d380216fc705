# SPDX-License-Identifier: Apache-2.0
"""What the tests share that walk a table of Dockerfiles: the blocks of a table, the command line, the loop with its report."""
import argparse
import concurrent.futures
import os
import shutil
import tempfile

from builds import Engine

HERE = os.path.dirname(os.path.abspath(__file__))


def read_blocks(path):
    """(title, [(name, value)…], lines) of each entry: `=== TITLE`, lines `@NAME VALUE`, further lines."""
    with open(path) as file:
        _, *blocks = ("\n" + file.read()).split("\n=== ")
    for block in blocks:
        title, *lines = block.split("\n")
        settings = []
        while lines and lines[0].startswith("@"):
            name, _, value = lines.pop(0)[1:].partition(" ")
            settings.append((name, value))
        yield title, settings, lines


class Run:
    """One run over a table: the program, an engine, a folder for what is made, and the command line's options."""

    def __init__(self, description, prefix):
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--only", default="", help="cases with this word in their title")
        parser.add_argument("--verbose", action="store_true", help="name every case, and what there is to say of it")
        parser.add_argument("--newer", action="store_true", help="the engine is a newer one: ask it also for the cases marked older-engine")
        self.options = parser.parse_args()
        address = os.environ.get("DOCKER_HOST", "")
        if state := os.environ.get("DBUILD_TEST_STATE_DIR"):  # ctest's fixture
            with open(f"{state}/engine_shared") as file:
                address = file.read().strip()
        if not address.startswith("unix://"):
            parser.error("DOCKER_HOST must be a unix:// address")
        self.program = os.environ.get("DBUILD", f"{HERE}/../../build/ci/bin/dbuild")
        self.work = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
        self.engine = Engine(address.removeprefix("unix://"), f"{self.work}/home")

    def judge_all(self, cases, judge, workers):
        """Prints what differs; without a difference the folder goes. judge(number, case) gives lines of what differs, and those
        that only --verbose shows. Out: pairs of case and the former, of the chosen cases in their order."""
        chosen = [(number, case) for number, case in enumerate(cases) if self.options.only in case.title]
        judged = []
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for (number, case), (lines, notes) in zip(chosen, pool.map(lambda pair: judge(*pair), chosen)):
                judged.append((case, lines))
                if lines or self.options.verbose:
                    print(f"{'DIFFERS' if lines else 'equal'}: {case} ({self.work}/{number}/Dockerfile)", flush=True)
                for line in lines or (notes if self.options.verbose else []):
                    print(f"    {line}")
        if not any(lines for _, lines in judged):
            shutil.rmtree(self.work)
        return judged
