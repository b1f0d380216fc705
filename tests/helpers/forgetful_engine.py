#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands before an engine, and leaves something out of every image that is saved: its layers, as an engine does that has them
unpacked only, or the index.json that older engines did not write.
Usage: forgetful_engine.py SOCKET SOCKET_OF_THE_ENGINE layers|index"""
import io
import re
import socket
import socketserver
import sys
import tarfile
import threading


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        if not received:
            break
        head += received
    return head


def pass_on(source, target):
    try:
        while received := source.recv(65536):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side went


def is_left_out(name, text):
    return name == "index.json" if sys.argv[3] == "index" else not text.startswith((b"{", b"["))


def with_gaps(archive):
    kept = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as whole, tarfile.open(fileobj=kept, mode="w") as rest:
        for member in whole:
            data = whole.extractfile(member)
            content = data.read() if data else b""
            if not data or not is_left_out(member.name, content):
                rest.addfile(member, io.BytesIO(content))
    return kept.getvalue()


class Request(socketserver.BaseRequestHandler):
    def handle(self):
        head = read_head(self.request)
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(sys.argv[2])
        if re.match(rb"GET (/v[\d.]+)?/images/[^ ]+/get ", head):
            engine.sendall(re.sub(rb" HTTP/1.1\r\n", b" HTTP/1.0\r\n", head, count=1))  # an answer without chunks
            answer = b""
            while received := engine.recv(1 << 20):
                answer += received
            archive = with_gaps(answer.partition(b"\r\n\r\n")[2])
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nConnection: close\r\n"
                                 b"Content-Length: %d\r\n\r\n" % len(archive) + archive)
            return
        if b"\r\nupgrade:" not in head.lower():  # one request a connection: each is looked at
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        engine.sendall(head)
        back = threading.Thread(target=pass_on, args=(engine, self.request))
        back.start()
        pass_on(self.request, engine)
        back.join()


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


Server(sys.argv[1], Request).serve_forever()
