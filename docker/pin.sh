#!/bin/sh
# Writes after each base image of the Dockerfiles and the compose file the digest that its tag has in the registry now:
# what is built from one commit stands on one base from then on. Needs docker with buildx, and the network.
set -eu
cd "$(dirname "$0")/.."
files="docker-compose.yml docker/data-loader/Dockerfile docker/workbook/Dockerfile"
# Names of the project's own images and of stages have no colon.
# shellcheck disable=SC2086
for image in $(sed -n -E 's/^(FROM| +image:) ([^ @]+:[^ @]+).*$/\2/p' $files | sort -u); do
    digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
    case $digest in
    sha256:*) ;;
    *) echo "The registry names no digest of $image: $digest" >&2; exit 1 ;;
    esac
    for file in $files; do
        sed -E "s#^(FROM| +image:) $image(@sha256:[0-9a-f]+)?#\1 $image@$digest#" "$file" > "$file.pinned"
        cat "$file.pinned" > "$file"
        rm "$file.pinned"
    done
    echo "$image@$digest"
done
