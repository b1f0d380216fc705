#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry on 127.0.0.1 that serves one image of an OCI layout folder under every repository name, with the fault
that the name says, and logs "METHOD PATH STATUS RANGE AUTHORIZATION" (the last two "-" where there is none).

Usage: faulty_registry.py LAYOUT_FOLDER PORT_FILE LOG

401 403 404 429 500   every request is answered so; 429 with Retry-After: 0, and 403 repeats what the client sent
busy                  the first two requests are answered by 503, Retry-After: 1
cut                   a blob breaks off in its middle unless a range of it is asked for
cut-twice             the same, and ranges are ignored from the third attempt on
truncated             a blob always ends early
wrong                 a blob has another last byte
longer                a blob has a byte too many
lying                 a manifest is not the one that Docker-Content-Digest names
endless               a manifest that never ends
loop                  a blob leads to itself
elsewhere             as basic, and a blob leads to the same server under another name
slow                  a blob stands still after its first byte
together              the HEAD of a manifest waits for another one, for a second; two that meet are logged as "TOGETHER"
login                 needs a token, which alice with the password "wonderland" gets
basic                 needs alice's name and password
"""

import base64
import http.server
import json
import pathlib
import sys
import threading
import time

USER = "Basic " + base64.b64encode(b"alice:wonderland").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # of what is no request: engines that try HTTPS first look for "HTTP/" in the answer

    def log_message(self, *_):
        pass

    def answer(self, status, headers=None, body=b"", length=None):
        with self.server.lock, open(self.server.log, "a", encoding="utf-8") as log:
            seen = "yes" if self.headers.get("Authorization") else "-"
            log.write(f"{self.command} {self.path} {status} {self.headers.get('Range', '-')} {seen}\n")
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        if length is not None and length != len(body):
            self.close_connection = True

    def refuse(self, status, code, message="", headers=None):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, headers, body)

    def count(self, what):
        with self.server.lock:
            self.server.counts[what] = self.server.counts.get(what, 0) + 1
            return self.server.counts[what]

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        port = self.server.server_address[1]
        path = self.path.split("?")[0]
        authorization = self.headers.get("Authorization", "")
        if path == "/token":
            if authorization != USER:
                return self.refuse(401, "UNAUTHORIZED")
            return self.answer(200, {}, b'{"token": "sesame-open"}')
        if path == "/v2/":
            return self.answer(200, {}, b"{}")
        fault, kind, reference = path.removeprefix("/v2/").split("/")
        if fault.isdigit():
            message = f"you sent {authorization or 'nothing'}" if fault == "403" else "as was asked for"
            if fault == "403" and not authorization:
                return self.refuse(401, "UNAUTHORIZED", "", {"WWW-Authenticate": 'Basic realm="here"'})
            return self.refuse(int(fault), "FAULT", message, {"Retry-After": "0"} if fault == "429" else {})
        if fault == "busy" and self.count("busy") <= 2:
            return self.refuse(503, "UNAVAILABLE", "", {"Retry-After": "1"})
        if fault == "login" and authorization != "Bearer sesame-open":
            challenge = f'Bearer realm="http://127.0.0.1:{port}/token",service="here",scope="repository:login:pull"'
            return self.refuse(401, "UNAUTHORIZED", "", {"WWW-Authenticate": challenge})
        if fault in ("basic", "elsewhere") and authorization != USER:
            return self.refuse(401, "UNAUTHORIZED", "", {"WWW-Authenticate": 'Basic realm="here"'})
        if fault == "together" and self.command == "HEAD":
            self.meet()
        if kind == "manifests":
            return self.give_manifest(fault, reference)
        return self.give_blob(fault, reference)

    def meet(self):
        try:
            is_last = self.server.meeting.wait(timeout=1) == 0
        except threading.BrokenBarrierError:
            self.server.meeting.reset()
            return
        if is_last:
            with self.server.lock, open(self.server.log, "a", encoding="utf-8") as log:
                log.write("TOGETHER\n")

    def give_manifest(self, fault, reference):
        digest = reference if ":" in reference else self.server.manifest
        body = self.blob(digest)
        headers = {"Content-Type": json.loads(body)["mediaType"], "Docker-Content-Digest": digest}
        if fault == "lying":
            body += b"\n"
        if fault == "endless":
            body += b" " * (64 << 20)
        self.answer(200, headers, body)

    def give_blob(self, fault, digest):
        port = self.server.server_address[1]
        body = self.blob(digest)
        half = len(body) // 2
        spec = self.headers.get("Range")
        if fault == "loop":
            return self.answer(307, {"Location": self.path})
        if fault == "elsewhere":
            return self.answer(307, {"Location": f"http://localhost:{port}/v2/other/blobs/{digest}?secret=signature"})
        if fault == "slow":
            self.answer(200, {}, body[:1], len(body))
            self.wfile.flush()
            time.sleep(30)
            return None
        if fault == "truncated":
            return self.answer(200, {}, body[:half], len(body))
        if fault == "wrong":
            return self.answer(200, {}, body[:-1] + bytes([body[-1] ^ 1]))
        if fault == "longer":
            return self.answer(200, {}, body + b"!")
        if fault == "cut-twice":
            attempt = self.count(digest)
            if attempt <= 2:
                return self.answer(200, {}, body[: half * attempt // 2], len(body))
            return self.answer(200, {}, body)
        if spec:
            first = int(spec.removeprefix("bytes=").removesuffix("-"))
            headers = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
            return self.answer(206, headers, body[first:])
        if fault == "cut":
            return self.answer(200, {}, body[:half], len(body))
        return self.answer(200, {}, body)

    def blob(self, digest):
        return (self.server.layout / "blobs" / digest.replace(":", "/")).read_bytes()


def main():
    layout, port_file, log = (pathlib.Path(word) for word in sys.argv[1:])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.layout, server.log, server.counts, server.lock = layout, log, {}, threading.Lock()
    server.meeting = threading.Barrier(2)
    server.manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    log.touch()
    port_file.write_text(str(server.server_address[1]))
    server.serve_forever()


if __name__ == "__main__":
    main()
