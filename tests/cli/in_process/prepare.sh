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
mkdir ignored && echo no >ignored/no && echo yes >ignored/yes
printf 'ignored\n!ignored/yes\n' >.dockerignore
find . -depth -exec touch -h -d '2020-01-02 03:04:05 UTC' {} +
