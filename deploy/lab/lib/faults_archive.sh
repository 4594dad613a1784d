# Sourced by faults.sh: faults of the archive of WAL and of base backups.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

# archive_segments N: N segments go to the archive, or are taken for archived.
archive_segments() {
  local i
  for ((i = 0; i < $1; i++)); do
    sql "$primary" "select pg_switch_wal() from pg_logical_emit_message(true, 'lab', 'switch')" >/dev/null
  done
}

archiver_count() { sql "$primary" "select $1 from pg_stat_archiver"; } # archived_count|failed_count

archiver_went_on() { [ "$(archiver_count "$1")" -gt "$2" ]; } # archived_count|failed_count BEFORE

# The plugin is gone from the Cluster, its ScheduledBackup and ObjectStore stay: nothing is archived,
# and pg_stat_archiver says that all is well.
break_archiver_noop() {
  local before
  before=$(archiver_count archived_count)
  set_cluster_plugin false
  rm -f "$LAB/pg/archiver"
  archive_segments 2
  wait_for 20 archiver_went_on archived_count "$before" || die "the archiver does not go on"
}
mend_archiver_noop() {
  as_postgres touch "$LAB/pg/archiver"
  set_cluster_plugin true
  renew_archive
}
shows_archiver_noop() {
  say "$(cluster_series backup_without_archiver) 1, $(cluster_series archiver_configured) 0" \
    "keelwatch_backup_schedule_orphaned{...} 1" \
    "keelwatch_wal_archive_claimed_missing_segments{...} 1 or more: pg_stat_archiver goes on and fails nothing" \
    "KeelwatchBackupWithoutArchiver"
}

# After a gap no backup from before it reaches today.
renew_archive() {
  take_base_backup
  put_archive_objects
}

# One segment is taken for archived while it is not, the next ones come.
break_archive_gap() {
  local archived
  wait_for 120 nothing_waits || die "the archiver does not catch up; see $LAB/log/$primary.log"
  archived=$(archiver_count archived_count)
  rm -f "$LAB/pg/archiver"
  archive_segments 1
  wait_for 20 archiver_went_on archived_count "$archived" || die "the archiver does not go on"
  as_postgres touch "$LAB/pg/archiver"
  archive_segments 2
  wait_for 60 archiver_went_on archived_count $((archived + 2)) || die "the WAL is not archived; see $LAB/log/$primary.log"
}
nothing_waits() { [ "$(sql "$primary" "select count(*) from pg_ls_archive_statusdir() where name like '%.ready'")" = 0 ]; }
# What is lost stays lost: a new base backup begins a new chain.
mend_archive_gap() {
  as_postgres touch "$LAB/pg/archiver"
  renew_archive
}
shows_archive_gap() {
  say "keelwatch_recovery_chain_broken{...} 1: every backup restores until a segment that is missing" \
    "keelwatch_wal_archive_gap_segments{...} 1" \
    "KeelwatchWalArchiveBroken after 10 min"
}

break_archive_failing() {
  local before
  before=$(archiver_count failed_count)
  write_archive_keys wrong
  archive_segments 1
  wait_for 60 archiver_went_on failed_count "$before" || die "the archiver does not fail"
}
mend_archive_failing() {
  local before
  before=$(archiver_count archived_count)
  write_archive_keys "$(secret s3-secret-key)"
  archive_segments 1 # wakes the archiver, which rests for a minute after three failures
  wait_for 120 archiver_went_on archived_count "$before" || die "the WAL is not archived; see $LAB/log/$primary.log"
}
shows_archive_failing() {
  say "$(series archiver_failed_total "$primary") grows, and segments wait in pg_wal" \
    "KeelwatchArchivingFailing"
}

break_bucket_hang() { kill -STOP -- "-$(pid_of s3)"; }
mend_bucket_hang() { kill -CONT -- "-$(pid_of s3)"; }
shows_bucket_hang() {
  say 'keelwatch_source_up{source="object_store",...} 0: what the archive holds is unknown from now on, not as it was'
}

# The newest backup is of three days ago, in the archive and in the objects, and the schedule is daily.
break_backup_overdue() {
  local id
  rm -rf "$LAB/faults.d/backup-overdue"
  mkdir -p "$LAB/faults.d/backup-overdue"
  for id in $(backup_ids); do
    cp -p "$(archive_folder)/base/$id/backup.info" "$LAB/faults.d/backup-overdue/$id"
    make_older "$id" 3
  done
  put_archive_objects
}
make_older() { # ID DAYS
  local key at edit=()
  for key in begin_time end_time; do
    at=$(backup_field "$1" "$key")
    edit+=(-e "s/^$key=.*/$key=$(date -u -d "$at - $2 days" '+%Y-%m-%d %H:%M:%S+00:00')/")
  done
  sed -i "${edit[@]}" "$(archive_folder)/base/$1/backup.info"
}
mend_backup_overdue() {
  local id
  for id in $(backup_ids); do
    [ ! -f "$LAB/faults.d/backup-overdue/$id" ] ||
      cp -p "$LAB/faults.d/backup-overdue/$id" "$(archive_folder)/base/$id/backup.info"
  done
  put_archive_objects
}
shows_backup_overdue() {
  say "$(cluster_series backup_overdue) 1: the newest backup is three days old, and its schedule is daily" \
    "KeelwatchBackupOverdue after 10 min"
}
