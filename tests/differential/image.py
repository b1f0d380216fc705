# SPDX-License-Identifier: Apache-2.0
"""Reads an image, as an OCI layout in a folder or as the archive of `docker save`, into what is compared: the merged file
tree, the configuration and the history. No container is started."""
import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field

KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink",
         tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device", tarfile.FIFOTYPE: "fifo"}
XATTR = "SCHILY.xattr."
SHOWN_BYTES = 200  # of a small file's content, for the explanation


@dataclass
class Entry:
    """What a path is. Paths that are hard links of one another share one entry."""
    kind: str
    mode: int
    owner: tuple
    size: int = 0
    target: str = ""  # of a symlink; major,minor of a device
    xattrs: dict = field(default_factory=dict)
    digest: str = ""
    shown: bytes = b""
    mtime: float = 0
    layer: int = 0  # that wrote it, from 0


@dataclass
class Image:
    tree: dict     # path without a leading slash → Entry
    config: dict   # the whole image configuration
    layer_count: int
    layers: list = field(default_factory=list)  # of each layer what _read_layer says
    root: dict = field(default_factory=dict)      # the descriptor that names the image in index.json
    manifest: dict = field(default_factory=dict)

    def history(self):
        return self.config.get("history") or []

    def made_by(self, layer):
        """The instruction that made the layer, as far as the history tells."""
        texts = [entry.get("created_by", "") for entry in self.history() if not entry.get("empty_layer")]
        return texts[layer] if layer < len(texts) else ""


_layers = {}  # digest of a blob → its entries, most of all the base's, in the order of the tar


def _read_layer(digest, data):
    """[(path, Entry, or the path of a hard link's target)]"""
    if digest in _layers:
        return _layers[digest]
    if hashlib.sha256(data).hexdigest() != digest.split(":")[1]:
        raise ValueError(f"blob {digest} has other bytes")
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    entries = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = os.path.normpath(member.name).lstrip("/")
            if member.islnk():
                entries.append((path, os.path.normpath(member.linkname).lstrip("/")))
                continue
            entry = Entry(KINDS[member.type], member.mode, (member.uid, member.gid), mtime=member.mtime)
            entry.xattrs = {name[len(XATTR):]: text for name, text in member.pax_headers.items() if name.startswith(XATTR)}
            if member.isreg():
                content = archive.extractfile(member).read()
                entry.size, entry.digest = len(content), hashlib.sha256(content).hexdigest()
                entry.shown = content[:SHOWN_BYTES]
            elif member.issym():
                entry.target = member.linkname
            elif member.isdev() and not member.isfifo():
                entry.target = f"{member.devmajor},{member.devminor}"
            entries.append((path, entry))
    if len(data) > 1 << 20:
        _layers[digest] = entries
    return entries


def _remove_below(tree, path):
    for other in [p for p in tree if p.startswith(path + "/") or path == "."]:
        del tree[other]


def apply_layer(tree, entries, number):
    """Applies a layer's entries to the tree; whiteouts hide what lower layers brought, never what this one brings."""
    for path, _ in entries:
        folder, name = os.path.split(path)
        if name == ".wh..wh..opq":
            _remove_below(tree, folder or ".")
        elif name.startswith(".wh."):
            hidden = os.path.join(folder, name[4:])
            tree.pop(hidden, None)
            _remove_below(tree, hidden)
    for path, entry in entries:
        if os.path.basename(path).startswith(".wh."):
            continue
        if isinstance(entry, str):
            tree[path] = tree[entry]
            continue
        before = tree.get(path)
        if before is not None and before.kind == "directory" and entry.kind != "directory":
            _remove_below(tree, path)
        tree[path] = Entry(**{**vars(entry), "layer": number})


def _read(blob):
    """blob: digest → bytes; "index" → those of index.json."""
    index = json.loads(blob("index"))
    root = None
    while True:
        manifests = [m for m in index["manifests"] if m.get("annotations", {}).get("vnd.docker.reference.type") != "attestation-manifest"]
        if len(manifests) != 1:
            raise ValueError(f"{len(manifests)} images in one archive")
        root = root or manifests[0]
        index = json.loads(blob(manifests[0]["digest"]))
        if "layers" in index:
            break
    config = json.loads(blob(index["config"]["digest"]))
    tree, layers = {}, []
    for number, layer in enumerate(index["layers"] or []):  # null of an image without layers
        data = None if layer["digest"] in _layers else blob(layer["digest"])
        layers.append(_read_layer(layer["digest"], data))
        apply_layer(tree, layers[-1], number)
    return Image(tree, config, len(layers), layers, root, index)


def read_layout(folder):
    """The image of an OCI layout, e.g. of `--output type=oci,tar=false`."""
    def blob(digest):
        path = "index.json" if digest == "index" else "blobs/" + digest.replace(":", "/")
        with open(os.path.join(folder, path), "rb") as file:
            return file.read()
    return _read(blob)


def read_archive(data):
    """The image of the tar that `docker save` writes (an OCI layout since Docker 25). data: its bytes."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {member.name: member for member in archive if member.isreg()}

        def blob(digest):
            name = "index.json" if digest == "index" else "blobs/" + digest.replace(":", "/")
            return archive.extractfile(members[name]).read()
        return _read(blob)
