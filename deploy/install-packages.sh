#!/usr/bin/env bash
# Installs Glassplate and its Python packages, with the versions and hashes of requirements/.
#
#   install-packages.sh VENV server          packages to run a cluster; the project as editable
#   install-packages.sh VENV dev             also packages for tests and checks
#   install-packages.sh VENV server --copy   a copy of the project, for images; uses only pip
#
# Creates the virtual environment if it is missing, with the interpreter in PYTHON. By default, that is
# python3, or Debian's if python3 is built without optimization.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/progress.sh
. deploy/progress.sh

export PIP_DISABLE_PIP_VERSION_CHECK=1
# By default, pip retries for a minute and more without a network.
export PIP_RETRIES="${PIP_RETRIES:-2}" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-15}"
ANSWERS='Downloading|Using cached|Processing|already satisfied'
SLOW_SECONDS=60
UNREACHABLE='Retrying \(|NewConnectionError|NameResolution|ConnectTimeout|timed out|unreachable'

main() {
  if [ $# -lt 2 ] || { [ "$2" != server ] && [ "$2" != dev ]; }; then
    echo "usage: install-packages.sh VENV server|dev [--copy]" >&2
    exit 2
  fi
  venv="$1" purpose="$2"
  project=(--editable .)
  [ "${3:-}" != --copy ] || project=(.)
  files="$(mktemp -d)"
  log="$files/log"
  trap 'stop_step; rm -rf "$files"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  echo "Installing Python packages into $venv"
  make_venv
  installer=pip
  [ "${3:-}" = --copy ] || get_uv
  install_locked
  install_project
  install_optional pillow-heif \
    "No pillow-heif wheel for this platform: HEIC photos are kept, without sizes."
  install_optional cykooz-resizer \
    "No cykooz-resizer wheel for this platform: sizes take twice as long to make."
}

# A Python without profile-guided optimization takes a third more time. Debian's CONFIG_ARGS do not
# list its optimization.
is_optimized() {
  "$1" -c '
import ensurepip, sys, sysconfig
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
optimized = sys.base_prefix == "/usr" or "--enable-optimizations" in arguments
sys.exit(sys.version_info < (3, 11) or not optimized)' 2>/dev/null
}

choose_python() {
  PYTHON=python3
  ! is_optimized python3 || return 0
  if is_optimized "${DEBIAN_PYTHON:-/usr/bin/python3}"; then
    PYTHON="${DEBIAN_PYTHON:-/usr/bin/python3}"
    echo "Using $PYTHON: python3 of PATH is built without optimization"
  else
    echo "$PYTHON is built without optimization, so that everything takes a third more time" >&2
  fi
}

make_venv() {
  [ ! -x "$venv/bin/python" ] || [ ! -x "$venv/bin/pip" ] || return 0
  [ -n "${PYTHON:-}" ] || choose_python
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "$PYTHON is not Python 3.11 or later; name another: make PYTHON=python3.11" >&2
    exit 1
  }
  # Debian packages `venv` separately from Python.
  if ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    PYTHON="$PYTHON" proxy_config/install-servers.sh venv
  fi
  run_step "Making the virtual environment" "$log" "$PYTHON" -m venv --clear "$venv" || {
    rm -rf "$venv"
    fail "$PYTHON cannot make a virtual environment"
  }
}

# Sets `installer` to uv, unless it has no wheel for this machine.
get_uv() {
  local status=0 index
  local get=("$venv/bin/pip" install --no-compile --no-deps --only-binary :all: --progress-bar off
    --require-hashes --requirement "$files/uv.txt")
  pin_of uv >"$files/uv.txt"
  run_first_download "$ANSWERS" pip_index "Getting uv, which installs the packages" "$log" \
    "${get[@]}" || status=$?
  if [ "$status" -ne 0 ] && [ "$status" -ne 124 ] && is_slow; then
    export PIP_DEFAULT_TIMEOUT="$SLOW_SECONDS" UV_HTTP_TIMEOUT="$SLOW_SECONDS"
    status=0
    run_step "Trying again: the package index gets $SLOW_SECONDS s for a response" "$log" \
      "${get[@]}" || status=$?
  fi
  if [ "$status" -eq 0 ]; then
    installer=uv
    # uv does not read pip's config.
    index="$(configured_index)"
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
  elif [ "$status" -eq 124 ] || grep -qE "$UNREACHABLE" "$log"; then
    fail_offline
  fi
}

configured_index() {
  timeout 10 "$venv/bin/pip" config list | sed -n "s/^[^ ]*[.]index-url='\(.*\)'$/\1/p" | tail -n 1
}

# Prints the URL of the index that pip uses.
pip_index() {
  local index="${PIP_INDEX_URL:-}"
  [ -n "$index" ] || index="$(configured_index)"
  echo "${index:-https://pypi.org/simple}"
}

# Succeeds if the last step got no response from an index that accepts connections.
is_slow() {
  grep -qE "$UNREACHABLE" "$log" && accepts_connections "$(pip_index)"
}

install_locked() {
  local lock="requirements/$purpose.lock" label
  local options=(--require-hashes --requirement "$lock")
  label="Installing $(grep -cE '^[a-z].*==' "$lock") packages"
  if [ "$installer" = uv ]; then
    ! run_step "$label by uv" "$log" uv_install "${options[@]}" || return 0
    # Some proxies and indexes are configured only for pip.
    echo "uv failed: $(tail -n 1 "$log")" >&2
    installer=pip
  fi
  ! run_step "$label by pip" "$log" pip_install "${options[@]}" || return 0
  if grep -qE "$UNREACHABLE" "$log"; then fail_offline; fi
  fail "the packages of $lock were not installed"
}

install_project() {
  local options=(--no-deps --no-build-isolation "${project[@]}")
  run_step "Installing Glassplate" "$log" "${installer}_install" "${options[@]}" ||
    fail "Glassplate itself was not installed"
}

# install_optional NAME LOSS: a package whose wheel does not exist for every Python and processor.
install_optional() {
  pin_of "$1" >"$files/optional.txt"
  run_step "Installing $1" "$log" "${installer}_install" --no-deps --only-binary :all: \
    --require-hashes --requirement "$files/optional.txt" || echo "$2" >&2
}

uv_install() {
  "$venv/bin/uv" pip install --python "$venv/bin/python" "$@"
}

# Python compiles a module when it is first imported; compiling all takes a third of the time.
pip_install() {
  "$venv/bin/pip" install --no-compile --progress-bar off "$@"
}

# Prints the pin and the hashes of one package.
pin_of() {
  awk -v pin="$1==" 'index($0, pin) == 1 { found = 1 } found { print } found && !/\\$/ { exit }' \
    requirements/optional.lock
}

fail_offline() {
  if accepts_connections "$(pip_index)"; then
    echo "The package index $(pip_index) is too slow: no response within" >&2
    echo "${PIP_DEFAULT_TIMEOUT:-15} s. Run make again, or name another one in PIP_INDEX_URL." >&2
    exit 1
  fi
  echo "No package index is reachable. Connect this machine to the network, or name" >&2
  echo "an index that is reachable in PIP_INDEX_URL; then run make again." >&2
  exit 1
}

fail() {
  echo "$1:" >&2
  tail -n 20 "$log" >&2
  exit 1
}

main "$@"
