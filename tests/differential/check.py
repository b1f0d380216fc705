#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does `dbuild check` find what `docker buildx build --call=check` finds? By hand, on a newer engine (scripts/newer_engine.sh): the
one that CI has knows no check.

For each Dockerfile of dockerfiles.txt and of lint.txt: the warnings' rules, lines and texts must be equal, or where it is refused,
the place of the error. Findings that contain TEXT are left out where a case has a line `@differs TEXT -- REASON`.

    DOCKER_HOST=unix:///… tests/differential/check.py [--only WORD] [--verbose]
Exit status: 0 equal, 1 differences, 2 wrong usage."""
import dataclasses
import json
import subprocess
import sys

from cases import HERE, Run
from frontend import CONTEXT, WORKERS, read_table, write_files


def run(command, environment):
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@dataclasses.dataclass
class Finding:
    first_line: int  # 0: nobody says where
    last_line: int
    text: str

    def __str__(self):
        return f"{self.first_line}-{self.last_line} {self.text}"


def mine(program, file, context, environment):
    """Errors, warnings."""
    output, trouble = run([program, "check", "--format", "json", "-f", file, context], environment)
    if not output:
        return [Finding(0, 0, trouble.strip())], []
    errors, warnings = [], []
    for one in json.loads(output)["diagnostics"]:
        found = Finding(one["first_line"], one["last_line"], ": ".join(filter(None, [one.get("rule"), one["message"]])))
        (errors if one["severity"] == "error" else warnings).append(found)
    return errors, warnings


def theirs(file, context, environment):
    """The error, warnings. Their places are whole instructions."""
    output, trouble = run(["docker", "buildx", "build", "--call=check,format=json", "-f", file, context], environment)
    if not output:
        return [Finding(0, 0, trouble.strip().splitlines()[-1])], []

    def finding(one, text):
        lines = [end.get("line", 0) for place in one.get("location", {}).get("ranges") or [] for end in place.values()] or [0]
        return Finding(min(lines), max(lines), text)

    found = json.loads(output)
    error = found.get("buildError")
    return ([finding(error, error["message"])] if error else [],
            [finding(one, f"{one['ruleName']}: {one['detail']}") for one in found.get("warnings") or []])


def is_within(mine, theirs):
    return theirs.first_line == 0 or theirs.first_line <= mine.first_line <= theirs.last_line


def compare(case, my_findings, their_findings):
    """Lines that say what differs. Of errors the first of BuildKit's must be among dbuild's, by its place."""
    excuses = [text.split(" -- ")[0] for text in case.settings.get("differs", [])]
    (my_errors, my_warnings), (their_errors, their_warnings) = [
        [[one for one in found if not any(excuse in one.text for excuse in excuses)] for found in side]
        for side in (my_findings, their_findings)]
    if my_errors or their_errors:
        if my_errors and their_errors and any(is_within(one, their_errors[0]) for one in my_errors):
            return []
        return [f"dbuild: {one}" for one in my_errors] + [f"buildx: {one}" for one in their_errors]
    left = list(their_warnings)
    lines = []
    for one in my_warnings:
        match = next((other for other in left if other.text == one.text and is_within(one, other)), None)
        if match:
            left.remove(match)
        else:
            lines.append(f"only dbuild: {one}")
    return lines + [f"only buildx: {one}" for one in left]


def main():
    run = Run(__doc__, "dbf-")
    context = f"{run.work}/context"
    write_files(context, CONTEXT)
    environment = run.engine.environment

    def judge(number, case):
        folder = f"{run.work}/{number}"
        case.write(folder)
        file = f"{folder}/Dockerfile"
        my_findings, their_findings = mine(run.program, file, context, environment), theirs(file, context, environment)
        return compare(case, my_findings, their_findings), their_findings[0] + their_findings[1]

    cases = [case for name in ("dockerfiles.txt", "lint.txt") for case in read_table(f"{HERE}/{name}")]
    judged = run.judge_all(cases, judge, WORKERS)
    difference_count = sum(bool(lines) for _, lines in judged)
    print(f"cases: {len(judged)}, different: {difference_count}")
    return 1 if difference_count else 0


if __name__ == "__main__":
    sys.exit(main())
