#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the build context of the cases in the current folder. Everything has the same whole second, so that layers can be equal.
set -euo pipefail
umask 022
echo one >one
echo two >two
echo dashed >-dashed
printf 'newline\n' >'new
line'
: >empty
echo '#!/bin/sh' >run.sh && chmod 4755 run.sh
mkdir -p tree/sub/deep tree/none tree/a.b folder/in "$(printf 'p%.0s' {1..60})/$(printf 'q%.0s' {1..60})"
echo a >tree/a && ln tree/a tree/hard && ln -s a tree/link && ln -s nowhere tree/dangling
echo b >tree/sub/b && chmod 0600 tree/sub/b && chmod 2750 tree/sub
echo c >tree/a.b/c && echo ä >tree/ä && mkfifo tree/fifo
echo deep >"$(printf 'p%.0s' {1..60})/$(printf 'q%.0s' {1..60})/$(printf 'r%.0s' {1..90})"
chmod 0700 folder && echo x >folder/in/x && chmod 0640 folder/in/x
mkdir evil && ln -s /etc/passwd evil/absolute && ln -s ../../../../../../etc/passwd evil/up && ln -s loop evil/loop
ln -s ../one evil/inside && ln -s / evil/root && ln -s ../tree evil/tree
ln -s one to_one && ln -s tree to_tree
mkdir -p links/real linked/in modes/open 'with blank' ü
ln -s real links/link && ln -s link links/chain && ln -s ../one links/file && ln -s nowhere links/dangling
ln -s real/new links/dangling_folder && ln -s /target links/absolute && ln -s ../.. links/up && echo r >links/real/r
ln -s /target link
echo hard >linked/a && ln linked/a linked/b && ln linked/a linked/in/c && ln linked/a linked/in/d && echo single >linked/single
for mode in 0000 0400 0666 0777 1644 2644 4755 6777; do echo $mode >modes/$mode && chmod $mode modes/$mode; done && chmod 3777 modes/open
echo b >'with blank/in side' && echo ä >ä && echo ü >ü/ü && echo '$' >'$' && echo q >'quo"te' && echo b >'back\slash'
mkdir 'way\x' && echo f >'way\x/f' && echo s >'star\*' && echo s >'star*'
mkdir whiteouts && echo o >whiteouts/ordinary
tar --format=ustar --owner=11 --group=12 --mtime='2019-01-02 03:04:05 UTC' -cf archive.tar linked/a modes/4755 folder
gzip -nc archive.tar >archive.tgz && gzip -nc one >archive.bin.txt
mkdir ignored && echo no >ignored/no && echo yes >ignored/yes
printf 'ignored\n!ignored/yes\n' >.dockerignore
find . -depth -exec touch -h -d '2020-01-02 03:04:05 UTC' {} +
