#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are images that dbuild makes without BuildKit those that BuildKit makes?

images.txt is a table of Dockerfiles of COPY, ADD, WORKDIR and metadata. Each is built by dbuild and by `docker buildx build` on one
engine. What one refuses the other refuses, in the words of the table; where both build, equal are: tree, configuration and
history (compare.py); types and annotations of the manifest; and layer by layer the entries in their order, with type, mode, owner, link, extended attributes, bytes and
time, where only times that lie inside the builds may differ. A layer without such times has the same diff_id. dbuild calls no
executor unless there is a RUN, and makes nothing twice.

    DOCKER_HOST=unix:///… tests/differential/images.py [--only WORD] [--newer] [--verbose]
Exit status: 0 equal, 1 differences, 2 wrong usage."""
import collections
import hashlib
import io
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time

import compare
import image
from builds import build_with_buildx, run_program
from cases import HERE, Run, read_blocks

WORKERS = 2
MINIMUM = 120  # Dockerfiles: a table that was lost must not pass
FIRST_BUILD_TIME = 1735689600  # files of the context and of archives are older, or from after the builds


class Case:
    """One entry of images.txt: `=== TITLE`, or `=== refused: TITLE`; lines `@NAME VALUE`; the Dockerfile.
    `@each NAME a | b`: one Dockerfile for each value, which stands where text and settings say {NAME}; several multiply.
    `@options`: of both builders. `@output`: further attributes of both outputs. `@says WORDS`: what both must say. `@older-engine`: only a newer engine can be asked."""

    def __init__(self, title, settings, text):
        self.is_refused = title.startswith("refused: ")
        self.title, self.settings, self.dockerfile = title.removeprefix("refused: "), settings, text

    def __str__(self):
        return self.title

    def options(self):
        return self.settings.get("options", "").split()

    def output(self, folder):
        return ",".join(["type=oci,tar=false", f"dest={folder}", *self.settings.get("output", "").split()])


def read_table(path):
    cases = []
    for title, given, lines in read_blocks(path):
        settings, choices = {}, []
        for name, value in given:
            if name == "each":
                variable, _, values = value.partition(" ")
                choices.append([(variable, word.strip()) for word in values.split("|")])
            elif name in ("options", "output", "says", "older-engine"):
                settings[name] = value
            else:
                raise ValueError(f"{title}: unknown @{name}")
        text = "\n".join(lines).rstrip("\n").replace("BASE", "dbuild-test/busybox:1") + "\n"
        for chosen in itertools.product(*choices):
            filled, own = text, dict(settings)
            for variable, value in chosen:
                if "{" + variable + "}" not in "".join([text, *settings.values()]):
                    raise ValueError(f"{title}: no {{{variable}}}")
                filled = filled.replace("{" + variable + "}", value)
                own = {name: setting.replace("{" + variable + "}", value) for name, setting in own.items()}
            cases.append(Case("; ".join([title, *(value or "none" for _, value in chosen)]), own, filled))
    return cases


def make_bases(engine):
    """Images that no Dockerfile makes: histories that disagree with the layers, a configuration without PATH."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    def layer(name):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            entry = tarfile.TarInfo(name)
            entry.mtime = 1577934245
            tar.addfile(entry)
        return out.getvalue()
    def step(text, **more):
        return {"created": "2020-01-02T03:04:05Z", "created_by": text, **more}
    layers = [layer("one"), layer("two")]
    bases = {
        "no-history": (layers, None, {}),
        "short-history": (layers, [step("first")], {}),
        "long-history": (layers, [step("first"), step("second"), step("third"), step("fourth", empty_layer=True)], {}),
        "undated-history": (layers, [{"created_by": "first"}, {"created_by": "meta", "empty_layer": True}, {"created_by": "second"}], {}),
        "no-layers": ([], [step("ENV A=b", empty_layer=True)], {"Env": ["A=b"]}),
        "configured": (layers, [step("first"), step("second")],
                       {"Env": ["A=b", "EMPTY="], "Entrypoint": ["/e"], "Cmd": ["c"], "User": "7:8", "WorkingDir": "/work", "StopSignal": "SIGINT",
                        "Labels": {"l": "base", "m": "base"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "Shell": ["/bin/x", "-y"],
                        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 90000000000, "Retries": 2}, "OnBuild": ["COPY one /triggered", "LABEL t=u"]}),
    }
    for name, (contents, history, settings) in bases.items():
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        def put(data, media_type):
            digest = hashlib.sha256(data).hexdigest()
            files["blobs/sha256/" + digest] = data
            return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": "sha256:" + digest, "size": len(data)}
        config = {"architecture": machine, "os": "linux", "created": "2020-01-02T03:04:05Z", "config": settings,
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in contents]}}
        if history is not None:
            config["history"] = history
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": put(json.dumps(config).encode(), "config.v1+json"), "layers": [put(data, "layer.v1.tar") for data in contents]}
        entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
        entry["annotations"] = {"io.containerd.image.name": f"docker.io/dbuild-test/{name}:1", "org.opencontainers.image.ref.name": "1"}
        files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path, data in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        engine.request("POST", "/images/load?quiet=1", out.getvalue())


def is_of_the_build(mtime):
    return FIRST_BUILD_TIME <= mtime <= time.time() + 1


def layer_lines(entries):
    """Text for each entry of a layer, and whether all its times are the same whenever it is made."""
    lines, is_timeless = [], True
    for path, entry in entries:
        if isinstance(entry, str):
            lines.append(f"{path}: hard link to {entry}")
            continue
        is_timeless = is_timeless and not is_of_the_build(entry.mtime)
        when = "now" if is_of_the_build(entry.mtime) else str(entry.mtime)
        lines.append(f"{path}: {entry.kind} {entry.mode:04o} {entry.owner} {entry.size} {entry.target} {entry.xattrs} {entry.digest[:12]} {when}")
    return lines, is_timeless


def compare_layers(mine, theirs):
    lines = []
    ids = [built.config["rootfs"]["diff_ids"] or [] for built in (mine, theirs)]
    for number, (one, other) in enumerate(zip(mine.layers, theirs.layers)):
        (my_lines, _), (their_lines, is_timeless) = layer_lines(one), layer_lines(other)
        if my_lines != their_lines:
            lines.append(f"layer {number} ({theirs.made_by(number)!r}), dbuild's entries, then buildx's, from where they differ:")
            place = next((i for i, pair in enumerate(zip(my_lines, their_lines)) if pair[0] != pair[1]), min(len(my_lines), len(their_lines)))
            lines += ["  < " + line for line in my_lines[place:place + 6]] + ["  > " + line for line in their_lines[place:place + 6]]
        elif is_timeless and ids[0][number] != ids[1][number]:
            lines.append(f"layer {number} ({theirs.made_by(number)!r}): equal entries, but another diff_id")
    return lines


def manifest_lines(built):
    """What a manifest says besides digests and sizes; of layers whose types they have: how they are packed is not the manifest's."""
    def kind(media_type):
        return re.sub(r"(\.tar).*", r"\1", media_type)
    root, manifest = built.root, built.manifest
    named = {name: value for name, value in root.get("annotations", {}).items() if not name.startswith("org.opencontainers.image.")}
    return [f"root: {root['mediaType']} {named}", f"manifest: {manifest['mediaType']} {manifest.get('annotations')} {manifest['config']['mediaType']}",
            *(f"layer: {kind(layer['mediaType'])} {layer.get('annotations')}" for layer in manifest["layers"] or [])]


class Comparison:
    def __init__(self, program, engine, work, is_newer_engine):
        self.program, self.engine, self.work, self.is_newer_engine = program, engine, work, is_newer_engine
        self.context = f"{work}/context"
        os.makedirs(self.context)
        subprocess.run([f"{HERE}/images_context.sh"], cwd=self.context, check=True)
        make_bases(engine)

    def build(self, folder, name, output, arguments):
        shutil.rmtree(f"{folder}/mine", ignore_errors=True)
        outcome = run_program([self.program, "--report", f"{folder}/{name}.json", "--output", output, *arguments, self.context], {**self.engine.environment, "DBUILD_CACHE_DIR": f"{self.work}/cache"})
        reason = re.search(r"handing the whole build to docker buildx build: (.*)", outcome.output)
        outcome.handed_over = reason[1] if reason else ""
        if os.path.exists(f"{folder}/{name}.json"):
            with open(f"{folder}/{name}.json") as file:
                outcome.report = json.load(file)
        return outcome

    def judge(self, number, case):
        """Lines that say what differs."""
        folder = f"{self.work}/{number}"
        os.makedirs(folder)
        with open(f"{folder}/Dockerfile", "w") as file:
            file.write(case.dockerfile)
        # Under a name of its own: BuildKit would otherwise add to what it kept of the last case's context, and forget folders' times.
        context = f"{folder}/context-{number}"
        os.symlink(self.context, context)
        arguments = ["-f", f"{folder}/Dockerfile", *case.options()]
        mine = self.build(folder, "mine", case.output(f"{folder}/mine"), arguments)
        theirs = None
        if self.is_newer_engine or "older-engine" not in case.settings:
            theirs = build_with_buildx(self.engine, f"{folder}/theirs", ["--provenance=false"], arguments, context, case.output(f"{folder}/theirs"))
        lines = []
        for who, outcome in (("dbuild", mine), ("buildx", theirs)):
            if outcome and outcome.exit_code != int(case.is_refused):
                lines += [f"{who}: exit status {outcome.exit_code}", *outcome.output.splitlines()[-6:]]
            if outcome and case.settings.get("says", "") not in outcome.output:
                lines += [f"{who}: does not say {case.settings['says']!r}", *outcome.output.splitlines()[-6:]]
        if mine.handed_over:
            lines.append("handed over: " + mine.handed_over)
        if lines:
            return lines
        if "\nRUN " not in case.dockerfile and mine.report["totals"]["executor_calls"] != 0:
            lines.append("dbuild called an executor")
        if case.is_refused:
            return lines
        if theirs:
            mine.image = image.read_layout(f"{folder}/mine")
            lines += compare.compare_images(mine.image, theirs.image) + compare_layers(mine.image, theirs.image)
            pairs = itertools.zip_longest(manifest_lines(mine.image), manifest_lines(theirs.image))
            lines += [f"dbuild: {one}, buildx: {other}" for one, other in pairs if one != other]
            if self.is_newer_engine:  # whose texts dbuild writes, but for HEALTHCHECK's, which became readable later (BuildKit 0.32)
                texts = [[entry.get("created_by", "") for entry in built.history()] for built in (mine.image, theirs.image)]
                lines += [f"history: dbuild: {one!r}, buildx: {other!r}" for one, other in zip(*texts)
                          if one != other and not one.startswith("HEALTHCHECK")]
        again = self.build(folder, "again", case.output(f"{folder}/mine"), arguments)
        return lines + [f"made twice ({step['reason']}): {step['text']}" for step in again.report["steps"] if step["status"] in ("ran", "made")]


def main():
    cases = read_table(f"{HERE}/images.txt")
    if len(cases) < MINIMUM:
        sys.exit(f"only {len(cases)} cases")
    run = Run(__doc__, "dbi-")
    comparison = Comparison(run.program, run.engine, run.work, run.options.newer)
    judged = run.judge_all(cases, lambda *case: (comparison.judge(*case), []), WORKERS)
    counts = collections.Counter("refused" if case.is_refused else "built" for case, _ in judged)
    counts["different"] = sum(bool(lines) for _, lines in judged)
    counts["not asked of this engine"] = sum("older-engine" in case.settings and not run.options.newer for case, _ in judged)
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
