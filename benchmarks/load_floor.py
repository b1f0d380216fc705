#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""load_floor.py IMAGE: seconds that the engine (DOCKER_HOST, a Unix socket) takes to load that image with another CMD, by one
request that brings nothing but what the engine lacks: a configuration, a manifest and an index."""
import hashlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time

NAME = "docker.io/dbuild-bench/load-floor:1"


class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))


def descriptor(body, media_type):
    return {"mediaType": media_type, "digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body)}


def path_of(blob):
    return "blobs/" + blob["digest"].replace(":", "/")


def changed_image(saved):
    """An OCI archive without layers."""
    def load(path):
        return json.load(saved.extractfile(path))
    manifest = load(path_of(load("index.json")["manifests"][0]))
    if "manifests" in manifest:
        manifest = load(path_of(manifest["manifests"][0]))
    config = load(path_of(manifest["config"]))
    config["config"]["Cmd"] = ["changed", str(time.time())]
    config_json = json.dumps(config).encode()
    manifest["config"] = descriptor(config_json, manifest["config"]["mediaType"])
    manifest_json = json.dumps(manifest).encode()
    entry = descriptor(manifest_json, "application/vnd.oci.image.manifest.v1+json")
    index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": {"io.containerd.image.name": NAME}}]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(),
             path_of(entry): manifest_json, path_of(manifest["config"]): config_json}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


def main():
    saved = subprocess.run(["docker", "save", sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout
    archive = changed_image(tarfile.open(fileobj=io.BytesIO(saved)))
    engine = Engine("engine")
    start = time.perf_counter()
    engine.request("POST", "/images/load?quiet=1", archive, {"Content-Type": "application/x-tar"})
    answer = engine.getresponse()
    text = answer.read().decode()
    print(f"{time.perf_counter() - start:.3f}")
    if answer.status != 200 or NAME.removeprefix("docker.io/") not in text:
        sys.exit(f"docker load: {answer.status} {text}")
    subprocess.run(["docker", "rmi", "-f", NAME], stdout=subprocess.DEVNULL, check=True)


main()
