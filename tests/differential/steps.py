# SPDX-License-Identifier: Apache-2.0
"""The kinds of steps that a generated stage is made of. Every command is deterministic, and works whatever earlier steps an
edit removed: what it needs it makes, and what it only reads may be absent.

Folders in the image: /in from the context, /from from other stages, /out made by commands (COPY --from takes it), /touched
whose modification times commands set."""
from project import Stage, Step

WORDS = ["alpha", "beta", "gamma", "delta"]
MODES = ["0644", "0755", "0700", "0640"]
CACHE = "--mount=type=cache,target=/cache,id=@run@-@id@"
QUIET_ENVIRONMENT = "env | grep -vi proxy | sort"  # proxy arguments are in no key, BuildKit's neither


def digest(places):
    return f"$(find {places} -type f 2>/dev/null | sort | tr '\\n' '\\0' | xargs -0 cat 2>/dev/null | sha256sum)"


# kind → texts, one of which is chosen. @w@ and @v@ are words, @m@ a mode, @d@ a digit; each can change later. @id@ cannot.
TEXTS = {
    "write": ["RUN echo @w@ > /out/@v@", "RUN mkdir -p /out/@v@.d && echo @w@ > /out/@v@.d/file",
              'RUN ["/bin/sh", "-c", "echo exec-@w@ > /out/exec"]', "RUN --network=none echo @w@ > /out/lonely"],
    "cutoff": ["RUN : @w@ && echo same > /out/same", "RUN test -n @w@ && mkdir -p /out/kept && echo kept > /out/kept/file",
               "RUN : @w@ ; true", "RUN echo @w@ > /dev/null && ls /in/src 2>/dev/null | wc -l > /out/count"],
    "read": [f'RUN d="{digest("/in /from")}" && echo "$d" > /out/digest-@v@',
             "RUN s=$(find /in /from /out -exec stat -c '%n %a %u %g %F' {} + 2>/dev/null | sort | sha256sum) && "
             'echo "$s" > /out/modes-@v@'],
    "environment": [f'RUN e="$({QUIET_ENVIRONMENT})" && echo "$e" > /out/environment',
                    'RUN echo "$ONE-${TWO:-none}-$THREE" > /out/variables-@v@', 'RUN echo "$TARGETARCH $PWD" > /out/arch'],
    "env": ["ENV ONE=@w@ TWO=@v@", "ENV TWO=@v@ ONE=@w@", "ENV ONE=$ONE-@d@", 'ENV THREE="quo\\"ted $TWO" ONE=@w@', "ENV TWO @w@ @v@"],
    "arg": ["ARG ONE=@w@", "ARG TWO", "ARG THREE=$ONE-@v@", "ARG TARGETARCH", "ARG GLOBAL", "ARG FOUR=@w@ FIVE=@v@"],
    "metadata": ["LABEL one=@w@ two=\"$ONE @v@\"", 'CMD ["@w@", "$ONE"]', "CMD echo @w@", 'ENTRYPOINT ["/bin/@w@"]', "EXPOSE 80@d@1/udp 90@d@",
                 "VOLUME /volume-@w@", "STOPSIGNAL SIGUSR1", "HEALTHCHECK --interval=@d@1s --retries=@d@1 CMD echo @w@",
                 "HEALTHCHECK NONE", "MAINTAINER @w@", "USER 0"],
    "shell": ['SHELL ["/bin/ash", "-ec"]\nRUN echo @w@ > /out/shelled\nSHELL ["/bin/sh", "-c"]'],
    "workdir": ["WORKDIR /work/@w@\nRUN pwd > /out/where && echo @v@ > here", "WORKDIR deeper-@w@", "WORKDIR /work/x$ONE/y", "WORKDIR /"],
    "user": ["USER app\nRUN id -u > /tmp/id-@w@ && echo @v@ > /tmp/of-app\nUSER 0",
             "USER 1000:1000\nWORKDIR /home/work-@w@\nRUN id -g > /tmp/group && echo $HOME >> /tmp/group\nUSER root"],
    "copy": ["COPY src /in/src", "COPY src/ lib/ /in/", "COPY . /in/all/", "COPY src/*.txt /in/texts/", "COPY --chown=app:app lib /in/owned",
             "COPY --chmod=@m@ src/main.txt /in/moded-@v@", "COPY --link src /in/linked", 'COPY ["src", "lib", "/in/both/"]',
             "COPY src/main.txt /in/named-@w@", "COPY --link --chown=1000:1000 lib/tool /in/bin/tool", "COPY lib relative-@w@/",
             "RUN mkdir -p /out && ln -sfn /out /link\nCOPY src/main.txt /link/", "COPY src/s* conf /in/mixed/", "ADD conf /in/conf-@w@"],
    "copy_from": ["COPY --from=@from@ /out /from/@w@/", "COPY --from=@from@ /out/anchor /from/anchor-@w@", "COPY --from=@from_index@ /out/a* /from/",
                  "COPY --from=@from@ --link /out /from/linked", "COPY --from=@from@ --chown=1000:1000 --chmod=@m@ /out/anchor /from/owned",
                  "COPY --from=@from@ /in /from/in*"],
    "copy_image": ["COPY --from=dbuild-test/busybox:1 /etc/passwd /from/passwd-@w@", "COPY --from=dbuild-test/@run@-base:1 /etc /from/etc"],
    "copy_heredoc": ["COPY <<EOF /in/here-@v@\nvalue $ONE @w@\n\\$TWO\nEOF", 'COPY <<"FIRST" <<SECOND /in/heres/\n$ONE @w@\nFIRST\nsecond @v@\nSECOND'],
    "run_heredoc": ["RUN <<EOF\nmkdir -p /out\necho @w@ > /out/heredoc\n# a comment of the shell\necho $ONE >> /out/heredoc\nEOF",
                    "RUN cat <<EOF > /out/cat-@v@ && echo done >> /out/cat-@v@\nline @w@ $TWO\nEOF",
                    "RUN <<-EOF\n\techo tab @w@ > /out/tab\n\tEOF"],
    "run_shebang": ["RUN <<EOF\n#!/bin/sh\necho @w@ $ONE > /out/shebang\nEOF"],
    "add_tar": ["ADD pack.tar /in/pack/", "ADD pack.tar.gz /in/packed-@w@/", "ADD pack.tar src/main.txt /in/several/"],
    "remove": ["RUN rm -rf /in/src /out/same && true", "RUN rm -rf /from && mkdir /from && echo @w@ > /from/fresh",
               "RUN rm -rf /home && mkdir -p /home && echo @w@ > /home/again", "RUN rm -f /in/named-* /out/alpha"],
    "links": ["RUN mkdir -p /l && rm -rf /l/* && echo @w@ > /l/a && ln /l/a /l/b && ln -s a /l/c", "RUN mkdir -p /l && echo @w@ > /l/d && mv /l/d /l/e",
              "RUN rm -f /l/a && mkdir -p /l && ln -sfn ../out /l/out", "RUN mkdir -p /l && rm -f /l/pipe && mkfifo -m @m@ /l/pipe"],
    "modes": ["RUN mkdir -p /in && chmod -R @m@ /out && chmod 0755 /out && chown -R 1000:1000 /in", "RUN chmod 1777 /out",
              "RUN mkdir -p /out/private && chmod 0711 /out/private && chown app /out/private"],
    "swap": ["RUN rm -rf /sw && mkdir /sw && echo @w@ > /sw/file", "RUN rm -rf /sw && echo @w@ > /sw", "RUN rm -rf /sw && ln -s /out /sw"],
    "touch": ["RUN mkdir -p /touched && echo @w@ > /touched/file && touch -d '200@d@-02-03 04:05:06' /touched/file",
              "RUN s=$(stat -c '%n %Y' /touched/* 2>/dev/null); echo \"$s\" > /out/times",
              "RUN mkdir -p /touched && echo same > /touched/@v@ && touch -d '200@d@-12-31 23:59:59' /touched/@v@"],
    # A step that fills a cache mount, and a later one that moves something out of it; perhaps one between them.
    "cache_pair": [f"RUN {CACHE} echo @w@ > /cache/value\nRUN {CACHE} mv /cache/value /out/taken-@id@",
                   f"RUN {CACHE} echo @w@ > /cache/value && true\nLABEL between=pair\nRUN {CACHE} echo more >> /cache/value\n"
                   f"RUN {CACHE} mv /cache/value /out/taken-@id@",
                   f"RUN {CACHE},sharing=locked,uid=1000,mode=0770 echo @w@ > /cache/value\n"
                   f"RUN {CACHE},sharing=locked,uid=1000,mode=0770 mv /cache/value /out/locked-@id@"],
    # Only what is the same whatever the cache held before: `from` fills it once.
    "cache_from": ["RUN --mount=type=cache,target=/seeded,id=@run@-@id@,from=@from@,source=/out ls /seeded | grep -c anchor > /out/seeded-@v@"],
    "ssh": ["RUN --mount=type=ssh test ! -S \"$SSH_AUTH_SOCK\" && echo @w@ > /out/no-agent"],
    "bind": [f'RUN --mount=type=bind,source=src,target=/m d="{digest("/m")}" && echo "$d" > /out/bind-@v@',
             "RUN --mount=type=bind,source=src/main.txt,target=/m/main cat /m/main > /out/bound",
             f'RUN --mount=target=/m,rw echo scratch > /m/scratch && d="{digest("/m/src /m/lib")}" && echo "$d" > /out/bind-all'],
    "bind_from": [f'RUN --mount=type=bind,from=@from@,source=/out,target=/m d="{digest("/m")}" && echo "$d" > /out/from-@v@',
                  "RUN --mount=from=@from@,source=/out/anchor,target=/m/anchor cat /m/anchor > /out/from-anchor"],
    "tmpfs": ["RUN --mount=type=tmpfs,target=/out/tmp echo @w@ > /out/tmp/x && cp /out/tmp/x /out/of-tmpfs"],
    "secret": ["RUN --mount=type=secret,id=token,required=true cat /run/secrets/token | wc -c > /out/secret-@v@",
               "RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent && echo @w@ > /out/no-secret",
               "RUN --mount=type=secret,id=token,target=/t/token,uid=1000,mode=0440 stat -c '%u %a' /t/token > /out/token-mode"],
}
# A cache mount that a stage fills and a stage from it empties: both steps stay, so that one never lacks the other.
CACHE_FILL, CACHE_TAKE = f"RUN {CACHE} echo @w@ > /cache/value", f"RUN {CACHE} mv /cache/value /out/inherited-@id@"
MOUNT_KINDS = {"cache_pair", "cache_from", "ssh", "bind", "bind_from", "tmpfs", "secret"}
KINDS = sorted({*TEXTS, "cache_inherited"})
# How often each is chosen; 1 where nothing is said.
WEIGHTS = {"write": 3, "cutoff": 3, "read": 3, "env": 2, "arg": 2, "metadata": 2, "copy": 5, "copy_from": 4, "environment": 2, "touch": 2,
           "copy_image": 0.5, "run_shebang": 0.3, "shell": 0.5}


def make_step(random, project, stage, kinds, mount_weight):
    """A new step for the stage. kinds: names to choose from; mount_weight: factor on those that use RUN --mount."""
    earlier = []
    for other in project.stages:
        if other.number == stage.number:
            break
        if other.name:
            earlier.append(other.number)
    usable = [kind for kind in kinds if kind in TEXTS and (earlier or kind not in ("copy_from", "bind_from", "cache_from"))]
    weights = [WEIGHTS.get(kind, 1) * (mount_weight if kind in MOUNT_KINDS else 1) for kind in usable]
    kind = random.choices(usable, weights)[0] if any(weights) else "write"
    text = random.choice(TEXTS[kind])
    step = Step(kind, text)
    for name, choices in {"w": WORDS, "v": WORDS, "m": MODES, "d": list("123456")}.items():
        if f"@{name}@" in text:
            step.values[name] = random.choice(choices)
            step.choices[name] = choices
    if "@id@" in text:
        step.values["id"] = str(project.new_number())
    if "@from" in text:
        step.source = random.choice(earlier)
        if "/in*" in text:  # the other stage may have none of it
            step.text = text.replace("/in /from/in*", "/out /etc/group /from/in/")
    return step


def make_stage(random, project, name, kinds, mount_weight):
    """A new last stage with its first step, which makes /out/anchor; the steps after it are the caller's."""
    named = [stage.number for stage in project.stages if stage.name]
    bases = ["dbuild-test/busybox:1", "dbuild-test/busybox:2", project.base_tag(), "dbuild-test/busybox:$GLOBAL"]
    base = random.choice(named) if named and random.random() < 0.35 else random.choice(bases)
    stage = Stage(project.new_number(), name, base)
    anchor = "RUN mkdir -p /out && echo @w@ > /out/anchor && : @run@"
    stage.steps.append(Step("anchor", anchor, {"w": "alpha"}, {"w": WORDS}, is_fixed=True))
    project.stages.append(stage)
    if isinstance(base, int) and "cache_inherited" in kinds and random.random() < 0.5 * mount_weight:
        number = str(project.new_number())
        fill = Step("cache_inherited", CACHE_FILL, {"w": random.choice(WORDS), "id": number}, {"w": WORDS}, is_fixed=True)
        project.stage(base).steps.append(fill)
        stage.steps.insert(0, Step("cache_inherited", CACHE_TAKE, {"id": number}, is_fixed=True))  # first: nothing of its own stage reruns it
    for _ in range(random.randint(2, 6)):
        stage.steps.append(make_step(random, project, stage, kinds, mount_weight))
    return stage
