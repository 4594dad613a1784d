# Sourced by the lab's commands: where it lives, its ports, and its processes by pid file.
# shellcheck shell=bash disable=SC2034 # used by those that source it

lab_source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
checkout=$(cd "$lab_source/../.." && pwd)
LAB=${KEELWATCH_LAB:-/var/tmp/keelwatch-lab}
programs=${KEELWATCH_PROGRAMS:-$checkout/build/release}
marker=$LAB/.keelwatch-lab
PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/sbin:$PATH

# The cluster, as CloudNativePG would name it. Pods differ in their address, not in their port.
namespace=default
cluster=pg
pods=(pg-1 pg-2 pg-3)
longhorn_version=1.11.3

# Who is primary moves with a failover; it is kept in the lab's folder.
load_primary() {
  local pod
  primary=$(cat "$LAB/primary" 2>/dev/null || echo pg-1)
  standbys=()
  for pod in "${pods[@]}"; do
    [ "$pod" = "$primary" ] || standbys+=("$pod")
  done
}
load_primary

set_primary() { # POD
  echo "$1" >"$LAB/primary"
  load_primary
}

address_of() { echo "127.0.0.1${1##*-}"; } # POD: pg-2 -> 127.0.0.12

say() { printf '%s\n' "$@"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# PgBouncers, too, differ in their address, not in their port.
pooler_address_of() { [ "$1" = rw ] && echo 127.0.0.21 || echo 127.0.0.22; } # rw|ro

# PostgreSQL and PgBouncer refuse to run as root.
if [ "$(id -u)" = 0 ]; then
  as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$LAB" "$@"; }
  give_to_postgres() { chown -R postgres:postgres "$@"; }
else
  as_postgres() { "$@"; }
  give_to_postgres() { :; }
fi

there_is_a_lab() { [ -f "$marker" ] || die "no lab in $LAB: deploy/lab/up makes one"; }

lock_lab() {
  mkdir -p "$LAB"
  exec 9>"$LAB/.lock"
  flock -w 120 9 || die "another command of the lab in $LAB is still running"
}

require_lab() {
  there_is_a_lab
  # shellcheck disable=SC1091 # written by choose_ports
  . "$LAB/ports"
  mode=$(<"$LAB/mode")
  haste=$(cat "$LAB/haste" 2>/dev/null || echo 1)
  export mode haste
  load_primary
}

# ---- ports

port_names=(PG_PORT POOLER_PORT API_PORT API_ADMIN_PORT KUBELET_PORT ETCD_PORT ETCD_PEER_PORT
  KEELWATCH_PORT PROMETHEUS_PORT ALERTMANAGER_PORT ALERTMANAGER_B_PORT WEBHOOK_PORT S3_PORT S3_ADMIN_PORT)

# A block of free ports below the range from which the kernel takes ports for outgoing connections.
choose_ports() {
  [ -f "$LAB/ports" ] && return
  local taken base i free
  taken=$(ss -Hltn | awk '{sub(/.*:/, "", $4); print $4}' | sort -u)
  for ((base = 23100; base < 32000; base += 20)); do
    free=1
    for i in "${!port_names[@]}"; do
      if grep -qx "$((base + i))" <<<"$taken"; then free=0; fi
    done
    if [ $free = 1 ]; then
      for i in "${!port_names[@]}"; do
        echo "${port_names[$i]}=$((base + i))"
      done >"$LAB/ports"
      return
    fi
  done
  die "no block of ${#port_names[@]} free ports between 23100 and 32000"
}

# render TEMPLATE FILE: replaces @NAME@ by the value of the variable of that name.
render() {
  local text name
  text=$(<"$lab_source/config/$1")
  while [[ $text =~ @([A-Za-z_][A-Za-z_0-9]*)@ ]]; do
    name=${BASH_REMATCH[1]}
    [ -n "${!name:-}" ] || die "config/$1: no value for @$name@"
    text=${text//"@$name@"/${!name}}
  done
  printf '%s\n' "$text" >"$2"
}

# ---- processes

# A pid alone may be somebody else's by now: it counts together with the process' start time.
start_time_of() { # PID
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) } # the name may hold spaces
  # shellcheck disable=SC2086 # to be split
  set -- $stat
  [ "$1" != Z ] || return 1
  echo "${20}"
}

pid_of() { # NAME -> pid, fails when it is not running
  local pid started
  { read -r pid started <"$LAB/run/$1.pid"; } 2>/dev/null || return 1
  [ "$(start_time_of "$pid")" = "$started" ] || return 1
  echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

# start NAME COMMAND...: as leader of its own session, so that nothing of it outlives stop.
start() {
  local name=$1 pid
  shift
  setsid "$@" </dev/null >>"$LAB/log/$name.log" 2>&1 9>&- &
  pid=$!
  disown "$pid"
  echo "$pid $(start_time_of "$pid" || echo gone)" >"$LAB/run/$name.pid"
}

start_as_postgres() { # NAME COMMAND...
  local name=$1
  shift
  if [ "$(id -u)" = 0 ]; then
    start "$name" setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$LAB" "$@"
  else
    start "$name" "$@"
  fi
}

# stop NAME [SIGNAL [SECONDS]]: asks, waits, then insists. Harmless when it is not running.
stop() {
  local name=$1 signal=${2:-TERM} patience=${3:-10} pid
  if pid=$(pid_of "$name"); then
    kill -"$signal" "$pid" 2>/dev/null || true
    kill -CONT -- "-$pid" 2>/dev/null || true
    wait_for "$patience" not running "$name" || kill -KILL -- "-$pid" 2>/dev/null || true
    wait_for 5 not running "$name" || say "$name (pid $pid) does not end"
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$LAB/run/$name.pid"
}

not() { ! "$@"; }

wait_for() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# wait_ready NAME SECONDS COMMAND...: also gives up as soon as the process has ended.
wait_ready() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! running "$name" || [ $SECONDS -ge "$deadline" ]; then
      tail -n 20 "$LAB/log/$name.log" >&2
      die "$name did not become ready; its log: $LAB/log/$name.log"
    fi
    sleep 0.1
  done
}

# What faults leave running, and the operator that renews its lease.
helpers() { find "$LAB/run" -maxdepth 1 -name 'helper-*.pid' -printf '%f\n' 2>/dev/null | sed 's/\.pid$//' | sort; }

fetch() { curl --silent --show-error --fail --max-time 5 "$@"; }
