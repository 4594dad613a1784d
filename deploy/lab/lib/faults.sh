# Sourced by the lab's commands: the faults. Each has a row in fault_list and three functions, with
# _ for -: break_NAME POD, mend_NAME POD, shows_NAME POD. $LAB/faults/NAME holds the POD while it is
# in, and what a fault must remember is in $LAB/faults.d. A fault that is not possible everywhere has
# may_NAME POD, which ends the command with the reason.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

. "$lab_source/lib/faults_cluster.sh"
. "$lab_source/lib/faults_server.sh"
. "$lab_source/lib/faults_kube.sh"
. "$lab_source/lib/faults_archive.sh"
. "$lab_source/lib/faults_storage.sh"
. "$lab_source/lib/faults_placement.sh"

fault_list='standby-stop      a standby is shut down
standby-kill      a standby dies at once (SIGKILL)
standby-cut       a standby stays up, but its replication connection cannot come back
standby-freeze    a standby hangs (SIGSTOP): it accepts connections and answers nothing
standby-promote   a standby is promoted while the primary lives: split brain
standby-diverge   a standby has left the history of its primary
replay-pause      a standby receives but does not replay
receiver-out      a standby is kept out by the primary: its replication slot is gone
slot-retains      a replication slot that nobody reads holds back WAL
sync-lost         the only synchronous standby is gone: commits wait
primary-stop      the primary is shut down, nobody takes over
primary-freeze    the primary hangs (SIGSTOP)
primary-revived   a standby took over, and the old primary comes back as it was: split brain
failover          the primary dies, a standby takes over, the old one returns as a standby
switchover        a standby takes over in good order
wal-volume-full   the volume of the primary'"'"'s WAL runs full and the primary stops
connections-exhausted  no connection is left on the primary (53300)
long-transaction       a statement runs and runs
idle-in-transaction    a session holds its transaction open and does nothing
prepared-transaction   a prepared transaction is forgotten
wraparound        transaction ids are consumed while nothing can be frozen (a beginning of it)
collation-mismatch     a database was built with another version of its collation
tls-expired       the certificate of a standby has expired
tls-expiring      the certificate of a standby expires tomorrow
wrong-password    the password of the role keelwatch is changed
no-monitor-role   the role keelwatch loses pg_monitor
pooler-down       the read-write PgBouncer is down
pooler-paused     the read-write PgBouncer is paused
operator-lease-stale   the operator is dead: its lease is not renewed
cluster-phase-stuck    the operator waits for somebody to do something
phase-unknown     the operator reports a phase that keelwatch does not know
api-hang          the Kubernetes API accepts requests and does not answer
api-stop          the Kubernetes API is down
api-403           the right to read Clusters is taken away
api-watch-cut     every watch is reset, again and again
archiver-noop     the plugin that archives is gone from the Cluster: archiving succeeds, and nothing is archived
archive-gap       a segment is missing in the archive
archive-failing   the object store refuses: its keys are wrong
bucket-hang       the object store accepts requests and does not answer
backup-overdue    the newest base backup is three days old
volume-degraded        a copy of a standby'"'"'s volume has failed
volume-rebuilding      a copy of a standby'"'"'s volume is being rebuilt
volume-rebuild-stuck   the rebuild of a standby'"'"'s volume does not get on
volume-rebuild-loop    the rebuild of a standby'"'"'s volume begins again and again
storage-node-gone      the node of a standby is gone, as Kubernetes and Longhorn see it
disk-full         Longhorn'"'"'s disk on the node of a standby is nearly full
attach-stuck      the volume of a standby has been attaching for ever
attach-elsewhere  a standby'"'"'s Pod waits on another node, and its volumes stay attached where it was
copies-concentrated    the copies of every instance'"'"'s data are on one node
standby-with-primary   a standby'"'"'s Pod is on the primary'"'"'s node
replica-unscheduled    a third copy is wanted and never placed, and Longhorn says healthy
engine-outdated   a volume runs the engine of an older Longhorn
config-invalid    a typing mistake in the configuration of keelwatch
keelwatch-kill    keelwatch dies at once (SIGKILL)
keelwatch-freeze  keelwatch hangs (SIGSTOP)'

list_faults() { sed -E 's/^([a-z0-9-]+) +/\1\t/' <<<"$fault_list" | awk -F'\t' '{ printf "  %-22s %s\n", $1, $2 }'; }
fault_names() { awk '{print $1}' <<<"$fault_list"; }
is_fault() { fault_names | grep -qxF -- "$1"; }
# Those that have moved the primary come last: to mend others, it is left where it is.
active_faults() {
  find "$LAB/faults" -type f -printf '%f\n' 2>/dev/null |
    awk '{ print /^(failover|switchover|primary-revived)$/, $0 }' | sort | sed 's/^. //'
}

# A fault counts as in from its beginning, so that one that comes half way is mended, too.
break_fault() { # NAME POD
  local name=${1//-/_}
  ! declare -F "may_$name" >/dev/null || "may_$name" "$2"
  echo "$2" >"$LAB/faults/$1"
  "break_$name" "$2"
}

mend_fault() { # NAME
  "mend_${1//-/_}" "$(<"$LAB/faults/$1")"
  rm -f "$LAB/faults/$1"
}

fault_shows() { "shows_${1//-/_}" "$2"; }

# Twice: what one fault has done may keep another from being mended.
mend_all() {
  local name
  for _ in 1 2; do
    for name in $(active_faults); do
      if (mend_fault "$name"); then say "mended: $name"; fi
    done
  done
  [ -z "$(active_faults)" ] || die "could not mend: $(active_faults | paste -sd' ')"
}

series() { # FAMILY POD [LABELS]
  echo "keelwatch_$1{namespace=\"$namespace\",cluster=\"$cluster\",pod=\"$2\"${3:+,$3}}"
}

bring_back() { # POD
  start_postgres "$1"
  await_postgres "$1"
  [ "$1" = "$primary" ] || wait_for 30 streams "$1" || die "$1 does not stream again; see $LAB/log/$1.log"
}

# ---- standbys

break_standby_stop() { stop_postgres "$1"; }
mend_standby_stop() { bring_back "$1"; }
shows_standby_stop() {
  say "$(series replication_standby_state "$1" 'state="unreachable"') 1" \
    "$(series instance_reachability "$1" 'state="refused"') 1" \
    "no $(series replication_lag_bytes "$1"): unknown, not 0" \
    "KeelwatchStandbysMissing after 5 min"
}

break_standby_kill() {
  signal_postgres "$1" KILL
  wait_for 10 no_processes_of "$1"
}
mend_standby_kill() { bring_back "$1"; }
shows_standby_kill() { shows_standby_stop "$1"; }

# The port of the primary is wrong from now on: the receiver ends, and none can start.
break_standby_cut() {
  write_instance_conf "$1" 1
  sql "$1" 'select pg_reload_conf()' >/dev/null
  wait_for 10 not streams "$1" || die "$1 still streams"
}
mend_standby_cut() {
  write_instance_conf "$1"
  sql "$1" 'select pg_reload_conf()' >/dev/null
  wait_for 30 streams "$1" || die "$1 does not stream again; see $LAB/log/$1.log"
}
shows_standby_cut() {
  say "$(series replication_standby_state "$1" 'state="cut_off"') 1" \
    "$(series replication_wal_receiver_up "$1") 0" \
    "$(series replication_lag_bytes "$1" 'stage="replay"') growing, never 0" \
    "KeelwatchStandbyCutOff after 1 min, also in $LAB/notifications.jsonl"
}

break_standby_freeze() { signal_postgres "$1" STOP; }
mend_standby_freeze() {
  signal_postgres "$1" CONT
  bring_back "$1"
}
shows_standby_freeze() {
  say "$(series replication_standby_state "$1" 'state="unreachable"') 1" \
    "$(series instance_reachability "$1" 'state="silent"') 1" \
    "every other fact stays fresh" \
    "KeelwatchStandbysMissing and KeelwatchSourceSilent after 5 min"
}

break_standby_promote() { sql "$1" 'select pg_promote()' >/dev/null; }
mend_standby_promote() {
  stop_postgres "$1"
  clone_standby "$1"
  bring_back "$1"
}
shows_standby_promote() {
  say "keelwatch_cluster_writable_primaries{namespace=\"$namespace\",cluster=\"$cluster\"} 2" \
    "KeelwatchTwoWritablePrimaries after 30 s"
}

# Promoted, then made a standby again without being rewound: its timeline is no longer the primary's.
break_standby_diverge() {
  sql "$1" 'select pg_promote()' >/dev/null
  sql "$1" 'create table only_here as select 1; checkpoint'
  stop_postgres "$1"
  as_postgres touch "$(data_of "$1")/standby.signal"
  start_postgres "$1"
  await_postgres "$1"
}
mend_standby_diverge() { mend_standby_promote "$1"; }
shows_standby_diverge() {
  say "$(series replication_standby_state "$1" 'state="diverged_timeline"') 1" \
    "KeelwatchStandbyDiverged after 5 min"
}

break_replay_pause() { sql "$1" 'select pg_wal_replay_pause()'; }
mend_replay_pause() { sql "$1" 'select pg_wal_replay_resume()'; }
shows_replay_pause() {
  say "$(series replication_standby_state "$1" 'state="paused"') 1" \
    "$(series replication_lag_bytes "$1" 'stage="replay"') growing, while stage=\"flush\" stays small" \
    "KeelwatchReplicationLagging once the lag is over its threshold for 5 min"
}

# ---- primary

break_primary_stop() { stop_postgres "$primary"; }
mend_primary_stop() {
  bring_back "$primary"
  local pod
  for pod in "${standbys[@]}"; do
    wait_for 30 streams "$pod" || die "$pod does not stream again; see $LAB/log/$pod.log"
  done
}
shows_primary_stop() {
  say "keelwatch_cluster_writable_primaries{namespace=\"$namespace\",cluster=\"$cluster\"} 0" \
    "$(series instance_reachability "$primary" 'state="refused"') 1" \
    "no lag of any standby: it is unknown, not 0" \
    "KeelwatchNoWritablePrimary after 1 min, and no alert per standby"
}

break_primary_freeze() { signal_postgres "$primary" STOP; }
mend_primary_freeze() {
  signal_postgres "$primary" CONT
  mend_primary_stop
}
shows_primary_freeze() {
  say "$(series instance_reachability "$primary" 'state="silent"') 1" \
    "no keelwatch_cluster_writable_primaries: unknown, neither 0 nor 1" \
    "KeelwatchPrimaryUnknown after 2 min"
}

# ---- the role of keelwatch

end_sessions_of() { # ROLE POD...
  local role=$1 pod
  shift
  for pod; do
    sql "$pod" "select pg_terminate_backend(pid) from pg_stat_activity where usename = '$role'" >/dev/null
  done
}

break_wrong_password() {
  sql "$primary" "alter role keelwatch password 'another'"
  wait_for 10 all_replayed
  end_sessions_of keelwatch "${pods[@]}"
}
mend_wrong_password() { sql "$primary" "alter role keelwatch password '$(secret keelwatch)'"; }
shows_wrong_password() {
  say "$(series instance_reachability "$primary" 'state="auth_failed"') 1, and so of each standby" \
    "no lag, no keelwatch_cluster_writable_primaries: all of it is unknown" \
    "KeelwatchPrimaryUnknown after 2 min, KeelwatchSourceSilent after 5 min"
}

all_replayed() {
  [ "$(sql "$primary" "select count(*) from pg_stat_replication
    where replay_lsn >= pg_current_wal_lsn() - 16384")" = "${#standbys[@]}" ]
}

break_no_monitor_role() { sql "$primary" 'revoke pg_monitor from keelwatch'; }
mend_no_monitor_role() { sql "$primary" 'grant pg_monitor to keelwatch'; }
shows_no_monitor_role() {
  say "no $(series replication_wal_receiver_up pg-2): what the role may not see is unknown, not 0" \
    "keelwatch_source_errors_total{source=\"postgres\",reason=\"forbidden\"} rises"
}

# ---- the Kubernetes API

only_standin() {
  [ "$mode" = standin ] || die "this fault needs the stand-in of the Kubernetes API"
}

break_api_hang() {
  if [ "$mode" = standin ]; then admin POST 'fault?kind=hang'; else kill -STOP "$(pid_of kube-api)"; fi
}
mend_api_hang() {
  if [ "$mode" = standin ]; then admin DELETE fault; else kill -CONT "$(pid_of kube-api)"; fi
}
shows_api_hang() {
  say 'keelwatch_source_up{source="kubernetes",...} 0, with reason="timeout"' \
    "lag and state of every standby stay fresh, /metrics answers as fast as before" \
    "KeelwatchSourceSilent after 5 min"
}

break_api_stop() { stop kube-api; }
# The stand-in forgets everything: keelwatch's watches may go on, but a keelwatch that starts after
# that would list what is not there.
mend_api_stop() {
  start_kube
  put_archive_objects
  put_longhorn_objects
}
shows_api_stop() {
  say 'keelwatch_source_up{source="kubernetes",...} 0, with reason="unavailable"' \
    "lag and state of every standby stay fresh" \
    "KeelwatchSourceSilent after 5 min"
}

break_api_403() {
  if [ "$mode" = standin ]; then
    admin POST 'forbid?group=postgresql.cnpg.io&resource=clusters'
    admin POST 'cut?how=clean&prefix=/apis/postgresql.cnpg.io'
  else
    kube_request DELETE /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/keelwatch >/dev/null
    restart_apiserver
  fi
}
mend_api_403() {
  if [ "$mode" = standin ]; then
    admin POST 'allow?group=postgresql.cnpg.io&resource=clusters'
  else
    put_list "$lab_source/config/rbac.json"
  fi
}
restart_apiserver() { # ends the watches that were allowed
  stop kube-api TERM 30
  find_kube_apiserver
  start_apiserver
}
shows_api_403() {
  say 'keelwatch_source_up{source="kubernetes",target="..."} 0 for Clusters, with reason="forbidden"' \
    "the log of keelwatch ($LAB/log/keelwatch.log) names the missing right" \
    "KeelwatchSourceSilent after 5 min"
}

may_api_watch_cut() { only_standin; }
break_api_watch_cut() {
  admin POST 'fault?kind=reset&verb=watch'
  admin POST 'cut?how=abrupt'
}
mend_api_watch_cut() { admin DELETE fault; }
shows_api_watch_cut() {
  say "no change of any fact: keelwatch lists again, with growing pauses" \
    "the log of keelwatch ($LAB/log/keelwatch.log) tells"
}

# ---- keelwatch itself

break_config_invalid() { echo 'postgress: {}' >>"$LAB/keelwatch/keelwatch.yaml"; }
mend_config_invalid() { write_keelwatch_conf; }
shows_config_invalid() {
  say "keelwatch_config_last_reload_successful 0; the old configuration runs on" \
    "the log of keelwatch ($LAB/log/keelwatch.log) shows line, column and the likely word" \
    "KeelwatchConfigurationInvalid after 1 min"
}

break_keelwatch_kill() { stop keelwatch KILL; }
mend_keelwatch_kill() { start_keelwatch; }
shows_keelwatch_kill() {
  say "nothing: /metrics refuses; Prometheus' own up{job=\"keelwatch\"} is 0" \
    "KeelwatchDown after 5 min; an alert of before resolves by itself at Alertmanager only if it is over"
}

break_keelwatch_freeze() { kill -STOP "$(pid_of keelwatch)"; }
mend_keelwatch_freeze() { kill -CONT "$(pid_of keelwatch)"; }
shows_keelwatch_freeze() {
  say "nothing: /metrics does not answer; Prometheus' own up{job=\"keelwatch\"} is 0" "KeelwatchDown after 5 min"
}
