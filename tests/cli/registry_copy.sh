#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dbuild copy between OCI folders, archives and Debian's docker-registry, plain, with passwords and with TLS: digests
# stay, only absent blobs move, skopeo takes what comes out, and no password is shown.
set -euo pipefail
. "$(dirname "$0")/../helpers/cli.sh"
. "$helpers/registry.sh"

# Runs dbuild copy, which must print the digest. copy NAME DIGEST SOURCE DESTINATION
copy() {
    expect_exit 0 "$1" "$DBUILD" copy "$3" "$4"
    expect_equal "$2" "$(cat "$work/$1.out")" "digest of $1"
}
skopeo_digest() { skopeo inspect --tls-verify=false "$@" | jq -r .Digest; }
uploads() { grep -c 'http.request.method=PUT.*blobs/uploads' "$1" || true; }

one=$(make_layout "$work/one" "$run_id")
more=$(make_layout "$work/more" "$run_id" 4) # one layer further

start_registry plain
copy push "$one" "oci:$work/one:1" "$registry/team/app:1"
expect_contains "$work/push.err" "blobs: 4 moved"
expect_equal "$one" "$(skopeo_digest "docker://$registry/team/app:1")" "digest that skopeo sees"
expect_equal 4 "$(uploads "$work/plain.log")" "uploads that the registry saw"

# The same again asks for the manifest only; a further layer moves alone, with the new configuration.
requests=$(grep -c 'response completed' "$work/plain.log")
copy again "$one" "oci:$work/one" "docker://$registry/team/app:1"
expect_contains "$work/again.err" "there already"
requests=$(($(grep -c 'response completed' "$work/plain.log") - requests))
expect_equal 2 "$requests" "requests: which protocol, which digest"
copy further "$more" "oci:$work/more:1" "$registry/team/app:2"
expect_contains "$work/further.err" "blobs: 2 moved"
expect_contains "$work/further.err" "3 were there"
expect_equal 6 "$(uploads "$work/plain.log")" "uploads after the second image"
# Another tag of what is there is one manifest.
copy retag "$one" "$registry/team/app:1" "$registry/team/app:2"
expect_equal 6 "$(uploads "$work/plain.log")" "uploads after another tag"

# Within one registry blobs are mounted.
copy mount "$more" "$registry/team/app@$more" "$registry/other/app:1"
expect_contains "$work/mount.err" "0 moved (0 bytes), 5 mounted"
expect_equal 6 "$(uploads "$work/plain.log")" "uploads after the mount"

# Back into a folder and an archive, for skopeo.
copy pull "$more" "$registry/other/app:1" "oci:$work/pulled:1"
skopeo copy -q "oci:$work/pulled:1" "dir:$work/taken"
copy archive "$more" "$registry/other/app:1" "archive:$work/image.tar:app:1"
skopeo copy -q "oci-archive:$work/image.tar" "dir:$work/from_oci"
skopeo copy -q "docker-archive:$work/image.tar" "dir:$work/from_docker"
copy unpack "$more" "oci-archive:$work/image.tar" "oci:$work/unpacked:1"
diff <(cd "$work/more/blobs" && find . -type f | sort) <(cd "$work/unpacked/blobs" && find . -type f | sort)
copy missing_only "$one" "$registry/team/app@$one" "oci:$work/pulled:0"
expect_contains "$work/missing_only.err" "1 moved" # the configuration
expect_equal 2 "$(jq '.manifests | length' "$work/pulled/index.json")" "images in the folder"

# An index keeps all its images.
jq -n --slurpfile a "$work/one/index.json" --slurpfile b "$work/more/index.json" '{schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [($a[0].manifests[0] | del(.annotations) | .platform = {os: "linux", architecture: "amd64"}),
                ($b[0].manifests[0] | del(.annotations) | .platform = {os: "linux", architecture: "arm64"})]}' \
    >"$work/index"
index=sha256:$(sha256sum <"$work/index" | cut -d' ' -f1)
cp -R "$work/more" "$work/both"
cp "$work"/one/blobs/sha256/* "$work/both/blobs/sha256/"
cp "$work/index" "$work/both/blobs/sha256/${index#*:}"
jq -n --arg digest "$index" --argjson size "$(stat -c %s "$work/index")" '{schemaVersion: 2, manifests: [
    {mediaType: "application/vnd.oci.image.index.v1+json", digest: $digest, size: $size}]}' >"$work/both/index.json"
copy index "$index" "oci:$work/both" "$registry/team/both:1"
expect_equal "$more" "$(skopeo_digest --override-arch arm64 "docker://$registry/team/both:1" |
    sed "s/$index/$more/")" "the index" # 1.9 names the index
copy index_back "$index" "$registry/team/both:1" "oci:$work/both_back:1"

# Passwords: Basic, from config.json and from a helper.
perl -e 'print "alice:" . crypt("wonderland", "\$2b\$04\$abcdefghijklmnopqrstuu") . "\n"' >"$work/htpasswd"
start_registry locked "" "auth: {htpasswd: {realm: here, path: \"$work/htpasswd\"}}"
expect_exit 1 anonymous "$DBUILD" copy "oci:$work/one" "$registry/app:1"
expect_contains "$work/anonymous.err" "401"
mkdir -p "$HOME/.docker" "$work/bin"
log_in() {
    printf '{"auths": {"%s": {"auth": "%s"}}}' "$registry" "$(printf %s "$1" | base64)" >"$HOME/.docker/config.json"
}
log_in alice:wonderland
copy basic "$one" "oci:$work/one" "$registry/app:1"
log_in alice:rabbithole
expect_exit 1 wrong_password "$DBUILD" copy "$registry/app:1" "oci:$work/locked"
printf '{"credHelpers": {"%s": "wonder"}}' "$registry" >"$HOME/.docker/config.json"
cat >"$work/bin/docker-credential-wonder" <<END
#!/bin/sh
read -r host
echo "\$1 \$host" >>"$work/helped"
echo '{"Username": "alice", "Secret": "wonderland"}'
END
chmod +x "$work/bin/docker-credential-wonder"
PATH="$work/bin:$PATH" copy helper "$one" "$registry/app:1" "oci:$work/locked"
expect_equal "get $registry" "$(cat "$work/helped")" "what the helper was asked"
printf '#!/bin/sh\necho wonderland\nexit 1\n' >"$work/bin/docker-credential-wonder"
PATH="$work/bin:$PATH" expect_exit 1 broken_helper "$DBUILD" copy "$registry/app:1" "oci:$work/locked"
expect_contains "$work/broken_helper.err" "docker-credential-wonder failed"
rm "$HOME/.docker/config.json"

# TLS: with the authority that certs.d names, and with another one.
# make_certificate NAME
make_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$work/$1.key" -out "$work/$1.pem" 2>>"$work/openssl.err"
}
make_certificate server
make_certificate other
start_registry tls "  tls: {certificate: \"$work/server.pem\", key: \"$work/server.key\"}"
certificates=$HOME/.docker/certs.d/$registry
mkdir -p "$certificates"
cp "$work/server.pem" "$certificates/ca.crt"
copy tls "$one" "oci:$work/one" "$registry/app:1"
expect_equal "$one" "$(skopeo_digest "docker://$registry/app:1")" "digest over TLS"
cp "$work/other.pem" "$certificates/ca.crt"
expect_exit 1 untrusted "$DBUILD" copy "$registry/app:1" "oci:$work/tls"
expect_contains "$work/untrusted.err" certificate
DBUILD_INSECURE_REGISTRIES=example.org,$registry copy insecure "$one" "$registry/app:1" "oci:$work/tls"

# Passwords stay where they are.
expect_exit 2 user_info "$DBUILD" copy "docker://alice:wonderland@$registry/app:1" "oci:$work/x"
if grep -rlE 'wonderland|rabbithole' "$work"/*.err "$work"/*.out; then fail "a password was shown"; fi

# A mirror of Docker Hub is asked first; what it has not, and what a broken one has, comes from elsewhere or not at all.
start_registry mirror
copy to_mirror "$one" "oci:$work/one:1" "$registry/library/mirrored-$run_id:1"
export DBUILD_REGISTRY_MIRRORS=http://127.0.0.1:$(free_port),http://$registry
copy from_mirror "$one" "mirrored-$run_id:1" "oci:$work/from_mirror:1"
skopeo copy -q "oci:$work/from_mirror:1" "dir:$work/from_mirror_taken"
DBUILD_REGISTRY_MIRRORS=registry.example expect_exit 2 bad_mirror "$DBUILD" copy "mirrored-$run_id:1" "oci:$work/bad:1"
expect_contains "$work/bad_mirror.err" "DBUILD_REGISTRY_MIRRORS"
unset DBUILD_REGISTRY_MIRRORS
