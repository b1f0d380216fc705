#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ADD of git repositories over ssh, from a server on loopback: with the agent, the socket or the key that --ssh default names,
# and nothing else of the user's. What is missing docker buildx says.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

keys=$work/keys
mkdir "$keys" "$work/context" "$work/git"
for key in host user stranger; do ssh-keygen -q -t ed25519 -N '' -f "$keys/$key"; done
printf 'restrict,command="git shell -c \\"$SSH_ORIGINAL_COMMAND\\"" %s\n' "$(cat "$keys/user.pub")" >"$keys/authorized"
port=$(free_port)
cat >"$keys/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $keys/host
AuthorizedKeysFile $keys/authorized
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
END
mkdir -p /run/sshd
/usr/sbin/sshd -D -e -f "$keys/sshd_config" 2>"$work/sshd.log" &
background+=($!)
wait_for 10 "the ssh server" grep -q listening "$work/sshd.log"

export GIT_CONFIG_GLOBAL=$work/gitconfig
git config --file "$GIT_CONFIG_GLOBAL" user.name test
git config --file "$GIT_CONFIG_GLOBAL" user.email test@example.org
git config --file "$GIT_CONFIG_GLOBAL" init.defaultBranch main
repository=$work/git/app.git
git init -q "$work/app"
(cd "$work/app" && mkdir sub && echo one >one && echo x >sub/x && git add -A && git commit -qm first && git tag light)
git clone -q --bare "$work/app" "$repository"

url=ssh://$(id -un)@127.0.0.1:$port$repository
printf 'FROM scratch\nADD %s /all\nADD %s#light:sub /sub\n' "$url" "$url" >"$work/context/Dockerfile"
expect_built() { # NAME ARGUMENT...
    local name=$1
    shift
    build "$name" -o "$work/$name" "$@" "$work/context"
    expect_equal "all/one all/sub/x sub/x" "$(cd "$work/$name" && find . -type f -printf '%P\n' | sort | paste -sd' ')" "files of $name"
    expect_equal 0 "$(report "$name" .totals.executor_calls)" "executor calls of $name"
}
SSH_AUTH_SOCK=$work/agent # ssh-agent keeps running in the foreground
ssh-agent -D -a "$SSH_AUTH_SOCK" >"$work/agent.log" &
background+=($!)
export SSH_AUTH_SOCK
wait_for 10 "the agent" test -S "$SSH_AUTH_SOCK"
ssh-add -q "$keys/user"
expect_built by_agent --ssh default
unset SSH_AUTH_SOCK
expect_built by_socket --no-cache --ssh "default=$work/agent"
expect_built by_key --no-cache --ssh "default=$keys/user"

# A commit is its content, whoever asks for it.
expect_built again --ssh "default=$work/agent"
expect_equal "" "$(steps_done again)" "steps done again"

# Without --ssh, or without the right key, the build is docker's, which says what it lacks.
handed() { # NAME REASON ARGUMENT...
    local name=$1 reason=$2
    shift 2
    if "$DBUILD" "$@" -o "$work/$name" "$work/context" >"$work/$name.out" 2>"$work/$name.err"; then fail "$name: it was built"; fi
    expect_contains "$work/$name.err" "handing the whole build to docker buildx build: $reason"
}
handed no_ssh "ADD of a git repository over ssh without --ssh default"
handed no_key "--ssh default=$keys/none" --ssh "default=$keys/none"
handed stranger "ADD of a git repository: git failed" --ssh "default=$keys/stranger"
