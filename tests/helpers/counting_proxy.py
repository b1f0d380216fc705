#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts HTTP/1.1 requests on the way to an engine: counting_proxy.py LISTEN_SOCKET ENGINE_SOCKET LOG [ANSWERS]

Appends "METHOD PATH" to LOG for each request, before it is passed on; to ANSWERS also that, and "answered METHOD PATH" when
the answer to it begins. Bytes pass unchanged. Heads are parsed, so several
requests on one connection count each; after an upgrade (101, or a hijacked stream) the rest of a connection passes raw."""
import socket
import sys
import threading


class Reader:
    """Reads heads, lines and counted bytes from a socket."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""

    def fill(self):
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def take(self, count):
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        return self.take(self.buffer.index(b"\r\n\r\n") + 4)

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        return self.take(self.buffer.index(b"\r\n") + 2)

    def copy(self, count, target):
        while count > 0:
            if not self.buffer:
                self.fill()
            data = self.take(count)
            count -= len(data)
            target.sendall(data)

    def copy_chunked(self, target):
        while True:
            line = self.line()
            target.sendall(line)
            size = int(line.split(b";")[0], 16)
            if size:
                self.copy(size + 2, target)
                continue
            while line != b"\r\n":  # trailers, up to the empty line
                line = self.line()
                target.sendall(line)
            return

    def copy_rest(self, target):
        while True:
            if not self.buffer:
                self.fill()
            target.sendall(self.take(len(self.buffer)))


def fields(head):
    result = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        result[name.strip().lower()] = value.strip()
    return result


class Connection:
    def __init__(self, client, engine, log, log_answer):
        self.client, self.engine, self.log, self.log_answer = client, engine, log, log_answer
        self.waiting = []  # (method, path) of requests whose response has not begun; guarded by `changed`
        self.changed = threading.Condition()
        self.is_raw = False

    def requests(self):
        reader = Reader(self.client)
        while True:
            head = reader.head()
            first = head.split(b"\r\n")[0].split(b" ")
            self.log((first[0] + b" " + first[1]).decode("latin-1"))
            header = fields(head)
            with self.changed:
                self.waiting.append((first[0], first[1]))
            self.engine.sendall(head)
            if b"chunked" in header.get(b"transfer-encoding", b"").lower():
                reader.copy_chunked(self.engine)
            else:
                reader.copy(int(header.get(b"content-length", 0)), self.engine)
            if b"upgrade" in header.get(b"connection", b"").lower():
                # Only the answer tells whether the rest is HTTP; the client waits for it as well.
                with self.changed:
                    self.changed.wait_for(lambda: not self.waiting)
                if self.is_raw:
                    reader.copy_rest(self.engine)

    def responses(self):
        reader = Reader(self.engine)
        while True:
            head = reader.head()
            header = fields(head)
            status = int(head.split(b" ")[1])
            is_interim = 100 <= status < 200 and status != 101
            is_stream = header.get(b"content-type", b"").startswith(b"application/vnd.docker.") and \
                b"content-length" not in header and b"transfer-encoding" not in header
            with self.changed:
                method, path = self.waiting[0] if self.waiting else (b"", b"")
                self.is_raw = self.is_raw or status == 101 or is_stream
                if not is_interim and self.waiting:
                    self.waiting.pop(0)
                    self.log_answer((method + b" " + path).decode("latin-1"))
                self.changed.notify_all()
            self.client.sendall(head)
            if is_interim:
                continue
            if self.is_raw:
                reader.copy_rest(self.client)
            if method == b"HEAD" or status in (204, 304):
                continue
            if b"chunked" in header.get(b"transfer-encoding", b"").lower():
                reader.copy_chunked(self.client)
            elif b"content-length" in header:
                reader.copy(int(header[b"content-length"]), self.client)
            else:
                reader.copy_rest(self.client)

    def run(self):
        def guarded(work, target):
            try:
                work()
            except (EOFError, OSError):
                pass
            with self.changed:
                self.waiting.clear()
                self.changed.notify_all()
            try:
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        other = threading.Thread(target=guarded, args=(self.responses, self.client), daemon=True)
        other.start()
        guarded(self.requests, self.engine)
        other.join()
        self.client.close()
        self.engine.close()


def serve(listen_path, engine_path, log_path, answers_path="/dev/null"):
    log_file, answers_file = open(log_path, "a", buffering=1), open(answers_path, "a", buffering=1)
    lock = threading.Lock()

    def log(line):
        with lock:
            log_file.write(line + "\n")
            answers_file.write(line + "\n")

    def log_answer(line):
        with lock:
            answers_file.write("answered " + line + "\n")

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen_path)
    listener.listen(64)
    while True:
        client, _ = listener.accept()
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(engine_path)
        threading.Thread(target=Connection(client, engine, log, log_answer).run, daemon=True).start()


if __name__ == "__main__":
    serve(*sys.argv[1:])
