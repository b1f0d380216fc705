#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A DNS server that says the same address for every name: name_server.py ADDRESS ANSWER. It listens at port 53, by UDP."""
import socket
import sys

TYPE_A = 1


def answer_to(query, address):
    end = query.index(0, 12) + 5  # of the question: the name's labels, type and class
    kind = int.from_bytes(query[end - 4:end - 2], "big")
    record = b"\xc0\x0c" + query[end - 4:end] + (60).to_bytes(4, "big") + b"\x00\x04" + socket.inet_aton(address)
    records = [record] if kind == TYPE_A else []
    header = query[:2] + b"\x81\x80" + b"\x00\x01" + len(records).to_bytes(2, "big") + b"\x00\x00\x00\x00"
    return header + query[12:end] + b"".join(records)


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))
    while True:
        query, client = server.recvfrom(512)
        server.sendto(answer_to(query, sys.argv[2]), client)


main()
