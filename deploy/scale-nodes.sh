#!/bin/sh
# Sets the number of storage nodes in each colo of compose.yaml, with their own volumes.
#
#   deploy/scale-nodes.sh 3 && docker compose up --detach --wait --force-recreate
#
# Appends the new nodes, and volumes for new photos, to deploy/cluster.toml, and writes them to
# compose.override.yaml, which Compose reads after compose.yaml. Nodes can only be added, because the
# existing ones store photos.
set -eu

wanted="${1:?usage: deploy/scale-nodes.sh COUNT}"
cd "$(dirname "$0")/.."
cluster=deploy/cluster.toml override=compose.override.yaml

main() {
  existing="$(grep -c '^\[nodes\.east-' "$cluster")"
  if [ "$wanted" -lt "$existing" ]; then
      echo "each colo has $existing nodes: nodes can only be added" >&2
    exit 1
  elif [ "$wanted" -eq 2 ]; then
    echo "each colo already has 2 nodes"
    exit
  fi
  for number in $(seq $((existing + 1)) "$wanted"); do
    render_nodes "$number" >>"$cluster"
  done
  render_override >"$override"
  echo "Each colo has $wanted nodes. They start with:"
  echo "  docker compose up --detach --wait --force-recreate"
}

# Prints two nodes, and volumes that each of them shares with two nodes of the other colo.
render_nodes() {
  for colo in east west; do
    printf '\n[nodes.%s]\ncolo = "%s"\n' "$colo-$1" "$colo"
    printf 'read = "%s:7101"\nwrite = "%s:7201"\n' "$colo-$1" "$colo-$1"
    printf 'store = "/nodes/%s"\n' "$colo-$1"
  done
  last="$(sed -n 's/^numbers = "\([0-9]*-\)\{0,1\}\([0-9]*\)"$/\2/p' "$cluster" | sort -n | tail -n 1)"
  for pair in "$1 $1" "$1 $(($1 - 1))" "$(($1 - 1)) $1"; do
    printf '\n[[volumes]]\nnumbers = "%s-%s"\n' $((last + 1)) $((last + 2))
    printf 'mirrors = ["east-%s", "west-%s", "cold-1"]\n' "${pair% *}" "${pair#* }"
    last=$((last + 2))
  done
}

# Each new node is a copy of its colo's first node in compose.yaml, with another name and address.
render_override() {
  echo "# Written by deploy/scale-nodes.sh. Do not edit."
  sed -n '/^x-/,/^services:/p' compose.yaml
  for service in owner init; do
    printf '  %s:\n    volumes:\n' "$service"
    for node in $(added); do echo "      - $node:/nodes/$node"; done
  done
  for edge in $(sed -n 's/^\[edges\.\(.*\)\]$/\1/p' "$cluster"); do
    printf '  %s:\n    extra_hosts:\n' "$edge"
    for node in $(added); do echo "      - $node:$(address_of "$node")"; done
  done
  for node in $(added); do
    first="${node%-*}-1"
    sed '/^networks:/q' compose.yaml | sed -n "/^  $first:\$/,/^\$/p" |
      sed "s/$first/$node/g; s/$(address_of "$first")/$(address_of "$node")/"
  done
  echo "volumes:"
  for node in $(added); do echo "  $node:"; done
}

# compose.yaml already has the first two nodes of each colo.
added() {
  for number in $(seq 3 "$wanted"); do echo "east-$number west-$number"; done
}

address_of() {
  case "$1" in
    east-*) echo "10.201.1.$((10 + ${1#east-}))" ;;
    west-*) echo "10.201.2.$((10 + ${1#west-}))" ;;
  esac
}

main
