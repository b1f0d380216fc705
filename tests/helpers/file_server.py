#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server of the files of a folder on 127.0.0.1, with ETag, Last-Modified and 304, that logs "METHOD PATH STATUS".

Usage: file_server.py FOLDER PORT_FILE LOG
/plain/NAME is NAME without ETag and Last-Modified, /redirect/NAME leads to it, anything missing is a 404.
"""

import email.utils
import hashlib
import http.server
import pathlib
import sys
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, headers, body=b""):
        with open(self.server.log, "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {status}\n")
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        if path.startswith("/redirect/"):
            return self.answer(302, {"Location": "/" + path.removeprefix("/redirect/")})
        file = self.server.folder / path.removeprefix("/plain/").lstrip("/")
        if not file.is_file():
            return self.answer(404, {}, b"no such file")
        body = file.read_bytes()
        headers = {}
        if not path.startswith("/plain/"):
            headers["ETag"] = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
            headers["Last-Modified"] = email.utils.formatdate(int(file.stat().st_mtime), usegmt=True)
        if "ETag" in headers and headers["ETag"] in self.headers.get("If-None-Match", ""):
            return self.answer(304, headers)
        return self.answer(200, headers, body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def main():
    folder, port_file, log = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.folder, server.log = pathlib.Path(folder), log
    pathlib.Path(log).touch()
    pathlib.Path(port_file).write_text(str(server.server_port), encoding="utf-8")
    server.serve_forever()


main()
