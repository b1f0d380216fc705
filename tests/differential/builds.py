# SPDX-License-Identifier: Apache-2.0
"""Builds one state: with dbuild on its own engine, and with `docker buildx build` on another, and says what each did."""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from dataclasses import dataclass, field

import image

STEP_TIMEOUT_SECONDS = 300  # of one build; a hanging one is a finding, not a hanging test


class Engine:
    """A Docker engine at a unix socket, and a HOME of its own for the programs that talk to it."""

    def __init__(self, socket_path, home):
        self.socket_path = socket_path
        self.retries = 0
        # The plugins that came with the docker program: one that was unpacked somewhere looks for them in /usr.
        plugins = os.path.join(os.path.dirname(shutil.which("docker") or ""), "../libexec/docker/cli-plugins")
        os.makedirs(f"{home}/.docker", exist_ok=True)
        with open(f"{home}/.docker/config.json", "w") as file:
            json.dump({"cliPluginsExtraDirs": [plugins]}, file)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "BUILDX_", "BUILDKIT_", "DBUILD_", "XDG_"))}
        self.environment = {**kept, "DOCKER_HOST": f"unix://{socket_path}", "HOME": home, "LC_ALL": "C", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}

    def request(self, method, path, body=None):
        """The answer's bytes; ValueError with the engine's message where it refuses."""
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.socket_path)
        connection.request(method, path, body, {"Content-Type": "application/x-tar"} if body else {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        if response.status >= 300:
            raise ValueError(f"{method} {path}: {response.status} {data.decode(errors='replace').strip()}")
        return data

    def image(self, name):
        """The image that `docker save` gives. Docker 26.1.5 may not find an image, or end the archive early without an error, for
        a moment while other images are removed: what cannot be read is asked for again."""
        for delay in (0.2, 1, 3, None):
            try:
                return image.read_archive(self.request("GET", f"/images/{name}/get"))
            except (ValueError, KeyError, tarfile.TarError):
                if delay is None:
                    raise
                self.retries += 1
                time.sleep(delay)

    def tag(self, name, new_name):
        repository, tag = new_name.rsplit(":", 1)
        self.request("POST", f"/images/{name}/tag?repo={repository}&tag={tag}")

    def prune_builder(self):
        self.request("POST", "/build/prune?all=true")


@dataclass
class Outcome:
    exit_code: int
    output: str
    image: object = None  # image.Image, where the build succeeded
    report: dict = field(default_factory=dict)    # of dbuild
    vertices: dict = field(default_factory=dict)  # of buildx: name → whether it ran
    handed_over: str = ""  # dbuild's reason for leaving the whole build to buildx
    seconds: float = 0


def run_program(command, environment):
    start = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=STEP_TIMEOUT_SECONDS)
        outcome = Outcome(done.returncode, done.stdout.decode(errors="replace"))
    except subprocess.TimeoutExpired as error:
        outcome = Outcome(124, (error.stdout or b"").decode(errors="replace") + f"\nno end after {STEP_TIMEOUT_SECONDS} s")
    outcome.seconds = time.monotonic() - start
    return outcome


def run_dbuild(program, engine, cache, report_path, arguments):
    """The outcome without an image."""
    if os.path.exists(report_path):
        os.unlink(report_path)
    outcome = run_program([program, "--report", report_path, *arguments], {**engine.environment, "DBUILD_CACHE_DIR": cache})
    reason = re.search(r"handing the whole build to docker buildx build: (.*)", outcome.output)
    outcome.handed_over = reason[1] if reason else ""
    if os.path.exists(report_path):
        with open(report_path) as file:
            outcome.report = json.load(file)
    return outcome


def build_with_dbuild(program, engine, cache, report_path, tag, arguments, context):
    outcome = run_dbuild(program, engine, cache, report_path, ["-t", tag, *arguments, context])
    if outcome.exit_code == 0:
        outcome.image = engine.image(tag)
    return outcome


def build_layout_with_dbuild(program, engine, cache, folder, arguments, context):
    """The image is not given to the engine, which saves two transfers. folder: receives it, and must not exist."""
    outcome = run_dbuild(program, engine, cache, f"{folder}.json",
                         ["--output", f"type=oci,tar=false,dest={folder}", *arguments, context])
    if outcome.exit_code == 0:
        outcome.image = image.read_layout(folder)
    return outcome


def evict_layers(program, engine, cache):
    """Takes all layers from dbuild's cache; their records stay."""
    done = run_program([program, "cache", "prune", "--max-size", "0"], {**engine.environment, "DBUILD_CACHE_DIR": cache})
    if done.exit_code != 0:
        raise ValueError("dbuild cache prune: " + done.output)


def read_rawjson(text):
    """name → whether BuildKit ran the vertex, of what `--progress=rawjson` printed: one JSON document after another, printed over
    many lines, perhaps with other lines between. Run is what completed without having been in the cache."""
    decoder, vertices, place = json.JSONDecoder(), {}, 0
    while (place := text.find("{", place)) >= 0:
        try:
            document, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError:
            place += 1
            continue
        for vertex in document.get("vertexes") or []:
            state = vertices.setdefault(vertex["digest"], {"name": vertex["name"], "is_cached": False, "is_done": False})
            state["is_cached"] |= vertex.get("cached", False)
            state["is_done"] |= "completed" in vertex
    by_name = {}
    for state in vertices.values():
        is_run = state["is_done"] and not state["is_cached"]
        by_name[state["name"]] = by_name.get(state["name"], False) or is_run
    return by_name


def build_with_buildx(engine, folder, options, arguments, context, output=None):
    """folder: receives the image, and is emptied first. options: e.g. --no-cache. output: a layout in that folder."""
    command = ["docker", "buildx", "build", "--progress=rawjson", "--output", output or f"type=oci,tar=false,dest={folder}", *options, *arguments, context]
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        outcome = run_program(command, engine.environment)
        if "panic: send on closed channel" not in outcome.output:  # buildx 0.13.1, now and then when a build is refused
            break
    outcome.vertices = read_rawjson(outcome.output)
    if outcome.exit_code == 0:
        outcome.image = image.read_layout(folder)
    return outcome
