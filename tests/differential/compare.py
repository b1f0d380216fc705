# SPDX-License-Identifier: Apache-2.0
"""Finds where dbuild's image is not what BuildKit makes from nothing ("stale"), and where dbuild ran a step that a warm
BuildKit answered from its cache ("excess"). All functions return a list of lines, empty where nothing is wrong."""
import os
import re

# Modification times are compared where a command set them: below this folder, which only `touch -d` steps write to, never
# COPY (whose keys, BuildKit's too, leave times out).
TIMED_FOLDER = "touched/"
SHELLS = r"(?:/bin/sh -c |/bin/ash -ec )"


def normal_text(created_by):
    """History text without what dbuild writes as BuildKit 0.32 does and the engine's older BuildKit does not: exactly the
    texts of docs/decisions/0002-history-follows-the-newest-buildkit.md. What they say is compared in the configuration."""
    # 1. Which ARGs a RUN lists.
    text = re.sub(rf"^RUN \|\d+ .*?({SHELLS})", r"RUN \1", created_by, flags=re.DOTALL)
    text = re.sub(r"^RUN \|\d+ (?:[A-Z_]+=\S* )*", "RUN ", text)
    # 2. Whether ARG shows its value.
    text = re.sub(r"^ARG .*", "ARG", text, flags=re.DOTALL)
    # 3. How EXPOSE prints its list, the older one as a sorted map.
    text = re.sub(r"^EXPOSE (?:map)?\[(.*)\]$", lambda ports: "EXPOSE [" + " ".join(sorted(ports[1].replace(":{}", "").split())) + "]", text)
    # 4. How HEALTHCHECK prints its fields.
    text = re.sub(r"^HEALTHCHECK .*", "HEALTHCHECK", text, flags=re.DOTALL)
    # 5. Whether the path of WORKDIR is cleaned.
    return re.sub(r"^WORKDIR (.*)", lambda path: "WORKDIR " + os.path.normpath(path[1]), text)


def _describe(entry):
    if entry is None:
        return "absent"
    owner = "%d:%d" % entry.owner
    text = f"{entry.kind} {entry.mode:04o} {owner}"
    if entry.kind == "file":
        text += f" {entry.size} bytes {entry.shown[:60]!r}"
    return text + (f" → {entry.target}" if entry.target else "") + (f" {entry.xattrs}" if entry.xattrs else "")


def _link_groups(tree):
    groups = {}
    for path, entry in tree.items():
        groups.setdefault(id(entry), []).append(path)
    return {path: sorted(paths) for paths in groups.values() for path in paths}


def compare_trees(mine, theirs):
    """mine, theirs: Image (image.py)."""
    lines = []
    my_links, their_links = _link_groups(mine.tree), _link_groups(theirs.tree)
    for path in sorted(mine.tree.keys() | theirs.tree.keys()):
        one, other = mine.tree.get(path), theirs.tree.get(path)
        differences = []
        if one is None or other is None:
            differences.append("presence")
        else:
            for name in ("kind", "mode", "owner", "size", "target", "xattrs", "digest"):
                if getattr(one, name) != getattr(other, name):
                    differences.append(name)
            if my_links[path] != their_links[path]:
                differences.append(f"hard links ({my_links[path]}, {their_links[path]})")
            if path.startswith(TIMED_FOLDER) and one.kind == "file" and int(one.mtime) != int(other.mtime):
                differences.append(f"modification time ({one.mtime}, {other.mtime})")
        if differences:
            lines.append(f"tree: /{path}: {', '.join(differences)}; dbuild: {_describe(one)}, buildx --no-cache: {_describe(other)}; "
                         f"layer by: {(mine.made_by(one.layer) if one else theirs.made_by(other.layer))[:100]!r}")
    if mine.layer_count != theirs.layer_count:
        lines.append(f"tree: dbuild made {mine.layer_count} layers, buildx {theirs.layer_count}")
    return lines


def _compare_values(name, one, other, lines):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            _compare_values(f"{name}.{key}", one.get(key), other.get(key), lines)
    elif one != other:
        lines.append(f"{name}: dbuild: {one!r}, buildx --no-cache: {other!r}")


def compare_configs(mine, theirs):
    """All fields of the image configuration, but the times and what trees and histories are compared for."""
    parts = [{k: v for k, v in image.config.items() if k not in ("created", "rootfs", "history")} for image in (mine, theirs)]
    lines = []
    _compare_values("config", *parts, lines)
    return lines


def leaked(line, project):
    """Whether a line of compare_configs is what BuildKit's image has from a stage that it does not stand on. BuildKit copies the configuration of
    a stage for each child without its labels, ports and volumes, so that a child's are its siblings' too (dockerfile2llb's clone)."""
    found = re.match(r"config\.config\.(Labels|ExposedPorts|Volumes)\.(\S+): dbuild: None, ", line)
    if not found:
        return False
    keyword = {"Labels": "LABEL", "ExposedPorts": "EXPOSE", "Volumes": "VOLUME"}[found[1]]
    setters = {stage.number for stage in project.stages for step in stage.steps
               if re.search(rf"^{keyword}\b.*{re.escape(found[2])}", step.text, re.MULTILINE)}
    stage, ancestry = project.built_stage(), set()
    while stage is not None:
        ancestry.add(stage.number)
        stage = project.stage(stage.base) if isinstance(stage.base, int) else None
    return bool(setters) and not setters & ancestry


def compare_histories(mine, theirs):
    parts = []
    for image in (mine, theirs):
        entries = [{k: v for k, v in entry.items() if k != "created"} for entry in image.history()]
        parts.append([{**entry, "created_by": normal_text(entry.get("created_by", ""))} for entry in entries])
    lines = [f"history {i}: dbuild: {one}, buildx --no-cache: {other}" for i, (one, other) in enumerate(zip(*parts)) if one != other]
    if len(parts[0]) != len(parts[1]):
        lines.append(f"history: dbuild has {len(parts[0])} entries, buildx {len(parts[1])}")
    return lines


def compare_images(mine, theirs):
    return compare_trees(mine, theirs) + compare_configs(mine, theirs) + compare_histories(mine, theirs)


def refused_wildcard(output):
    """Whether BuildKit failed at a COPY with a pattern in a folder of which it got nothing. Elsewhere a pattern may match nothing, in BuildKit too:
    it fails or not by what other instructions copy from that folder."""
    step = re.search(r'"name": "\[[^"]*\] (?:COPY|ADD) ([^"]*)",[^}]*"error": "lstat \S*/buildkit-mount\d+/(\S+): no such file', output)
    return bool(step) and any(re.search(r"[*?[]", word) and os.path.dirname(word.lstrip("./")) == step[2] for word in step[1].split()[:-1])


def layer_steps(report):
    """stage → its instructions that make a layer, in order. report: the document of --report, as docs/report.md says."""
    stages = {}
    for step in sorted(report["steps"], key=lambda s: (s["stage"], s["position"])):
        if step["text"].split(None, 1)[0].upper() in ("RUN", "COPY", "ADD", "WORKDIR"):
            stages.setdefault(step["stage"], []).append(step)
    return stages


def ran_count(report):
    return sum(step["status"] == "ran" for step in report["steps"])


LOST = "a layer is no longer in the cache"  # dbuild's reason for making a hit again


def find_by_content(found):
    """(stage, number) of the steps that BuildKit found by content, and of all that stand on them, in child stages too. found: as in
    find_excess."""
    places, stages = set(), set()
    for _ in range(len({stage for stage, *_ in found})):  # a stage may stand before the one that it is based on
        before = None  # place and whether BuildKit ran it
        for stage, k, step, is_run in found:
            if before is None or before[0][0] != stage:
                base = re.match(r"earlier step: in stage ([^\s;]+)", step["reason"] or "")
                is_found = base and base[1] in stages
            else:
                was_looked_up = before[1] and is_run is False and re.search("type=(secret|ssh)", step["text"])
                is_found = was_looked_up or before[0] in places
            if is_found:
                places.add((stage, k))
                stages.add(stage)
            before = (stage, k), is_run
    return places


def find_excess(report, vertices, was_evicted=False):
    """Lines about steps that dbuild ran and BuildKit did not. vertices: name → whether BuildKit ran it (builds.py), e.g. "[build 2/4]
    RUN make": counted from 1, which is FROM unless the stage's base is another stage; without a stage where the only one has no name.
    was_evicted: the test took layers from dbuild's cache before, so that hits may have to be made again.
    BuildKit finds results of RUN --mount=type=secret and type=ssh (tried: no other type) by the content of the root file system, so
    also behind a step that ran, and with it what follows in the stage. dbuild has that cutoff for all steps, but not within one call of an executor: no finding."""
    places, totals = {}, {}
    for name, is_run in vertices.items():
        if place := re.match(r"\[(?:(\S+) )?\s*(\d+)/(\d+)\] ", name):
            key = (place[1] or "", int(place[2]))
            places[key] = places.get(key, False) or is_run
            totals[place[1] or ""] = int(place[3])
    # Stages that begin alike run their common steps once; in whose name is chance, so equal keys are one step.
    found = []  # (stage, number, step, whether BuildKit ran it, or None where it has none)
    run_keys = set()
    for stage, steps in layer_steps(report).items():
        stage_name = stage if stage in totals else ""
        first = totals.get(stage_name, len(steps)) - len(steps) + 1
        numbered = [step for step in steps if step["status"] != "metadata"]  # WORKDIR /: BuildKit counts it, but gives it no number
        for k, step in enumerate(numbered, first):
            is_run = places.get((stage_name, k))
            found.append((stage, k, step, is_run))
            if is_run and step["key"]:
                run_keys.add(step["key"])
    lines, found_by_content = [], find_by_content(found)
    for stage, k, step, is_run in found:
        is_excess = step["status"] == "ran" and not is_run and step["key"] not in run_keys and (stage, k) not in found_by_content
        if not is_excess or (was_evicted and step["reason"] == LOST):
            continue
        what = "has no such step" if is_run is None else "answered it from its cache"
        lines.append(f"dbuild ran [{stage} {k}] {step['text'][:120]!r} ({step['reason']}); warm BuildKit {what}")
    return lines
