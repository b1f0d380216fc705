#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The counting proxy is what the counters of dbuild are proved with: it must count what it passes, and pass all of it."""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class CountingProxy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="dbp-", dir="/tmp")
        path = self.folder.name
        self.engine = socket.socket(socket.AF_UNIX)
        self.engine.bind(path + "/engine")
        self.engine.listen()
        self.engine.settimeout(10)
        self.process = subprocess.Popen([sys.executable, HERE + "/counting_proxy.py", path + "/proxy", path + "/engine", path + "/log"])
        deadline = time.monotonic() + 10
        while True:
            self.client = socket.socket(socket.AF_UNIX)
            try:
                self.client.connect(path + "/proxy")
                break
            except OSError:
                self.client.close()
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
        self.client.settimeout(10)
        self.peer, _ = self.engine.accept()
        self.peer.settimeout(10)

    def tearDown(self):
        for connection in (self.client, self.peer, self.engine):
            connection.close()
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def receive(self, connection, expected):
        data = b""
        while len(data) < len(expected):
            part = connection.recv(65536)
            self.assertTrue(part, "closed after %r" % data)
            data += part
        self.assertEqual(data, expected)

    def exchange(self, request, response):
        self.client.sendall(request)
        self.receive(self.peer, request)
        self.peer.sendall(response)
        self.receive(self.client, response)

    def log(self):
        with open(self.folder.name + "/log") as file:
            return file.read().splitlines()

    def test_every_request_of_one_connection_counts_and_bodies_do_not(self):
        ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.exchange(b"GET /_ping HTTP/1.1\r\nHost: e\r\n\r\n", ok)
        body = b"GET /fake HTTP/1.1\r\n\r\n"
        self.exchange(b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body, ok)
        self.exchange(b"POST /images/load?quiet=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"17\r\nGET /fake HTTP/1.1\r\n\r\nx\r\n0\r\n\r\n".replace(b"17", b"%x" % (len(body) + 1)),
                      b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n")
        self.exchange(b"HEAD /h HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        self.exchange(b"GET /last HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.log(), ["GET /_ping", "POST /a", "POST /images/load?quiet=1", "HEAD /h", "GET /last"])

    def test_an_upgraded_connection_passes_raw_both_ways(self):
        self.exchange(b"POST /session HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
                      b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        self.exchange(b"\x00\x01GET /x HTTP/1.1\r\n\r\n", b"\xff\xfe raw")
        self.assertEqual(self.log(), ["POST /session"])

    def test_a_refused_upgrade_stays_http(self):
        self.exchange(b"POST /session HTTP/1.1\r\nConnection: Upgrade\r\n\r\n", b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
        self.exchange(b"GET /next HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual(self.log(), ["POST /session", "GET /next"])


if __name__ == "__main__":
    unittest.main()
