#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does dbuild's front end give the verdict, and the expanded values, that the engine's own gives?

dockerfiles.txt is a table of small Dockerfiles without RUN. Each is built by dbuild and by `docker buildx build` on one engine:
both must take or refuse it, as the table says, and the images must be equal in tree, configuration and history (compare.py).
What dbuild hands over to buildx is judged by `dbuild check`. Cases marked `outline` are not built but asked for with
`--print=outline,format=json`, and `dbuild check` stands against it.

    DOCKER_HOST=unix:///… tests/differential/frontend.py [--only WORD] [--newer] [--verbose]
Exit status: 0 equal, 1 differences, 2 wrong usage."""
import collections
import os
import shlex
import sys

import compare
from builds import build_layout_with_dbuild, build_with_buildx, run_program
from cases import HERE, Run, read_blocks

CONTEXT = {"a": "a\n", "b": "b\n", "dir/c": "c\n", "dir/d.txt": "d\n", "with blank": "e\n", "more/x.log": "x\n", "more/keep.log": "y\n"}
MINIMUM = 60  # cases: a table that was lost must not pass
WORKERS = 4  # they wait for the engine more than they compute


class Case:
    """One entry of dockerfiles.txt: `=== accepted: TITLE` or `=== refused: TITLE`, lines `@NAME VALUE`, the Dockerfile."""

    def __init__(self, head, settings, lines):
        self.verdict, self.title = head.split(": ", 1)
        if self.verdict not in ("accepted", "refused"):
            raise ValueError(f"neither accepted nor refused: {head}")
        self.settings = {}
        for name, value in settings:
            self.settings.setdefault(name, []).append(value)
        if unknown := set(self.settings) - {"options", "ignore", "form", "outline", "handed-over", "older-engine", "differs"}:
            raise ValueError(f"{self.title}: unknown {unknown}")
        text = "\n".join(lines).rstrip("\n") + "\n"
        form = self.settings.get("form", [""])[0]
        text = {"": text, "crlf": text.replace("\n", "\r\n"), "bom": "\ufeff" + text, "no-newline": text[:-1]}[form]
        self.dockerfile = text.encode()

    def __str__(self):
        return f"{self.verdict}: {self.title}"

    def write(self, folder):
        """The Dockerfile, and the ignore file beside it where the case has one."""
        os.makedirs(folder)
        with open(f"{folder}/Dockerfile", "wb") as file:
            file.write(self.dockerfile)
        if "ignore" in self.settings:
            with open(f"{folder}/Dockerfile.dockerignore", "w") as file:
                file.write("\n".join(self.settings["ignore"]) + "\n")

    def options(self):
        return [word for line in self.settings.get("options", []) for word in shlex.split(line)]


def read_table(path):
    return [Case(*block) for block in read_blocks(path)]


def write_files(folder, files):
    for name, text in files.items():
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)


def verdict_of(exit_code):
    return {0: "accepted", 1: "refused"}.get(exit_code, f"exit status {exit_code}")


class Comparison:
    def __init__(self, program, engine, work, is_newer_engine):
        self.program, self.engine, self.work, self.is_newer_engine = program, engine, work, is_newer_engine
        self.context = f"{work}/context"
        write_files(self.context, CONTEXT)

    def judge(self, number, case):
        """Lines that say what differs."""
        folder = f"{self.work}/{number}"
        case.write(folder)
        arguments = ["-f", f"{folder}/Dockerfile", *case.options()]
        asks_engine = "older-engine" not in case.settings or (self.is_newer_engine and "differs" not in case.settings)
        mine = self.check(folder) if "outline" in case.settings else build_layout_with_dbuild(
            self.program, self.engine, f"{self.work}/cache", f"{folder}/mine", arguments, self.context)
        theirs = None
        if asks_engine and "outline" in case.settings:
            theirs = self.ask_outline(arguments)
        elif asks_engine:
            theirs = build_with_buildx(self.engine, f"{folder}/theirs", ["--provenance=false"], arguments, self.context)
        lines = []
        if bool(mine.handed_over) != ("handed-over" in case.settings):
            lines.append(f"handed over: {mine.handed_over or 'no'}")
        if mine.handed_over:
            mine = self.check(folder)
        if verdict_of(mine.exit_code) != case.verdict:
            lines += [f"dbuild: {verdict_of(mine.exit_code)}", *mine.output.splitlines()[-12:]]
        if theirs and verdict_of(theirs.exit_code) != case.verdict:
            lines += [f"buildx: {verdict_of(theirs.exit_code)}", *theirs.output.splitlines()[-12:]]
        if theirs and mine.image and theirs.image:
            lines += compare.compare_images(mine.image, theirs.image)
        return lines

    def check(self, folder):
        return run_program([self.program, "check", f"{folder}/Dockerfile"], self.engine.environment)

    def ask_outline(self, arguments):
        return run_program(["docker", "buildx", "build", "--print=outline,format=json", *arguments, self.context],
                           {**self.engine.environment, "BUILDX_EXPERIMENTAL": "1"})


def main():
    cases = read_table(f"{HERE}/dockerfiles.txt")
    if len(cases) < MINIMUM:
        sys.exit(f"only {len(cases)} cases")
    run = Run(__doc__, "dbf-")
    comparison = Comparison(run.program, run.engine, run.work, run.options.newer)
    judged = run.judge_all(cases, lambda *case: (comparison.judge(*case), []), WORKERS)
    counts = collections.Counter(case.verdict for case, _ in judged)
    counts["differs in the older engine"] = sum("older-engine" in case.settings for case, _ in judged)
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    return 1 if any(lines for _, lines in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
