# Sourced by faults.sh: faults of replication, of who is primary, and of the volume of the WAL.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

cluster_series() { # FAMILY [LABELS]
  echo "keelwatch_$1{namespace=\"$namespace\",cluster=\"$cluster\"${2:+,$2}}"
}

without_other_faults() {
  local others
  others=$(active_faults | paste -sd' ')
  [ -z "$others" ] || die "this fault moves the primary and needs a lab without others; in are: $others"
}

# write_wal MIB: on the primary, into no table.
write_wal() {
  sql "$primary" "do \$\$ begin for i in 1..$1 loop
    perform pg_logical_emit_message(false, 'lab', repeat('x', 1048576)); end loop; end \$\$"
}

# ---- a standby

# The slot is dropped: the receiver is turned away from now on, each time it asks.
break_receiver_out() { drop_slot "$(slot_of "$1")" && wait_for 10 not streams "$1"; }
mend_receiver_out() {
  make_slot "$(slot_of "$1")"
  wait_for 20 streams "$1" || { # what it needs has been removed meanwhile
    stop_postgres "$1"
    clone_standby "$1"
    bring_back "$1"
  }
}
shows_receiver_out() {
  say "$(series replication_standby_state "$1" 'state="cut_off"') 1" \
    "$(series replication_wal_receiver_up "$1") 0" \
    "no slot $(slot_of "$1") on the primary" \
    "KeelwatchStandbyCutOff after 1 min"
}

break_slot_retains() {
  make_slot lab_forgotten
  write_wal 32
}
mend_slot_retains() { drop_slot lab_forgotten; }
shows_slot_retains() {
  say "keelwatch_slot_active{...,slot=\"lab_forgotten\"} 0" \
    "keelwatch_slot_retained_bytes{...,slot=\"lab_forgotten\"} 32 MiB and growing, and wal_status with it" \
    "KeelwatchSlotRetainsTooMuch once it is over its threshold"
}

# ---- synchronous replication

break_sync_lost() {
  sql "$primary" "alter system set synchronous_standby_names = 'FIRST 1 (\"$1\")'"
  sql "$primary" 'select pg_reload_conf()' >/dev/null
  kube_patch Cluster "$cluster" \
    '{"spec": {"postgresql": {"synchronous": {"method": "first", "number": 1, "dataDurability": "required"}}}}'
  stop_postgres "$1"
}
mend_sync_lost() {
  sql "$primary" 'alter system reset synchronous_standby_names'
  sql "$primary" 'select pg_reload_conf()' >/dev/null
  kube_patch Cluster "$cluster" '{"spec": {"postgresql": null}}'
  bring_back "$1"
}
shows_sync_lost() {
  say "$(cluster_series replication_sync_standbys_required) 1 and $(cluster_series replication_sync_standbys_present) 0" \
    "$(cluster_series replication_sync_waiting_sessions) 1 or more: commits wait" \
    "$(series replication_standby_state "$1" 'state="unreachable"') 1" \
    "KeelwatchSyncQuorumMissing"
}

# ---- who is primary

may_failover() { without_other_faults; }
break_failover() {
  local old=$primary
  start_gap_writer
  fail_over_to "$1"
  finish_gap_writer failover "$old" "$1"
  rejoin "$old"
  all_well
}
mend_failover() { restore_primary; }
shows_failover() {
  say "$(cluster_series cluster_writable_primaries) 0, then 1 again: $1 is the primary" \
    "$(cluster_series failover_last_duration_seconds 'kind="failover"') as measured; the truth is in $LAB/failover.json:" \
    "  $(<"$LAB/failover.json")" \
    "no alert but those about the gap: KeelwatchNoWritablePrimary only after 1 min of it"
}

may_switchover() { without_other_faults; }
break_switchover() {
  local old=$primary
  start_gap_writer
  switch_over_to "$1"
  finish_gap_writer switchover "$old" "$1"
}
mend_switchover() { restore_primary; }
shows_switchover() {
  say "$(cluster_series cluster_writable_primaries) 0 for a moment, then 1: $1 is the primary" \
    "$(cluster_series failover_last_duration_seconds 'kind="switchover"') as measured; the truth is in $LAB/switchover.json:" \
    "  $(<"$LAB/switchover.json")"
}

may_primary_revived() { without_other_faults; }
break_primary_revived() {
  local old=$primary
  fail_over_to "$1"
  start_postgres "$old"
  await_postgres "$old"
}
mend_primary_revived() { restore_primary; }
shows_primary_revived() {
  say "$(cluster_series cluster_writable_primaries) 2: pg-1 and $1" \
    "the status of the Cluster says $1, which is only half of it" \
    "KeelwatchTwoWritablePrimaries after 30 s"
}

# ---- the volume of the WAL

# Filled as it happens: by a slot that nobody reads. Then the server ends in a PANIC, and the
# instance manager does not start it again without room for WAL.
may_wal_volume_full() {
  wal_is_a_volume "$primary" ||
    die "the WAL of $primary is in a plain folder, as nobody could mount a volume when the lab was made (up as root, in a machine that allows mounts, does); its whole filesystem would be filled"
}
break_wal_volume_full() {
  local filled=$SECONDS
  make_slot lab_fills_volume
  while sql "$primary" 'select 1' >/dev/null 2>&1; do
    write_wal 16 2>/dev/null || break
    [ $((SECONDS - filled)) -lt 120 ] || die "the volume does not fill"
  done
  stop_postgres "$primary"
  pod_ready "$primary" false
  cluster_status '{"phase": "Not enough disk space",
    "phaseReason": "Insufficient disk space detected in one or more pods is preventing PostgreSQL from running. Please verify your storage settings. Further information inside .status.instancesReportedState"}'
}
mend_wal_volume_full() {
  rm -f "$(wal_volume_of "$primary")/reserve"
  start_postgres "$primary"
  await_postgres "$primary"
  drop_slot lab_fills_volume
  sql "$primary" 'checkpoint; select pg_switch_wal(); checkpoint' >/dev/null
  wait_for 30 make_wal_reserve "$primary" || die "the WAL volume of $primary stays full"
  mend_primary_stop
  all_well
}
shows_wal_volume_full() {
  say "keelwatch_filesystem_available_bytes{...,persistentvolumeclaim=\"$primary-wal\",...} less than a segment" \
    "$(series instance_reachability "$primary" 'state="refused"') 1" \
    "$(cluster_series cluster_writable_primaries) 0, and phase \"Not enough disk space\"" \
    "KeelwatchNoWritablePrimary after 1 min, KeelwatchFilesystemFull and KeelwatchClusterStuck"
}
