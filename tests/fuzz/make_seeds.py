#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the inputs of the golden tables as seeds for a fuzzer, one file each.
Usage: make_seeds.py parser|expansion|ignore FOLDER"""
import os
import re
import sys

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
TABLES = {"parser": "dockerfiles.txt", "expansion": "expansion.txt", "ignore": "dockerignore.txt"}
MEANINGS = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "p": "|", "\\": "\\"}

form, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
with open(f"{GOLDEN}/{TABLES[form]}") as file:
    rows = [line.rstrip("\n").split(" |") for line in file if " |" in line]
for number, fields in enumerate(rows):
    texts = [re.sub(r"\\(.)", lambda match: MEANINGS[match[1]], field.strip(" ")) for field in fields]
    with open(f"{folder}/seed{number}", "w") as file:
        file.write(texts[0] if form != "ignore" else texts[1] + "\n" + texts[0])
