#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a user may ask of the cache: times to live, no cutoff, salts of secrets, stages that run again. What really ran is said by
# a server that every RUN asks for a URL of its own; dbuild's and BuildKit's caches would both answer otherwise.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"

start_server
tag=dbuild-test/policies-$run_id:1
mkdir "$work/context"
dockerfile() { cat >"$work/context/Dockerfile"; }
get() { echo "wget -qO /dev/null $server/$run_id/$1"; }
# ran WHAT NAME...: the RUNs since the last call
ran() {
    local what=$1
    shift
    expect_equal "$(printf "/$run_id/%s\n" "$@" | grep -v '/$' | sort)" "$(fetched)" "$what: what ran"
}
# Makes all results of RUNs whose text has WORD as old as 25 hours.
age() {
    python3 - "$DBUILD_CACHE_DIR/index.sqlite" "$1" <<'END'
import datetime, sqlite3, sys
made = datetime.datetime.utcnow() - datetime.timedelta(hours=25)
with sqlite3.connect(sys.argv[1]) as index:
    changed = index.execute("UPDATE step SET created = ? WHERE ingredients LIKE ?",
                            (made.strftime("%Y-%m-%dT%H:%M:%S.000000000Z"), f"%kind=run%{sys.argv[2]}%")).rowcount
assert changed == 1, changed
END
}

# A time to live by a comment: what is older runs, and what stands on it, also in the stage below; COPY --from goes by content.
dockerfile <<END
FROM dbuild-test/busybox:1 AS list
RUN $(get first)
# dbuild: ttl=24h
RUN $(get listed) && echo same > /same
RUN $(get after)
FROM list AS child
RUN $(get child)
FROM dbuild-test/busybox:1
COPY --from=list /same /
RUN $(get copied)
COPY --from=child /same /again
END
build ttl -t "$tag" "$work/context"
ran "first build" first listed after child copied
build ttl_again -t "$tag" "$work/context"
ran "younger than its time to live"
age /listed
"$DBUILD" explain -t "$tag" "$work/context" >"$work/explained.out"
expect_contains "$work/explained.out" "expired: made "
build ttl_over -t "$tag" "$work/context"
ran "older than its time to live" listed after child
expect_contains "$work/ttl_over.err" "expired: made "
build ttl_fresh -t "$tag" "$work/context"
ran "made again a moment ago"
docker builder prune -af >/dev/null
build ttl_pruned -t "$tag" "$work/context"
ran "made again a moment ago, builder pruned"

# For all RUNs that may reach the network; what a comment says goes before.
dockerfile <<END
FROM dbuild-test/busybox:1
# dbuild: ttl=forever
RUN $(get kept)
RUN --network=none echo lonely > /lonely
RUN $(get networked)
END
build all_first -t "$tag" "$work/context"
ran "first build" kept networked
age /kept
age lonely
build all_young --cache-ttl 24h -t "$tag" "$work/context"
ran "--cache-ttl: others are younger"
age /networked
build all_without -t "$tag" "$work/context"
ran "without --cache-ttl"
build all_old --cache-ttl 24h -t "$tag" "$work/context"
ran "--cache-ttl" networked
expect_exit 2 ttl_wrong "$DBUILD" --cache-ttl 1d -t "$tag" "$work/context"
expect_contains "$work/ttl_wrong.err" '--cache-ttl: time: unknown unit "d"'

# The same outcome ends the need to run, unless a comment says otherwise.
cutoff() { # WORD COMMENT
    dockerfile <<END
FROM dbuild-test/busybox:1 AS base
$2
RUN : $1; $(get bust)
FROM base
RUN $(get follows)
END
    build "cutoff_$1" -t "$tag" "$work/context"
}
cutoff one ''
ran "first build" bust follows
cutoff two ''
ran "another command with the same outcome" bust
cutoff three '# dbuild: no-cutoff'
ran "without cutoff" bust follows
cutoff three '# dbuild: no-cutoff'
ran "without cutoff, nothing changed"
cutoff four '# dbuild: no-cutoff, ttl=1h'
ran "without cutoff, another command" bust follows
cutoff four '# dbuild: no-cutof'
expect_contains "$work/cutoff_four.err" 'line 3: "# dbuild: no-cutof" is ignored: no such directive (did you mean no-cutoff?)'
: >"$work/fetched"

# A secret counts by its id; by its salt, too, where one is given. The salt's text is kept nowhere.
dockerfile <<END
FROM dbuild-test/busybox:1
RUN --mount=type=secret,id=token,required=true $(get token)
RUN --mount=type=secret,id=other $(get other)
END
secret() { # NAME VALUE FLAG...
    echo "$2" >"$work/token"
    build "$1" --secret "id=token,src=$work/token" "${@:3}" -t "$tag" "$work/context"
}
secret salt_none first
ran "first build" token other
secret salt_rotated second
ran "another secret without a salt"
secret salt_one second --secret-salt "token=rotated-$run_id-1"
ran "a salt" token
secret salt_one_again third --secret-salt "token=rotated-$run_id-1"
ran "the same salt"
secret salt_two third --secret-salt "token=rotated-$run_id-2"
ran "another salt" token
if grep -rqF "rotated-$run_id" "$DBUILD_CACHE_DIR"; then fail "the salt is in the cache"; fi
expect_exit 2 salt_wrong "$DBUILD" --secret-salt token -t "$tag" "$work/context"

# --no-cache-filter: the stage and what stands on it; not what only copies from it.
dockerfile <<END
FROM dbuild-test/busybox:1 AS source
RUN $(get source) && echo same > /same
RUN $(get source-too)
FROM source AS child
RUN $(get child)
FROM dbuild-test/busybox:1
COPY --from=source /same /
COPY --from=child /same /again
RUN $(get last)
END
build filter_first -t "$tag" "$work/context"
ran "first build" source source-too child last
build filter_source --no-cache-filter source -t "$tag" "$work/context"
ran "--no-cache-filter source" source source-too child
build filter_after -t "$tag" "$work/context"
ran "after --no-cache-filter"
build no_cache --no-cache -t "$tag" "$work/context"
ran "--no-cache" source source-too child last
