#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI layout folder with an image, tagged "1", whose layers come from a seed: the same bytes every time.

Usage: make_layout.py FOLDER SEED [LAYERS [BYTES_PER_LAYER]]     (default: 3 layers of 200 kB)
The layer n of a seed is the same whatever the number of layers; half of each compresses. The last layer holds a static
/bin/busybox where SEED begins with "run", so that a container can be started.
"""

import gzip
import hashlib
import io
import json
import pathlib
import platform
import random
import shutil
import sys
import tarfile

folder, seed = pathlib.Path(sys.argv[1]), sys.argv[2]
layer_count = int(sys.argv[3]) if len(sys.argv) > 3 else 3
layer_bytes = int(sys.argv[4]) if len(sys.argv) > 4 else 200_000
blobs = folder / "blobs" / "sha256"
blobs.mkdir(parents=True, exist_ok=True)


def put(content, media_type):
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def add(tar, name, content, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


layers, diff_ids = [], []
for number in range(layer_count):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        generator = random.Random(f"{seed} {number}")
        add(tar, f"random-{number}", generator.randbytes(layer_bytes // 2))
        add(tar, f"text-{number}", f"{seed} {number}\n".encode() * (layer_bytes // 2 // (len(seed) + 4)))
        if seed.startswith("run") and number == layer_count - 1:
            busybox = shutil.which("busybox", path="/bin:/usr/bin") or sys.exit("busybox is missing")
            info = tarfile.TarInfo("bin")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
            add(tar, "bin/busybox", pathlib.Path(busybox).read_bytes(), 0o755)
    diff_ids.append("sha256:" + hashlib.sha256(buffer.getvalue()).hexdigest())
    packed = gzip.compress(buffer.getvalue(), 1, mtime=0)
    layers.append(put(packed, "application/vnd.oci.image.layer.v1.tar+gzip"))

machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
config = {"architecture": machine, "os": "linux", "config": {"Cmd": ["/bin/busybox", "echo", seed]},
          "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [{"created_by": seed} for _ in diff_ids]}
manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"), "layers": layers}
entry = put(json.dumps(manifest).encode(), manifest["mediaType"])
entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
(folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
(folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
print(entry["digest"])
