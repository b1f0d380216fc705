#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""registry_floor.py HOST:PORT BYTES: seconds that a registry takes for the requests by which an image with one new layer of so
many bytes gets there: layer and config at the same time, each by POST and PUT, then the manifest. Nothing is packed or looked up."""
import hashlib
import http.client
import json
import os
import sys
import threading
import time

CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE = (f"application/vnd.oci.image.{what}" for what in ("config.v1+json", "layer.v1.tar+gzip", "manifest.v1+json"))
REPOSITORY = "dbuild-bench/floor"


class Registry:
    """One connection."""

    def __init__(self, host):
        self.connection = http.client.HTTPConnection(host)

    def ask(self, method, path, expected, body=b"", media_type="application/octet-stream"):
        self.connection.request(method, path, body, {"Content-Type": media_type})
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != expected:
            sys.exit(f"{method} {path}: {answer.status}")
        return answer

    def put_blob(self, body, digest):
        location = self.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/", 202).getheader("Location")
        path = location[location.index("/v2/"):]
        self.ask("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", 201, body)


def main():
    host, size = sys.argv[1], int(sys.argv[2])
    blobs = [(CONFIG_TYPE, os.urandom(1500)), (LAYER_TYPE, os.urandom(size))]
    config, layer = ({"mediaType": kind, "digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body)} for kind, body in blobs)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer]}).encode()
    start = time.perf_counter()
    uploads = [threading.Thread(target=Registry(host).put_blob, args=(body, blob["digest"]))
               for (_, body), blob in zip(blobs, (config, layer))]
    for upload in uploads:
        upload.start()
    for upload in uploads:
        upload.join()
    Registry(host).ask("PUT", f"/v2/{REPOSITORY}/manifests/1", 201, manifest, MANIFEST_TYPE)
    print(f"{time.perf_counter() - start:.3f}")


main()
