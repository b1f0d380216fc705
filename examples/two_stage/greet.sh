#!/bin/sh
echo "$GREETING"
cat /app/motd.txt
