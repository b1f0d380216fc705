#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# --executor runtime: RUNs started by dbuild itself, through crun or runc. The images are BuildKit's, the environment of a RUN is the
# one that BuildKit gives, and what the runtime cannot do is done by docker buildx.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

[ "$(id -u)" = 0 ] || fail "this test needs to be root"
tag=dbuild-test/runtime-$run_id:1
theirs=dbuild-test/runtime-$run_id:theirs
context=$work/context
mkdir "$context"
echo "word $run_id" >"$context/word"
run() { # NAME ARGUMENT...
    local name=$1
    shift
    build "$name" --executor runtime -t "$tag" "$@" "$context"
}
executors() { report "$1" '[.steps[].executor | select(. != null)] | unique | join(" ")'; }
same_as_buildx() { # NAME EXECUTORS
    run "$1"
    expect_equal "$2" "$(executors "$1")" "executors of $1"
    docker buildx build -q --provenance=false --load -t "$theirs" "$context" >/dev/null 2>"$work/$1.theirs.err"
    expect_same_image "$theirs" "$tag"
}

# What a process of a RUN is and sees.
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN mkdir /seen; grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Umask)' /proc/self/status >/seen/status
ENV TWO="a b" ONE=1
ARG THREE=3
RUN env | sort >/seen/env; id >/seen/id; hostname >/seen/host; umask >/seen/umask; pwd >/seen/pwd; ls /dev | grep -vx core >/seen/dev; cat /etc/hosts | wc -l >/seen/hosts
RUN for f in /proc/kcore /proc/keys /proc/timer_list; do head -c 1 \$f 2>&1 | wc -c; done >/seen/masked; ls /sys/firmware /proc/acpi >/seen/empty; \
    for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/x; do (echo x >\$f) 2>&1; done | sed 's/.*: //' >/seen/read-only
RUN mknod /tmp/full c 1 7 && mknod /tmp/kmsg c 1 11 && (head -c 1 /tmp/full | wc -c; head -c 1 /tmp/kmsg 2>&1) | sed 's/.*: //' >/seen/devices; rm /tmp/full /tmp/kmsg
RUN (mount -t tmpfs none /mnt; unshare -m true; chroot / true; chmod u+s /seen/env; chown 5:6 /seen/id) 2>&1 | sed 's/.*: //' >/seen/forbidden
RUN ls /proc/self/fd | wc -l >/seen/fds; cat /proc/sys/net/ipv4/ip_forward >/dev/null; cat | wc -c >/seen/stdin; echo to-stderr >&2
USER app
RUN id >/tmp/id; echo >/dev/stdout; grep CapEff /proc/self/status >/tmp/caps; echo ~ >/tmp/home
USER 4321
RUN id >/tmp/id2; echo ~ >/tmp/home2
USER 4321:77
RUN id -G >/tmp/id3
USER root
WORKDIR /not/there
RUN rmdir /not/there
RUN pwd; rm -r /not
RUN touch here
WORKDIR /not/there/either
RUN cd /; rm -r /not; touch /unlike-the-layer-before
USER app
RUN touch here
USER root
SHELL ["/bin/sh", "-eu", "-c"]
RUN test "\$-" = "\${-#e}" || echo "\$TWO" >/seen/shell
RUN ["/bin/sh", "-c", "echo exec >/seen/exec"]
RUN <<EOF
echo one >/seen/heredoc
echo two >>/seen/heredoc
EOF
RUN <<EOF
#!/bin/sh -e
echo "\$0 \$(basename \$0)" >/seen/script
EOF
RUN --network=none ip -o link | wc -l >/seen/links
END
umask 077 # is nothing to a RUN
same_as_buildx environment "in-process runtime"
umask 022

# What a RUN leaves behind.
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS tools
RUN mkdir -p /opt/tool/bin && echo tool >/opt/tool/bin/tool && ln -s tool /opt/tool/bin/link
FROM dbuild-test/busybox:1
RUN mkdir -p /d/e/f && echo 1 >/d/e/f/1 && echo 2 >/d/2 && ln /d/2 /d/hard && ln -s e /d/soft && mkfifo /d/fifo && touch -d 2001-02-03 /d/2
RUN rm -r /d/e && mkdir /d/e && echo new >/d/e/new && chmod 1700 /d/e
RUN mv /d/2 /d/3; chown 7:8 /d/3; chmod 4711 /d/3; rm /bin/wget; mkdir /bin/wget; rm -r /tmp
RUN rm -r /d/e && echo file >/d/e; rmdir /bin/wget && ln -s busybox /bin/wget
RUN mkdir "/$(printf 'n%.0s' $(seq 120))" && touch "/über" "/with space"; mkdir -p /a/b/c/d/e; touch -d 1999-01-01 /a/b/c/d/e /a
RUN rm -r /a && mkdir -p /a/b/c && touch /a/b/new
RUN true
RUN true
RUN --mount=type=tmpfs,target=/scratch/tmp --mount=type=tmpfs,target=/etc/x echo x >/scratch/tmp/x && stat -c '%a' /scratch/tmp /etc/x >/modes
RUN --mount=type=bind,from=tools,source=/opt/tool,target=/mnt/tool --mount=type=bind,from=tools,source=/opt/tool/bin/link,target=/mnt/file \
    cat /mnt/tool/bin/link /mnt/file >/tools; (echo x >/mnt/tool/x) 2>/dev/null || echo read-only >>/tools
COPY word /
RUN --mount=type=cache,target=/cache,id=$run_id,uid=5,mode=0711 stat -c '%a %u' /cache >/cached; echo $run_id >/cache/mark
RUN --mount=type=cache,target=/other,id=$run_id,uid=5,mode=0711,sharing=locked cat /other/mark >>/cached; rm /other/mark
RUN --mount=type=cache,target=/one,id=$run_id-twice,sharing=locked --mount=type=cache,target=/two,id=$run_id-twice,sharing=locked \
    touch /one/mark && ls /two >/twice
RUN --mount=type=bind,target=/all --mount=type=bind,source=sub/../word,target=/bound/word --mount=type=bind,source=sub,target=/bound/sub \
    (cd /all && find . ! -type d -exec stat -c '%n %a %u:%g %Y %s' {} + | sort; cat /bound/word /bound/sub/inner/file /bound/sub/link) >/listed; \
    (echo x >/all/x; rm /bound/sub/link) 2>&1 | sed 's/.*: //' >>/listed
RUN ls -d /one /two /cache /other /scratch /mnt /all /bound 2>/dev/null >/left || true
END
mkdir -p "$context/sub/inner"
echo inner >"$context/sub/inner/file"
chmod 0640 "$context/sub/inner/file"
touch -d 2011-01-01 "$context/sub/inner/file"
ln -s inner/file "$context/sub/link"
echo hidden >"$context/ignored"
echo ignored >"$context/.dockerignore"
same_as_buildx leaves "in-process runtime"
run again
expect_equal "" "$(steps_done again)" "steps that run when nothing changed"

# A layer that an image holds twice, which overlayfs does not take: what stands between the two is hidden again.
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1
COPY word sub /twice/
RUN echo other >/twice/word; rm -r /twice/inner; mkdir /twice/link.d
COPY word sub /twice/
RUN find /twice | sort >/found; cat /twice/word >>/found; rm -r /twice
COPY word sub /twice/
RUN find /twice | sort >/found-again; cat /twice/word >>/found-again
END
same_as_buildx twice "in-process runtime"

# Nothing but what dbuild needs for the image itself was asked of the engine, and nothing of the containers is left.
expect_equal "" "$(find "$DBUILD_CACHE_DIR/runtime" -maxdepth 1 -name 'run-*'; grep runtime /proc/self/mounts || true)" "what containers left behind"

# The filter that crun is given is the one that it would make.
"$source_dir/scripts/compile_seccomp_filter.sh" >"$work/filter"
cmp "$work/filter" "$source_dir/executors/runtime/seccomp.bpf.base64" || fail "seccomp.bpf.base64 is not what seccomp.json says"

# What it says of each system call, with arguments that none takes, is what BuildKit's says: EPERM, ENOSYS, or the kernel's own word.
cat >"$work/calls.c" <<'END'
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    for (long number = 300; number < 600; ++number) {
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            alarm(2); /* for those that wait */
            errno = 0;
            syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
            printf("%ld %d\n", number, errno);
            fflush(stdout);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
}
END
cc -static -o "$context/calls" "$work/calls.c"
printf 'FROM dbuild-test/busybox:1\nRUN --mount=type=bind,target=/m /m/calls >/calls\n' >"$context/Dockerfile"
same_as_buildx calls runtime
rm "$context/calls"

expect_equal 700 "$(stat -c %a "$DBUILD_CACHE_DIR/runtime")" "mode of the folder that holds what RUNs made"

# What it cannot do: the RUNs around are still its own.
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN echo before >/before
RUN --mount=type=bind,source=word,target=/word --mount=type=secret,id=absent cat /word >/mounted
RUN cat /before /mounted >/after
END
same_as_buildx mixed "buildx runtime"

# A base image with a layer that cannot be unpacked on its own, since it says nothing of a folder in it.
mkdir -p "$work/implied/bin" "$work/implied/x/y"
cp "$(command -v busybox)" "$work/implied/bin/sh"
echo deep >"$work/implied/x/y/file"
tar -C "$work/implied" --no-recursion -cf - bin bin/sh x/y/file | docker import - "dbuild-test/implied-$run_id:1" >/dev/null
printf 'FROM dbuild-test/implied-%s:1\nRUN read word </x/y/file; echo "$word" >/got\n' "$run_id" >"$context/Dockerfile"
same_as_buildx implied buildx
expect_contains "$work/implied.err" "its folder has no entry in this layer"

# A root file system that may not lead out of itself.
mkdir -p "$work/outside" "$context/root"
ln -s "$work/outside" "$context/root/etc"
ln -s "$work/outside" "$context/root/out"
ln -s "../../../../../../..$work/outside" "$context/root/up"
cat >"$context/Dockerfile" <<END
FROM scratch
COPY --from=dbuild-test/busybox:1 /bin /bin
COPY root/ /
RUN --mount=type=tmpfs,target=/out/tmp --mount=type=tmpfs,target=/up/tmp --mount=type=cache,target=/etc/cache,id=$run_id-out touch /out/tmp/x /up/tmp/x
WORKDIR /up/work
RUN touch here
END
run hostile
expect_equal "in-process runtime" "$(executors hostile)" "executors of hostile"
expect_equal "" "$(find "$work/outside" -mindepth 1)" "what the image made outside of it"

# Failures: what was finished is kept, and the failing step names its exit code.
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN echo $run_id >/first
RUN echo said; exit 7
END
expect_exit 1 failing "$DBUILD" --executor runtime -t "$tag" --report "$work/failing.json" "$context"
expect_contains "$work/failing.err" "said"
expect_contains "$work/failing.err" "Dockerfile:3: error: RUN failed: exit code: 7"
sed -i 's/exit 7/true/' "$context/Dockerfile"
run mended
expect_equal "RUN echo said; true" "$(steps_done mended)" "steps that run once the failing one is mended"
printf 'FROM dbuild-test/busybox:1\nUSER nobody-here\nRUN true\n' >"$context/Dockerfile"
expect_exit 1 no_user "$DBUILD" --executor runtime -t "$tag" "$context"
expect_contains "$work/no_user.err" "unable to find user nobody-here"
printf 'FROM dbuild-test/busybox:1\nRUN ["/no/such/program"]\n' >"$context/Dockerfile"
expect_exit 1 no_program "$DBUILD" --executor runtime -t "$tag" "$context"
expect_contains "$work/no_program.err" "no such file or directory"
expect_contains "$work/no_program.err" "docker buildx does" # what cannot be started has not run

# Ctrl-C, or a terminal that goes away, ends the container at once, also where the runtime cannot kill it; after kill -9 the next build
# ends it.
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1
RUN echo $run_id; touch /begun; while true; do sleep 0.1; done # $run_id
END
containers() { pgrep -f "while true; do sleep 0.1; done # $run_id" | wc -l; }
has_container() { [ "$(containers)" != 0 ]; }
has_none() { [ "$(containers)" = 0 ]; }
mkdir "$work/kills-not"
cat >"$work/kills-not/crun" <<END
#!/bin/sh
case " \$* " in *" kill "*) exit 1 ;; esac
exec $(command -v crun) "\$@"
END
chmod +x "$work/kills-not/crun"
for signal in INT HUP INT-unable KILL; do
    path=$PATH
    if [ $signal = INT-unable ] && command -v crun >/dev/null; then path=$work/kills-not:$PATH; fi
    PATH=$path "$DBUILD" --executor runtime -t "$tag" "$context" >"$work/killed.out" 2>"$work/killed.err" &
    background+=($!)
    wait_for 20 "the container" has_container
    kill -${signal%-*} "${background[-1]}"
    wait "${background[-1]}" 2>/dev/null || true
    if [ $signal != KILL ]; then
        wait_for 2 "the end of the container" has_none
        expect_equal "" "$(find "$DBUILD_CACHE_DIR/runtime" -maxdepth 1 -name 'run-*')" "what an interrupted build left behind"
    fi
done
printf 'FROM dbuild-test/busybox:1\nRUN echo next %s\n' "$run_id" >"$context/Dockerfile"
run next
wait_for 5 "the end of the container of a killed build" has_none
expect_equal "" "$(find "$DBUILD_CACHE_DIR/runtime" -maxdepth 1 -name 'run-*')" "what a killed build left behind"

# Links whose targets have nothing that is ASCII: what is made, read back, copied on, added from an archive, and edited.
mkdir "$context/links"
ln -s é "$context/links/copied"
ln -s "$(printf '\xe9')" "$context/links/latin"
tar --format=posix -C "$context/links" -czf "$context/links.tar.gz" copied latin
cat >"$context/Dockerfile" <<END
FROM dbuild-test/busybox:1 AS made
COPY links /links
ADD links.tar.gz /added/
RUN ln -s ü /links/made; ls -l /links | sed 's/.* -> //' >/read
FROM dbuild-test/busybox:1
COPY --from=made /links /links
COPY --from=made /added /added
COPY --from=made /read /read
RUN ls -l /links /added | sed 's/.* -> //' >/read-again
END
same_as_buildx links "in-process runtime"
ln -sfn ö "$context/links/copied"
sed -i 's/-s ü/-s ß/' "$context/Dockerfile"
same_as_buildx other_links "in-process runtime"
expect_exit 0 verified "$DBUILD" cache verify
rm -r "$context"/links*

# A context that is named from the current folder, and looked at again while a RUN has another one: its links and attributes.
mkdir "$work/near" && cd "$work/near"
mkdir d && echo "near $run_id" >d/file && python3 -c 'import os; os.setxattr("d/file", "user.note", b"x")' && ln -s d link
printf 'FROM dbuild-test/busybox:1\nRUN --mount=type=bind,source=link,target=/m cat /m/file >/got\n' >Dockerfile
for name in near near_again; do # the second one knows the attributes already
    sed -i "s/cat .*/cat \/m\/file >\/got # $name/" Dockerfile
    build $name --executor runtime -t "$tag" .
    expect_equal runtime "$(executors $name)" "who ran a RUN that reads . ($name)"
done
cd "$work"

# What cache mounts hold is counted, and goes by age, by size, and after a month by itself; an image built before stays a hit.
printf 'FROM dbuild-test/busybox:1\nRUN --mount=type=cache,target=/c,id=%s-kept head -c 3000000 /dev/zero >/c/bytes\n' "$run_id" >"$context/Dockerfile"
use() { "$DBUILD" cache du --format json | jq ".$1"; }
cache_mounts() { "$DBUILD" cache prune --format json "$@" | jq .removed_cache_mounts; }
run kept
[ "$(use cache_mount_bytes)" -ge 3000000 ] || fail "du says $(use cache_mount_bytes) bytes of cache mounts"
[ "$(use unpacked_layer_bytes)" -gt 0 ] || fail "du says nothing of unpacked layers"
expect_equal 0 "$(cache_mounts --max-age 1h)" "cache mounts removed that were just used"
find "$DBUILD_CACHE_DIR/runtime/cache-mounts" -name '*.lock' -exec touch -d '31 days ago' {} +
sed -i 's/head/true; head/' "$context/Dockerfile"
run used
expect_equal 1 "$(find "$DBUILD_CACHE_DIR/runtime/cache-mounts" -mindepth 1 -maxdepth 1 -type d | wc -l)" "cache mounts after a month: the one that was used"
expect_equal "1 1" "$(cache_mounts --max-size 1MB --dry-run) $(cache_mounts --max-size 1MB)" "cache mounts removed for their size"
expect_equal 0 "$(use cache_mount_bytes)" "bytes of cache mounts"
run without
expect_equal "" "$(steps_done without)" "steps that ran for want of a cache mount"
