# SPDX-License-Identifier: Apache-2.0
"""What can happen to a project between two builds. An edit changes the project in place and says what it did, or returns
None where it does not apply; `make_project` makes the first state."""
import copy
import gzip
import io
import tarfile

from project import File, Project
from steps import KINDS, WORDS, make_stage, make_step

STAGE_NAMES = ["build", "assets", "tools", "docs", "pack", "extra"]
# Named by a COPY or an ADD: deleting or renaming one makes the build fail, which is an edit of its own.
NEEDED = ["src/main.txt", "lib/tool", "pack.tar", "pack.tar.gz"]


def tar_bytes(members):
    """A tar of name → text; always the same bytes for the same members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in sorted(members.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime, entry.uid, entry.gid = len(text), 0o640, 1000000000, 1000, 1000
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def set_archives(project, word):
    data = tar_bytes({"packed/one": word, "packed/two": "constant", "three": word * 3})
    project.files["pack.tar"] = File(data=data)
    project.files["pack.tar.gz"] = File(data=gzip.compress(data, mtime=0))


def make_project(random, run, kinds, mount_weight):
    project = Project(run)
    project.global_args = {"GLOBAL": random.choice("12")}
    texts = {f"src/{name}.txt": random.choice(WORDS) + "\n" for name in ("main", "other", "third")}
    texts |= {"lib/a": "library\n" * 3, "lib/deep/b": "b\n", "conf/alpha.conf": "a=1\n", "conf/beta.conf": "b=2\n", "src/noise.log": "log\n",
              "src/with space": "space\n", "lib/ünicode": "u\n"}
    project.files = {path: File(data=text.encode()) for path, text in texts.items()}
    project.files |= {"lib/tool": File(data=b"#!/bin/sh\necho tool\n", mode=0o755), "src/link": File("symlink", b"main.txt"),
                      "lib/empty": File("directory", mode=0o755), "src/sub/leaf": File(data=b"leaf\n", mode=0o600),
                      "conf/out": File("symlink", b"/etc/passwd"), "lib/same": File("hardlink", b"lib/a")}
    set_archives(project, random.choice(WORDS))
    project.ignore = random.choice([[], ["*.log"], ["**/*.log", "!src/noise.log", "tmp"], ["ignored", "**/*.tmp"], ["Dockerfile", "ignored"]])
    names = random.sample(STAGE_NAMES, random.randint(0, 3)) + [random.choice(["", "final"])]
    for name in names:
        make_stage(random, project, name, kinds, mount_weight)
    return project


def _regular_files(project, needed=True):
    return sorted(p for p, file in project.files.items() if file.kind == "file" and not p.startswith("pack") and (needed or p not in NEEDED))


def _all_steps(project):
    return [(stage, step) for stage in project.stages for step in stage.steps]


# The context.

def content(random, project):
    path = random.choice(_regular_files(project))
    file = project.files[path]
    file.data = random.choice(WORDS).encode() + b" " + random.choice(WORDS).encode() + b"\n"
    file.keeps_time = False
    return f"new content of {path}"


def content_same_size_and_time(random, project):
    path = random.choice(_regular_files(project))
    file = project.files[path]
    file.data = bytes(random.choice(b"xyz") for _ in file.data[:-1]) + b"\n"
    file.keeps_time = True
    return f"new content of {path}, size and time as before"


def archive(random, project):
    set_archives(project, random.choice(WORDS))
    return "new content of pack.tar and pack.tar.gz"


def mode(random, project):
    path = random.choice(sorted(p for p, file in project.files.items() if file.kind in ("file", "directory")))
    file = project.files[path]
    file.mode = random.choice([0o755, 0o700, 0o4755] if file.kind == "directory" else [0o644, 0o600, 0o755, 0o664, 0o4755])
    return f"mode of {path}: {file.mode:o}"


def xattr(random, project):
    path = random.choice(_regular_files(project))
    project.files[path].xattrs = random.choice([{}, {"user.note": b"one"}, {"user.note": b"two"}])
    return f"extended attributes of {path}"


def rename(random, project):
    path = random.choice(_regular_files(project, needed=False) or ["lib/a"])
    new = path + random.choice([".txt", "2", ".tmp"])
    if path not in project.files or path == "lib/a" or new in project.files:
        return None
    project.files[new] = project.files.pop(path)
    return f"{path} renamed to {new}"


def delete(random, project):
    paths = [p for p in _regular_files(project, needed=random.random() < 0.05) if p != "lib/a"]
    if len(paths) < 3:
        return None
    path = random.choice(paths)
    del project.files[path]
    return f"{path} deleted"


def add(random, project):
    path = random.choice(["src/", "lib/deep/", "src/new/", ""]) + random.choice(["n1.txt", "n2", "n3.tmp", ".hidden"])
    project.files[path] = File(data=random.choice(WORDS).encode() + b"\n")
    return f"{path} added"


def add_ignored(random, project):
    if "ignored" not in project.ignore:
        project.ignore.append("ignored")
    path = f"ignored/{random.choice(WORDS)}"
    project.files[path] = File(data=random.choice(WORDS).encode())
    return f"ignored file {path}"


def add_directory(random, project):
    path = random.choice(["src/", "lib/"]) + random.choice(["empty1", "empty2"])
    if path in project.files:
        del project.files[path]
        return f"empty directory {path} removed"
    project.files[path] = File("directory", mode=0o755)
    return f"empty directory {path} added"


def symlink(random, project):
    path = random.choice(["src/link", "src/link2", "lib/link", "conf/out"])
    target = random.choice([b"main.txt", b"../lib/a", b"/etc/group", b"dangling", b"../src"])
    project.files[path] = File("symlink", target)
    return f"symlink {path} → {target.decode()}"


def kind_of_file(random, project):
    path = "src/changeling"
    file = random.choice([File(data=b"file\n"), File("directory", mode=0o755), File("symlink", b"main.txt"), File("hardlink", b"lib/a")])
    project.files[path] = file
    return f"{path} is a {file.kind}"


def ignore(random, project):
    line = random.choice(["*.log", "**/*.tmp", "src/third.txt", "!src/third.txt", "lib/deep", "# a comment", "conf/b*", "**/sub", "Dockerfile", ".hidden"])
    if line in project.ignore:
        project.ignore.remove(line)
        return f".dockerignore without {line}"
    project.ignore.append(line)
    return f".dockerignore with {line}"


def touch(random, project):
    return "touched: new modification times of all files"  # run.py does it: times are no part of the state


def move(random, project):
    return "moved: the folder has another name"  # likewise


def evict(random, project):
    return "evicted: dbuild's cache keeps no layer"  # likewise


# The Dockerfile.

def value(random, project, kinds=None):
    steps = [step for _, step in _all_steps(project) if step.choices and (kinds is None or step.kind in kinds)]
    if not steps:
        return None
    step = random.choice(steps)
    name = random.choice(sorted(step.choices))
    step.values[name] = random.choice(step.choices[name])
    return f"another word in the {step.kind} step"


def env(random, project):
    return value(random, project, {"env"})


def arg(random, project):
    return value(random, project, {"arg"})


def same_outcome(random, project):
    return value(random, project, {"cutoff"})


def env_order(random, project):
    for _, step in _all_steps(project):
        for one, other in (("ENV ONE=@w@ TWO=@v@", "ENV TWO=@v@ ONE=@w@"), ("ENV TWO=@v@ ONE=@w@", "ENV ONE=@w@ TWO=@v@")):
            if step.text == one:
                step.text = other
                return "order of ENV names"
    return None


def style(random, project):
    step = random.choice(_all_steps(project))[1]
    names = ["comment", "blank", "trailing"] + (["lower", "continued"] if step.kind != "shell" else [])
    name = random.choice(names)
    step.style ^= {name}
    return f"{name} {'on' if name in step.style else 'off'} at the {step.kind} step"


def _generated(random, project, stage, settings):
    return make_step(random, project, stage, settings["kinds"], settings["mount_weight"])


def add_step(random, project, settings):
    stage = random.choice(project.stages)
    if len(stage.steps) > 9:
        return None
    step = _generated(random, project, stage, settings)
    stage.steps.insert(random.randint(1, len(stage.steps)), step)
    return f"{step.kind} step added to stage {stage.name or 'without name'}"


def remove_step(random, project):
    candidates = [(stage, step) for stage, step in _all_steps(project) if not step.is_fixed]
    if not candidates:
        return None
    stage, step = random.choice(candidates)
    stage.steps.remove(step)
    return f"{step.kind} step removed"


def swap_steps(random, project):
    stage = random.choice(project.stages)
    if len(stage.steps) < 3:
        return None
    i = random.randint(1, len(stage.steps) - 2)
    stage.steps[i], stage.steps[i + 1] = stage.steps[i + 1], stage.steps[i]
    return f"{stage.steps[i + 1].kind} and {stage.steps[i].kind} steps swapped"


def base_image(random, project):
    stages = [stage for stage in project.stages if isinstance(stage.base, str)]
    stage = random.choice(stages)
    stage.base = random.choice(["dbuild-test/busybox:1", "dbuild-test/busybox:2", project.base_tag(), "dbuild-test/busybox:$GLOBAL"])
    return f"stage {stage.name or 'without name'} from {stage.base}"


def base_tag_moves(random, project):
    project.base_version = random.choice(sorted({3, 4, 5} - {project.base_version}))
    return f"the base tag points to busybox:{project.base_version}"


def global_arg(random, project):
    project.global_args["GLOBAL"] = random.choice("12")
    return "default of the global ARG"


def build_arg(random, project):
    name, words = random.choice([("ONE", WORDS), ("TWO", WORDS), ("GLOBAL", ["1", "2"]), ("HTTP_PROXY", ["http://one.invalid", "http://two.invalid"]), ("UNUSED", WORDS)])
    project.build_args = [a for a in project.build_args if not a.startswith(name + "=")]
    if random.random() < 0.3:
        return f"no --build-arg {name}"
    project.build_args.append(f"{name}={random.choice(words)}")
    return f"--build-arg {project.build_args[-1]}"


def target(random, project):
    choices = [None, None] + [stage.number for stage in project.stages if stage.name]
    project.target = random.choice(choices)
    return "--target " + ("of the last stage" if project.target is None else project.stage(project.target).name)


def stage_order(random, project):
    places = [i for i in range(len(project.stages) - 1) if project.stages[i].number not in project.stages[i + 1].sources()]
    if not places:
        return None
    i = random.choice(places)
    project.stages[i], project.stages[i + 1] = project.stages[i + 1], project.stages[i]
    return f"stages {i} and {i + 1} swapped"


def stage_name(random, project):
    named = [stage for stage in project.stages if stage.name]
    free = sorted(set(STAGE_NAMES) - {stage.name for stage in named})
    if not named or not free:
        return None
    stage = random.choice(named)
    old, stage.name = stage.name, random.choice(free)
    return f"stage {old} renamed to {stage.name}"


EDITS = {edit.__name__: edit for edit in (
    content, content_same_size_and_time, archive, mode, xattr, rename, delete, add, add_ignored, add_directory, symlink, kind_of_file, ignore, touch,
    move, evict, value, env, arg, same_outcome, env_order, style, add_step, remove_step, swap_steps, base_image, base_tag_moves, global_arg, build_arg,
    target, stage_order, stage_name)}
WEIGHTS = {"content": 3, "value": 4, "style": 2, "add_step": 2, "same_outcome": 3, "move": 0.5, "xattr": 0.5, "kind_of_file": 0.7, "env_order": 2}
CASES = sorted(set(KINDS) | set(EDITS) | {"revert"})


def edit_project(random, project, past, kinds, edits, mount_weight):
    """Returns the next state and what happened. past: earlier states, one of which may come back (the edit `revert`)."""
    if "revert" in edits and len(past) > 1 and random.random() < 0.1:
        i = random.randrange(len(past) - 1)
        state = copy.deepcopy(past[i])
        state.next_number = project.next_number  # numbers are never used twice: they name cache mounts
        return state, f"back to state {i}"
    names = sorted(set(edits) - {"revert"})
    for _ in range(100):
        state = copy.deepcopy(project)
        name = random.choices(names, [WEIGHTS.get(n, 1) for n in names])[0]
        arguments = ({"kinds": kinds, "mount_weight": mount_weight},) if name == "add_step" else ()
        what = EDITS[name](random, state, *arguments)
        if what is not None:
            return state, f"{name}: {what}"
    return copy.deepcopy(project), "nothing"
