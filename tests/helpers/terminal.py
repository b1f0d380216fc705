#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a pseudo-terminal and prints what its screen and scrollback show at the end.

Usage: terminal.py [--columns N] [--rows N] [--resize N] [--signal-at TEXT] [--dump-raw FILE] -- PROGRAM ARGUMENT...
  --resize N        after the first redraw the terminal becomes N columns wide
  --signal-at TEXT  SIGINT for the program as soon as TEXT was written
The terminal knows text, CR, LF, cursor up, erase to the end of line and screen, and colours; any other control is an error
(status 99). Otherwise the status is the program's.
"""
import argparse
import codecs
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios

TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+")


class Screen:
    """Rows of text; characters are counted as one cell, which is what this test's output has."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column, self.unknown = columns, [""], 0, 0, []

    def write(self, text):
        for token in TOKEN.finditer(text):
            if token.group(2):
                self.sequence(token.group(1), token.group(2))
            elif token.group() == "\r":
                self.column = 0
            elif token.group() == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append("")
            elif token.group() < " ":
                self.unknown.append(repr(token.group()))
            else:
                for character in token.group():
                    self.put(character)

    def put(self, character):
        if self.column == self.columns:
            self.write("\r\n")
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
        self.column += 1

    def sequence(self, parameters, final):
        if final == "A":
            self.row = max(0, self.row - int(parameters or 1))
        elif final in "KJ" and not parameters:
            self.rows[self.row] = self.rows[self.row][: self.column]
            if final == "J":
                del self.rows[self.row + 1 :]
        elif final != "m":
            self.unknown.append(repr("ESC[" + parameters + final))

    def resize(self, columns):
        """Wraps again what no longer fits, as terminals do; only narrower."""
        rows, cursor = [], 0
        for number, row in enumerate(self.rows):
            rows += [row[i : i + columns] for i in range(0, max(1, len(row)), columns)]
            if number == self.row:
                cursor = len(rows) - 1
        self.columns, self.rows, self.row = columns, rows, cursor


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--resize", type=int)
    parser.add_argument("--signal-at")
    parser.add_argument("--dump-raw")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()

    child, master = pty.fork()
    if child == 0:
        set_size(1, options.rows, options.columns)  # before the program asks
        os.execvp(options.program[0], options.program)

    screen, raw, seen = Screen(options.columns), b"", ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the program closed its side
            break
        if not data:
            break
        raw += data
        text = decoder.decode(data)
        screen.write(text)
        seen += text
        if options.resize and "\x1b[" in seen:
            set_size(master, options.rows, options.resize)
            screen.resize(options.resize)
            options.resize = None
        if options.signal_at and options.signal_at in seen:
            os.kill(child, signal.SIGINT)
            options.signal_at = None
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if options.dump_raw:
        with open(options.dump_raw, "wb") as file:
            file.write(raw)
    print("\n".join(row.rstrip() for row in screen.rows).rstrip("\n"))
    if screen.unknown:
        print("controls that no progress needs:", *sorted(set(screen.unknown)), file=sys.stderr)
        return 99
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
