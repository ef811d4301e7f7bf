#!/usr/bin/env bash
# Runs the gallery beside a cluster that `make up` runs: start.sh DATA PORT.
set -euo pipefail
cd "$(dirname "$0")/../.."

data="${1:-data}" port="${2:-8060}"
folder="$data/gallery" address="http://127.0.0.1:$port"
glassplate=(.venv/bin/glassplate --cluster "$data/cluster.toml")

umask 077
mkdir -p "$folder"
if ! "${glassplate[@]}" application list --json | grep -q '"name": "gallery"'; then
  "${glassplate[@]}" application add gallery --origin "$address" --webhook-url "$address/photo-events"
  # Storagemasters read their config when they start. One of them serves at any time.
  for master in east-master west-master; do
    "${glassplate[@]}" node stop "$master"
    "${glassplate[@]}" node start "$master"
  done
fi
[ -s "$folder/gallery.toml" ] ||
  "${glassplate[@]}" application export gallery --expires never >"$folder/gallery.toml"
exec .venv/bin/python examples/gallery/app.py "$folder" "$port"
