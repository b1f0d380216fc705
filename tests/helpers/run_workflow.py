#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a GitHub Actions workflow as far as that goes without the service: every job on a "machine" of its own, which is a
clone of the repository and an empty dbuild cache; `run` lines by bash. Caches and artifacts are folders.

Usage: run_workflow.py FILE REPOSITORY STATE [github.NAME=VALUE...]
In STATE stay caches/ and artifacts/, and jobs/JOB-N/ with what each job left behind. Knows what examples/ use, and refuses
all else.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import yaml


class Machine:
    """What one job, or one member of its matrix, runs on."""

    def __init__(self, folder, values, state):
        self.folder, self.values, self.state = folder, dict(values), state
        self.work = folder / "work"
        self.saves = []

    def expand(self, text):
        def value(match):
            expression = match.group(1).strip()
            if expression not in self.values:
                raise SystemExit(f"run_workflow.py: cannot evaluate {expression}")
            return self.values[expression]

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)

    def run(self, step, repository):
        inputs = {name: self.expand(str(text)) for name, text in step.get("with", {}).items()}
        action = step.get("uses", "run").split("@")[0]
        if action == "run":
            output = self.folder / "output"
            output.write_text("")
            environment = dict(os.environ, GITHUB_OUTPUT=str(output), DBUILD_CACHE_DIR=str(self.folder / "cache"))
            subprocess.run(["bash", "-e", "-o", "pipefail", "-c", self.expand(step["run"])], cwd=self.work, env=environment, check=True)
            for line in output.read_text().splitlines():
                name, _, text = line.partition("=")
                self.values[f"steps.{step['id']}.outputs.{name}"] = text
        elif action == "actions/checkout":
            subprocess.run(["git", "clone", "-q", str(repository), str(self.work)], check=True)
        elif action == "actions/cache":
            self.restore_cache(inputs)
        elif action == "actions/upload-artifact":
            shutil.copytree(self.work / inputs["path"], self.state / "artifacts" / inputs["name"])
        elif action == "actions/download-artifact":
            shutil.copytree(self.state / "artifacts" / inputs["name"], self.work / inputs["path"])
        else:
            raise SystemExit(f"run_workflow.py: does not know {action}")

    def restore_cache(self, inputs):
        """The key itself, else the newest one that begins with a restore key; saved when the job ends, if it is new."""
        caches = self.state / "caches"
        caches.mkdir(exist_ok=True)
        names = sorted(caches.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        found = [path for path in names if path.name == inputs["key"]]
        for prefix in inputs.get("restore-keys", "").split():
            found += [path for path in names if path.name.startswith(prefix)]
        if found:
            shutil.copytree(found[0], self.work / inputs["path"])
        if not (found and found[0].name == inputs["key"]):
            self.saves.append((self.work / inputs["path"], caches / inputs["key"]))

    def finish(self):
        for folder, saved in self.saves:
            shutil.copytree(folder, saved)
            os.utime(saved)


def members(matrix):
    """The combinations of a matrix, as values."""
    if "include" in matrix:
        return [{f"matrix.{name}": text for name, text in member.items()} for member in matrix["include"]]
    combined = [{}]
    for name, values in matrix.items():
        combined = [{**member, f"matrix.{name}": value} for member in combined for value in values]
    return combined


def main():
    file, repository, state = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
    known = dict(word.split("=", 1) for word in sys.argv[4:])
    state.mkdir(parents=True, exist_ok=True)
    jobs = yaml.safe_load(file.read_text())["jobs"]
    for name, job in jobs.items():  # in the order of the file, which must be that of their needs
        matrix = job.get("strategy", {}).get("matrix", {})
        if isinstance(matrix, str):
            expression = re.fullmatch(r"\$\{\{ *fromJSON\((.*)\) *\}\}", matrix).group(1)
            matrix = json.loads(known[expression])
        condition = job.get("if")
        if condition:
            left, right = re.fullmatch(r"\$\{\{ *(\S+) != '(.*)' *\}\}", condition).groups()
            if known[left] == right:
                print(f"{name}: skipped")
                continue
        for number, values in enumerate(members(matrix)):
            folder = state / "jobs" / f"{file.stem}-{name}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            print(f"{name} {' '.join(values.values())}", flush=True)
            machine = Machine(folder, {**known, **values}, state)
            for step in job["steps"]:
                machine.run(step, repository)
            machine.finish()
            for output, text in job.get("outputs", {}).items():
                known[f"needs.{name}.outputs.{output}"] = machine.expand(text)


main()
