#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP port in front of a unix socket, byte for byte; with TLS and a check of the client's certificate if DIR is given.

Usage: tcp_front.py UNIX_SOCKET PORT_FILE [DIR with ca.pem, server-cert.pem, server-key.pem]
Listens on a free port of 127.0.0.1, whose number it writes to PORT_FILE; runs until it is killed.
"""
import os
import socket
import ssl
import sys
import threading


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass


def serve(client, path, tls):
    engine = socket.socket(socket.AF_UNIX)
    try:
        if tls:
            client = tls.wrap_socket(client, server_side=True)
        engine.connect(path)
    except OSError:
        client.close()
        return
    threading.Thread(target=copy, args=(client, engine), daemon=True).start()
    copy(engine, client)


def main():
    path, port_file = sys.argv[1:3]
    tls = None
    if len(sys.argv) > 3:
        folder = sys.argv[3]
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(f"{folder}/server-cert.pem", f"{folder}/server-key.pem")
        tls.load_verify_locations(f"{folder}/ca.pem")
        tls.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    with open(port_file + ".new", "w") as file:
        file.write(str(listener.getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, path, tls), daemon=True).start()


main()
