#!/usr/bin/env bash
# Installs the missing servers that Glassplate runs beside its own processes.
#
#   install-servers.sh            nginx with Lua, Varnish with vmod-digest, memcached
#   install-servers.sh test       also wrk for benchmarks; strace, libfaketime, and iproute2 for drills;
#                                 Redis, because Valkey's package for Python has no TLS, Node.js,
#                                 PHP, and Ruby for the examples in docs/formats, Chromium and npm
#                                 packages for tests of pages and of uploads
#   install-servers.sh compose    packages to run compose.yaml as root: podman, runc, network DNS
#   install-servers.sh venv       the package that lets PYTHON (python3) create virtual environments
#
# Uses apt-get as root or through `sudo -n`, and starts no service. For each package that cannot be
# installed, it prints what does not work. It then exits 0, or exits 1 with `test`, `compose`, and
# `venv`, and if CI=true.
set -euo pipefail
# shellcheck source=deploy/progress.sh
. "$(dirname "$0")/../deploy/progress.sh"
# Clients of others that the tests run, at the versions of the lock file.
NODE_PACKAGES="$(dirname "$0")/../tests/browsers"

# Debian installs servers in directories that are not in a user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
POLICY=/usr/sbin/policy-rc.d

main() {
  local purpose="${1:-up}"
  case "$purpose" in
    up | test | compose | venv) ;;
    *)
      echo "usage: install-servers.sh [test|compose|venv]" >&2
      exit 2
      ;;
  esac
  install_servers "$purpose"
  [ "$purpose" != test ] || install_node_packages
}

install_servers() {
  local purpose="$1" package
  local -a missing=()
  mapfile -t missing < <(missing_of "$purpose")
  [ "${#missing[@]}" -eq 0 ] && return
  install_packages "${missing[@]}"
  mapfile -t missing < <(missing_of "$purpose")
  [ "${#missing[@]}" -eq 0 ] && return
  for package in "${missing[@]}"; do
    printf '%s is not installed:\n  %s.\n' "$package" "$(loss_of "$package")" >&2
  done
  echo "To install what is missing:" >&2
  printf '  sudo apt-get install --no-install-recommends' >&2
  printf ' \\\n    %s' "${missing[@]}" >&2
  echo >&2
  case "$purpose" in test | compose | venv) exit 1 ;; esac
  [ "${CI:-}" != true ] || exit 1
}

# Prints the missing packages for a purpose, one per line.
missing_of() {
  local -a wanted=(nginx libnginx-mod-http-lua varnish varnish-vmod-digest memcached)
  local package
  case "$1" in
    test)
      wanted+=(wrk strace libfaketime iproute2 redis-server)
      wanted+=(nodejs php-cli ruby chromium prometheus npm)
      ;;
    compose) wanted=(podman runc netavark aardvark-dns iptables debootstrap) ;;
    venv) wanted=("$(venv_package)") ;;
  esac
  for package in "${wanted[@]}"; do
    is_present "$package" || echo "$package"
  done
}

# Debian packages `venv` separately from Python.
venv_package() {
  "${PYTHON:-python3}" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

# Looks for the files, so that a build from source also counts.
is_present() {
  case "$1" in
    libnginx-mod-http-lua) any_file /usr{,/local}/lib{,64}/nginx/modules/ngx_http_lua_module.so ;;
    netavark | aardvark-dns) any_file /usr{,/local}/{lib,libexec}/podman/"$1" ;;
    varnish) command -v varnishd >/dev/null ;;
    varnish-vmod-digest) any_file /usr{,/local}/lib{,64}{,/*}/varnish/vmods/libvmod_digest.so ;;
    libfaketime) any_file /usr{,/local}/lib{,64}{,/*}/faketime/libfaketime.so.1 ;;
    python*-venv) "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null ;;
    iproute2) command -v ip >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    php-cli) command -v php >/dev/null ;;
    prometheus) command -v promtool >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

any_file() {
  local file
  for file in "$@"; do
    [ -e "$file" ] && return
  done
  return 1
}

loss_of() {
  case "$1" in
    nginx) echo "without an edge, only the nodes serve photos" ;;
    libnginx-mod-http-lua) echo "nginx cannot check permissions and is not started" ;;
    varnish) echo "without a second cache tier, edges fetch from the nodes" ;;
    varnish-vmod-digest) echo "Varnish cannot check permissions and is not started" ;;
    memcached) echo "lookups of infos are slower" ;;
    wrk) echo "benchmarks of the read path cannot run" ;;
    strace) echo "tests of fsync and drills of failing disks cannot run" ;;
    libfaketime) echo "drills of wrong clocks cannot run" ;;
    iproute2) echo "drills cannot cut the networks of colos" ;;
    npm) echo "tests of JavaScript clients cannot run" ;;
    redis-server) echo "tests of a queue with TLS cannot run" ;;
    nodejs | php-cli | ruby) echo "tests of the examples in docs/formats cannot run" ;;
    podman | runc | netavark | aardvark-dns | iptables) echo "compose.yaml cannot be run" ;;
    debootstrap) echo "images cannot be built without a registry" ;;
    prometheus) echo "tests of the alerts cannot run" ;;
    chromium) echo "tests of pages cannot run" ;;
    python*-venv) echo "Python cannot create a virtual environment" ;;
  esac
}

# Prints the URL of the first archive that apt-get uses, such as http://deb.debian.org/debian.
debian_archive() {
  timeout 5 apt-get indextargets --format '$(SITE)' 2>/dev/null | head -n 1
}

# Installs as many of the packages as possible; the caller checks for missing ones afterwards.
install_packages() {
  local package
  if ! command -v apt-get >/dev/null; then
    echo "apt-get is not available: install the servers another way." >&2
    return
  fi
  if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    echo "Installing servers needs root, or sudo without a password." >&2
    return
  fi
  log="$(mktemp)"
  trap 'stop_step; rm -f "$log"; allow_starts' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  forbid_starts
  if ! run_first_download 'Hit:|Get:|Waiting' debian_archive "Reading Debian's package lists" "$log" \
    apt_get update; then
    echo "Debian's archive is not reachable: trying with the existing package lists." >&2
  fi
  # A package that this release lacks must not prevent the installation of the others.
  if ! run_step "Installing servers: $# Debian packages" "$log" apt_get install "$@"; then
    if grep -q 'Failed to fetch' "$log"; then
      echo "Debian's archive is not reachable. Connect this machine to the network." >&2
    else
      for package in "$@"; do
        run_step "Installing $package" "$log" apt_get install "$package" || tail -n 3 "$log" >&2
      done
    fi
  fi
  keep_from_boot "$@"
  allow_starts
}

# npm writes the hidden lock file last.
install_node_packages() {
  local installed="$NODE_PACKAGES/node_modules/.package-lock.json"
  [ "$installed" -nt "$NODE_PACKAGES/package-lock.json" ] && return
  log="$(mktemp)"
  trap 'stop_step; rm -f "$log"' EXIT
  if ! run_step "Installing npm packages for tests" "$log" \
    npm ci --prefix "$NODE_PACKAGES" --ignore-scripts --no-audit --no-fund; then
    tail -n 5 "$log" >&2
    exit 1
  fi
  touch "$installed"
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 "$@"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# Debian packages start their services unless this file forbids it. It forbids starts only while this
# script runs, even if the script is killed before it can remove the file.
forbid_starts() {
  if [ ! -e "$POLICY" ]; then
    printf '#!/bin/sh\n# glassplate\n[ -d /proc/%s ] && exit 101\nexit 0\n' "$$" |
      as_root sh -c "cat >$POLICY && chmod 755 $POLICY"
  fi
}

allow_starts() {
  if grep -qs '^# glassplate$' "$POLICY"; then
    as_root rm -f "$POLICY"
  fi
}

# Glassplate starts its own servers on its own ports; the packages' services must not start at boot.
keep_from_boot() {
  local package
  local -a services=()
  command -v systemctl >/dev/null || return 0
  for package in "$@"; do
    case "$package" in
      nginx | memcached | prometheus | redis-server) services+=("$package") ;;
      varnish) services+=(varnish varnishncsa) ;;
    esac
  done
  [ "${#services[@]}" -eq 0 ] ||
    as_root systemctl --quiet disable "${services[@]}" >>"$log" 2>&1 || true
}

main "$@"
