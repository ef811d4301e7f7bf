#!/usr/bin/env bash
# Makes, of Debian 12's packages, images that stand in for the official ones, under their names: for
# machines that reach Debian and PyPI and no registry of images. Run as root; what is there stays.
#
#   make-images.sh
set -euo pipefail

DEBIAN=docker.io/library/debian:bookworm-slim

main() {
  is_there "$DEBIAN" || make_debian
  stand_in docker.io/library/python:3.11-slim-bookworm python3 python3-venv <<'END'
RUN ln -s python3 /usr/bin/python
END
  # Debian 12 has no Valkey, but what Valkey was made of.
  stand_in docker.io/valkey/valkey:9.0 redis-server <<'END'
RUN ln -s redis-server /usr/bin/valkey-server && ln -s redis-cli /usr/bin/valkey-cli \
    && useradd --system valkey && install --directory --owner valkey /data
WORKDIR /data
END
  stand_in docker.io/library/memcached:1.6-alpine memcached netcat-openbsd <<'END'
USER memcache
END
}

is_there() { podman image exists "$1"; }

# Debian's smallest, which trusts whom this machine trusts: there may be a proxy between.
make_debian() {
  local root
  root="$(mktemp --directory)"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$root.log" 2>&1 || {
    tail -n 5 "$root.log" >&2
    rm -rf "$root"
    return 1
  }
  rm -f "$root.log" "$root"/var/cache/apt/archives/*.deb
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
  tar --directory "$root" --create . | podman import --quiet --change 'CMD ["bash"]' - "$DEBIAN" >/dev/null
  rm -rf "$root"
}

# Builds an image with this name and these packages, and runs the commands of stdin in it.
stand_in() {
  local name="$1" context
  shift
  is_there "$name" && return
  echo "Making $name" >&2
  context="$(mktemp --directory)"
  {
    printf 'FROM %s\nRUN apt-get update && apt-get install --yes --no-install-recommends %s\n' \
      "$DEBIAN" "$*"
    cat
  } >"$context/Dockerfile"
  podman build --quiet --network host --tag "$name" "$context" >/dev/null
  rm -r "$context"
}

main "$@"
