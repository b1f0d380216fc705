# SPDX-License-Identifier: Apache-2.0
"""A project under test: stages of steps and the files of the context, as values that edits change, and how they become a
folder. What a step can be is in steps.py, what can happen to a project in edits.py."""
import os
import re
import shutil
from dataclasses import dataclass, field


@dataclass
class File:
    """An entry of the context. `data` is a file's bytes, a symlink's target, or the path that a hard link shares."""
    kind: str = "file"  # file, directory, symlink, hardlink
    data: bytes = b""
    mode: int = 0o644
    xattrs: dict = field(default_factory=dict)
    keeps_time: bool = False  # written with the modification time that the path had before


@dataclass
class Step:
    """One or more instructions that stay together. `text` holds @name@ for each of `values`; @from@ and @from_index@ name
    the stage with the number `source`; @run@ is a word that is unique to the project."""
    kind: str
    text: str
    values: dict = field(default_factory=dict)   # name → word that is in force
    choices: dict = field(default_factory=dict)  # name → words that an edit may choose from
    source: int | None = None
    is_fixed: bool = False  # never removed or moved: later steps rely on it
    style: set = field(default_factory=set)  # comment, blank, lower, trailing, continued: how it is written


@dataclass
class Stage:
    number: int  # identity, stays when the stage moves
    name: str    # empty: no AS
    base: str | int  # image reference or the number of another stage
    steps: list = field(default_factory=list)

    def sources(self):
        """Numbers of the stages that must stand before this one."""
        numbers = {step.source for step in self.steps if step.source is not None}
        return numbers | ({self.base} if isinstance(self.base, int) else set())


@dataclass
class Project:
    run: str  # unique word: names of cache mounts and images
    stages: list = field(default_factory=list)
    files: dict = field(default_factory=dict)         # path → File
    ignore: list = field(default_factory=list)        # lines of .dockerignore
    global_args: dict = field(default_factory=dict)   # ARGs before the first FROM
    build_args: list = field(default_factory=list)    # "NAME=VALUE" on the command line, in order
    target: int | None = None                         # number of a stage
    base_version: int = 3                             # of busybox: what the project's own base tag points to, 3 to 5
    next_number: int = 0

    def new_number(self):
        self.next_number += 1
        return self.next_number

    def base_tag(self):
        """The tag that `base_version` moves."""
        return f"dbuild-test/{self.run}-base:1"

    def stage(self, number):
        return next(stage for stage in self.stages if stage.number == number)

    def built_stage(self):
        return self.stages[-1] if self.target is None else self.stage(self.target)

    def arguments(self):
        """Options of `docker build`, but the context and the tag."""
        options = [word for value in self.build_args for word in ("--build-arg", value)]
        if self.target is not None:
            options += ["--target", self.stage(self.target).name]
        return options

    def dockerfile(self):
        lines = [f"ARG {name}={value}" for name, value in self.global_args.items()]
        for stage in self.stages:
            base = self.stage(stage.base).name if isinstance(stage.base, int) else stage.base
            lines.append("")
            lines.append(f"FROM {base}" + (f" AS {stage.name}" if stage.name else ""))
            lines += [self._step_text(step) for step in stage.steps]
        return "\n".join(lines).replace("@run@", self.run).lstrip("\n") + "\n"

    def _step_text(self, step):
        text = step.text
        for name, value in step.values.items():
            text = text.replace(f"@{name}@", value)
        if step.source is not None:
            index = [stage.number for stage in self.stages].index(step.source)
            text = text.replace("@from_index@", str(index)).replace("@from@", self.stage(step.source).name)
        if "continued" in step.style:
            text = re.sub(r"^(RUN (?:--\S+ )*[^<\n]*?) && ", r"\1 && \\\n    ", text, count=1)
        if "lower" in step.style:
            text = re.sub(r"^[A-Z]+", lambda word: word.group().lower(), text)
        if "trailing" in step.style and "\n" not in text:
            text += "  "
        if "comment" in step.style:
            text = f"# about the {step.kind} step\n" + text
        if "blank" in step.style:
            text = "\n\n" + text
        return text

    def all_files(self):
        """The folder's content with the Dockerfile and .dockerignore."""
        files = dict(self.files)
        files["Dockerfile"] = File(data=self.dockerfile().encode())
        if self.ignore:
            files[".dockerignore"] = File(data="".join(line + "\n" for line in self.ignore).encode())
        return files


def _remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def write_folder(folder, old, new):
    """Makes the folder that holds the files `old` hold `new`; what did not change is not touched. Both: path → File."""
    for path in sorted(old, reverse=True):
        if path not in new or new[path].kind != old[path].kind:
            _remove(os.path.join(folder, path))
            parent = os.path.dirname(path)
            while parent and parent not in new and not os.listdir(os.path.join(folder, parent)):
                os.rmdir(os.path.join(folder, parent))
                parent = os.path.dirname(parent)
    written = set()
    for path, file in sorted(new.items()):
        full = os.path.join(folder, path)
        is_stale_link = file.kind == "hardlink" and file.data.decode() in written
        if old.get(path) == file and os.path.lexists(full) and not is_stale_link:
            continue
        written.add(path)
        before = os.stat(full).st_mtime_ns if file.keeps_time and os.path.exists(full) else None
        if file.kind == "directory":
            os.makedirs(full, exist_ok=True)
        else:
            _remove(full)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if file.kind == "symlink":
                os.symlink(file.data, full)
                continue
            if file.kind == "hardlink":
                os.link(os.path.join(folder, file.data.decode()), full)
                continue
            with open(full, "wb") as out:
                out.write(file.data)
            for name, value in file.xattrs.items():
                os.setxattr(full, name, value)
        os.chmod(full, file.mode)
        if before is not None:
            os.utime(full, ns=(before, before))
