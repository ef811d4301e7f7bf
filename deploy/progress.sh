# shellcheck shell=bash
# Steps of an installation that print their progress. Source this file.

PROGRESS_SECONDS=3
# Time without a response after which a package index is tried with a connection, counted from the
# start of the script, so that a missing network is reported soon. The step itself gets at least
# FIRST_DOWNLOAD_SECONDS_MIN. An index that accepts connections is slow, and not missing.
OFFLINE_SECONDS="${OFFLINE_SECONDS:-8}"
FIRST_DOWNLOAD_SECONDS_MIN=5
CONNECT_SECONDS_MAX=3
step_pid=""

# run_step LABEL LOG COMMAND...: prints the label, runs the command with its output in LOG, and prints
# the elapsed seconds while it runs. Returns the command's status.
run_step() {
  watch_step "" "$@"
}

# run_first_download PATTERN INDEX LABEL LOG COMMAND...: the same, but stops the command and returns 124
# if no line of LOG matches PATTERN within OFFLINE_SECONDS, and the package index, whose URL the
# function INDEX prints, accepts no connection.
run_first_download() {
  index_url="$2"
  watch_step "$1" "${@:3}"
}

watch_step() {
  local pattern="$1" label="$2" log="$3" began="$SECONDS" shown="$SECONDS"
  shift 3
  echo "$label"
  # With job control the step is a process group, so that stop_step reaches its children.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  step_pid=$!
  set +m
  while kill -0 "$step_pid" 2>/dev/null; do
    sleep 0.1
    if [ $((SECONDS - shown)) -ge "$PROGRESS_SECONDS" ]; then
      shown="$SECONDS"
      echo "  still running after $((SECONDS - began)) s"
    fi
    if [ -n "$pattern" ] && [ "$SECONDS" -ge "$OFFLINE_SECONDS" ] &&
      [ $((SECONDS - began)) -ge "$FIRST_DOWNLOAD_SECONDS_MIN" ]; then
      if ! grep -qE "$pattern" "$log"; then
        if ! accepts_connections "$("$index_url")"; then
          stop_step
          return 124
        fi
        echo "  the package index is slow: no response after $((SECONDS - began)) s"
      fi
      pattern=""
    fi
  done
  local status=0
  wait "$step_pid" || status=$?
  step_pid=""
  return "$status"
}

# accepts_connections URL: succeeds if the server of a package index, or the proxy to it, can be reached.
accepts_connections() {
  local url="$1" place port
  case "$url" in
    "") return 1 ;;
    file:*) return 0 ;;
    https:*) url="${https_proxy:-${HTTPS_PROXY:-$url}}" port=443 ;;
    *) url="${http_proxy:-$url}" port=80 ;;
  esac
  place="${url#*://}"
  place="${place%%/*}"
  place="${place##*@}"
  case "$place" in *:*) port="${place##*:}" ;; esac
  timeout "$CONNECT_SECONDS_MAX" bash -c ': <>"/dev/tcp/$0/$1"' "${place%:*}" "$port" 2>/dev/null
}

# Stops the current step. Scripts call this from their traps.
stop_step() {
  [ -n "$step_pid" ] || return 0
  kill -- "-$step_pid" 2>/dev/null || true
  wait "$step_pid" 2>/dev/null || true
  step_pid=""
}
