#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads packs by docs/store_format.md alone, without the index and without dbuild's code.

    read_store.py list CACHE_DIR             prints the diff_id of each layer
    read_store.py check CACHE_DIR            restores each layer and compares its SHA-256; prints how many
    read_store.py restore CACHE_DIR DIFF_ID  writes the tar to standard output
"""
import ctypes
import hashlib
import pathlib
import struct
import sys

zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def decompress(stored, raw_size):
    buffer = ctypes.create_string_buffer(max(raw_size, 1))
    if zstd.ZSTD_decompress(buffer, raw_size, stored, len(stored)) != raw_size:
        raise ValueError("damaged zstd frame")
    return buffer.raw[:raw_size]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def raw(self, size):
        taken = self.data[self.at:self.at + size]
        if len(taken) != size:
            raise ValueError("cut off")
        self.at += size
        return taken


class Pack:
    def __init__(self, path):
        self.data = path.read_bytes()
        self.name = bytes.fromhex(path.stem)
        if hashlib.sha256(self.data).digest() != self.name:
            raise ValueError(f"{path}: not the bytes of its name")
        if self.data[:16] != b"DBUILDPK\x01" + bytes(7) or self.data[-8:] != b"dbuildpk":
            raise ValueError(f"{path}: no pack")
        blocks, layers = self.table(0), self.table(1)
        self.blocks, offset = [], 16
        for _ in range(blocks.varint()):
            stored, raw = blocks.varint(), blocks.varint()
            self.blocks.append((offset, stored, raw))
            offset += stored
        self.layers = {}
        for _ in range(layers.varint()):
            diff_id, size = layers.raw(32), layers.varint()
            packs = []
            for _ in range(layers.varint()):
                name = layers.raw(32)
                packs.append(self.name if name == bytes(32) else name)
                layers.varint()
            segments = [(layers.varint(), layers.varint()) for _ in range(layers.varint())]
            self.layers[diff_id] = (size, packs, segments)

    def table(self, number):
        place = self.data[-232 + number * 56:][:56]
        offset, stored_size, raw_size = struct.unpack("<QQQ", place[:24])
        stored = self.data[offset:offset + stored_size]
        if hashlib.sha256(stored).digest() != place[24:]:
            raise ValueError("damaged table")
        return Reader(decompress(stored, raw_size))

    def block(self, number):
        offset, stored, raw = self.blocks[number]
        data = self.data[offset:offset + stored]
        return data if stored == raw else decompress(data, raw)


def restore(packs, diff_id, record):
    size, names, segments = record
    cache = {}

    def block(pack, number):
        if (pack, number) not in cache:
            cache[pack, number] = packs[names[pack]].block(number)
        return cache[pack, number]

    tar = bytearray()
    for place in segments:
        segment = Reader(block(*place))
        instructions = Reader(segment.raw(segment.varint()))
        pack = number = end = 0
        while instructions.at < len(instructions.data):
            word = instructions.varint()
            count, kind = word >> 2, word & 3
            if kind == 0:
                tar += segment.raw(count)
            elif kind == 1:
                tar += bytes(count)
            else:
                start = end
                if kind == 3:
                    pack, number, start = instructions.varint(), instructions.varint(), instructions.varint()
                piece = block(pack, number)[start:start + count]
                if len(piece) != count:
                    raise ValueError("a piece beyond its block")
                tar += piece
                end = start + count
        if segment.at != len(segment.data):
            raise ValueError("literal bytes are left over")
    if len(tar) != size or hashlib.sha256(tar).digest() != diff_id:
        raise ValueError(f"layer {diff_id.hex()}: other bytes than its name says")
    return tar


def main(verb, folder, wanted=None):
    packs = {pack.name: pack for pack in map(Pack, sorted(pathlib.Path(folder).glob("packs/*/*.dbp")))}
    layers = {diff_id: record for pack in packs.values() for diff_id, record in pack.layers.items()}
    if verb == "list":
        for diff_id in sorted(layers):
            print("sha256:" + diff_id.hex())
    elif verb == "check":
        for diff_id, record in layers.items():
            restore(packs, diff_id, record)
        print(len(layers))
    elif verb == "restore":
        diff_id = bytes.fromhex(wanted.removeprefix("sha256:"))
        sys.stdout.buffer.write(restore(packs, diff_id, layers[diff_id]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
