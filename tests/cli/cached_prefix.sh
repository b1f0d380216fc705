#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A segment that starts in the middle of a stage sees the ARG and ENV values that were in force there: after an edit of the last
# RUN only that one runs, and the image is the one that docker buildx build makes from nothing.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

# check NAME, with the Dockerfile on standard input; in it, LAST stands where the edit is made, before the last RUN's output.
check() {
    local name=$1 context=$work/$1
    shift
    mkdir "$context"
    { cat && echo 'RUN echo LAST && env | sort > /last'; } | sed "s/FIRST/$run_id/" >"$context/Dockerfile"
    build "$name" "$@" -t "dbuild-test/prefix-$name-$run_id:1" "$context"
    sed -i 's/LAST/edited/' "$context/Dockerfile"
    build "$name.edited" "$@" -t "dbuild-test/prefix-$name-$run_id:1" "$context"
    expect_equal 'RUN echo edited && env | sort > /last' "$(steps_done "$name.edited")" "$name: steps that ran after the edit"
    docker buildx build -q --no-cache --provenance=false "$@" -t "dbuild-test/theirs-$name-$run_id:1" "$context" >/dev/null
    for file in /first /middle /last; do
        expect_equal "$(docker run --rm --network none "dbuild-test/theirs-$name-$run_id:1" cat "$file")" \
            "$(docker run --rm --network none "dbuild-test/prefix-$name-$run_id:1" cat "$file")" "$name: $file"
    done
}

check declared_twice --build-arg OTHER=given <<'END'
FROM dbuild-test/busybox:1
ARG V=1
RUN echo FIRST && env | sort > /first
ARG V=2
ARG OTHER
RUN env | sort > /middle
END

check environment_over_argument --build-arg A=argument <<'END'
FROM dbuild-test/busybox:1
ARG A
RUN echo FIRST && env | sort > /first
ENV A=environment
RUN env | sort > /middle
END

check argument_over_environment <<'END'
FROM dbuild-test/busybox:1 AS parent
ENV A=environment
RUN echo FIRST && env | sort > /first
ARG A=argument
RUN env | sort > /middle
FROM parent
RUN env | sort > /child
ARG A
END

# shellcheck disable=SC2016 # expanded by the Dockerfile
check characters --build-arg 'QUOTES="a" '"'b'" --build-arg 'DOLLAR=$HOME ${X:-y} $$' --build-arg 'SLASH=a\b\\c\' \
    --build-arg 'LINES=one
two
' --build-arg EMPTY= <<'END'
FROM dbuild-test/busybox:1
ARG QUOTES
ARG DOLLAR
ARG SLASH
ARG LINES
ARG EMPTY
RUN echo FIRST && env | sort > /first
ARG MORE="$QUOTES-$DOLLAR-$SLASH"
RUN env | sort > /middle
ENV KEPT="$LINES$EMPTY"
END

check automatic --target last <<'END'
ARG GLOBAL=global
FROM dbuild-test/busybox:1 AS last
ARG TARGETPLATFORM GLOBAL
RUN echo FIRST && env | sort > /first
ARG BUILDARCH
USER app
WORKDIR /home
USER root
RUN env | sort > /middle
END
