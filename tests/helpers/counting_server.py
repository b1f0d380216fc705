#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that answers every GET with its path and logs one line per request: what ran, as seen from outside.

Usage: counting_server.py ADDRESS PORT_FILE LOG     ADDRESS is one that only this machine's containers reach
A path that begins with /slow/ is answered after two seconds; one that begins with /never/ not at all.
"""

import http.server
import pathlib
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(self.server.log, "a", encoding="utf-8") as log:
            log.write(self.path + "\n")
        if self.path.startswith("/slow/"):
            time.sleep(2)
        if self.path.startswith("/never/"):
            time.sleep(600)
        body = (self.path + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    address, port_file, log = sys.argv[1:]
    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    server.log = log
    pathlib.Path(log).touch()
    pathlib.Path(port_file).write_text(str(server.server_port), encoding="utf-8")
    server.serve_forever()


if __name__ == "__main__":
    main()
