# Sourced by the lab's commands: an S3 server (the stand-in), where the primary archives its WAL with
# barman-cloud-wal-archive as the sidecar of the Barman Cloud plugin does, a base backup, and the
# objects that tell of them.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

archive_bucket=backups
archive_destination=s3://backups/lab
object_store=lab-store
s3_url() { echo "http://127.0.0.1:$S3_PORT"; }
archive_folder() { echo "$LAB/s3/$archive_bucket/lab/$cluster"; } # its objects are files

start_s3() {
  running s3 && return
  mkdir -p "$LAB/s3"
  start s3 "$programs/tests/standin-s3" --root "$LAB/s3" --port "$S3_PORT" --admin-port "$S3_ADMIN_PORT" \
    --bucket "$archive_bucket" --access-key "$(secret s3-access-key)" --secret-key "$(secret s3-secret-key)" \
    --log "$LAB/log/s3-requests.log"
  wait_ready s3 20 fetch "http://127.0.0.1:$S3_ADMIN_PORT/_admin/"
  set_versioning Enabled
}

set_versioning() { # Enabled|Suspended
  fetch -X PUT -o /dev/null "http://127.0.0.1:$S3_ADMIN_PORT/_admin/setting?bucket=$archive_bucket&name=versioning" \
    --data "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>$1</Status></VersioningConfiguration>"
}

# What PostgreSQL's account runs, and with which keys. PostgreSQL reads neither again: each segment does.
write_archive_command() {
  local folder=$LAB/pg
  render archive-wal "$folder/archive-wal"
  chmod 755 "$folder/archive-wal"
  write_archive_keys "$(secret s3-secret-key)"
  [ -e "$folder/archiver" ] || as_postgres touch "$folder/archiver"
}

write_archive_keys() { # SECRET-KEY
  (umask 077 && {
    echo "export AWS_ACCESS_KEY_ID=$(secret s3-access-key) AWS_SECRET_ACCESS_KEY=$1"
    echo "export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true"
  } >"$LAB/pg/archive-keys.new")
  give_to_postgres "$LAB/pg/archive-keys.new"
  mv "$LAB/pg/archive-keys.new" "$LAB/pg/archive-keys"
}

backup_ids() { find "$(archive_folder)/base" -mindepth 2 -maxdepth 2 -name backup.info -printf '%h\n' 2>/dev/null | sed 's|.*/||' | sort; }

take_base_backup() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_postgres timeout 180 sh -c '. "$1" && shift && exec "$@"' - "$LAB/pg/archive-keys" \
    barman-cloud-backup --endpoint-url "$(s3_url)" --immediate-checkpoint --jobs 1 \
    -h "$LAB/run/$primary" -p "$PG_PORT" -U postgres "$archive_destination" "$cluster" >>"$LAB/log/backup.log" 2>&1 ||
    die "barman-cloud-backup failed; its log: $LAB/log/backup.log"
}

create_base_backup() { [ -n "$(backup_ids)" ] || take_base_backup; }

backup_field() { # ID KEY, of its backup.info
  sed -n "s/^$2=//p" "$(archive_folder)/base/$1/backup.info"
}
as_object_time() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }

slot_after() { # TIME: the next three o'clock, which is when the lab's schedule is due
  local day
  day=$(date -u -d "$1" +%F)
  [ "$(date -u -d "$1" +%s)" -lt "$(date -u -d "$day 03:00" +%s)" ] || day=$(date -u -d "$day + 1 day" +%F)
  as_object_time "$day 03:00"
}

# A List: the ObjectStore with its Secret, the ScheduledBackup, and a Backup of each that is there.
archive_objects() {
  local id
  for id in $(backup_ids); do
    jq -nc --arg id "$id" --arg pod "$primary" --arg begin_wal "$(backup_field "$id" begin_wal)" \
      --arg end_wal "$(backup_field "$id" end_wal)" --arg begin_lsn "$(backup_field "$id" begin_xlog)" \
      --arg end_lsn "$(backup_field "$id" end_xlog)" --arg timeline "$(backup_field "$id" timeline)" \
      --arg began "$(as_object_time "$(backup_field "$id" begin_time)")" --arg ended "$(as_object_time "$(backup_field "$id" end_time)")" \
      '{id: $id, pod: $pod, begin_wal: $begin_wal, end_wal: $end_wal, begin_lsn: $begin_lsn, end_lsn: $end_lsn,
        timeline: $timeline, began: $began, ended: $ended}'
  done | jq -s --arg cluster "$cluster" --arg namespace "$namespace" --arg store "$object_store" \
    --arg destination "$archive_destination" --arg endpoint "$(s3_url)" --arg access_key "$(secret s3-access-key)" \
    --arg secret_key "$(secret s3-secret-key)" --arg next "$(slot_after "$(backup_field "$(backup_ids | tail -n 1)" begin_time)")" \
    -f "$lab_source/config/archive_objects.jq"
}

put_archive_objects() {
  put_objects "$(archive_objects)"
  set_cluster_plugin true
}

set_cluster_plugin() { # true|false: whether the Cluster names the plugin that archives
  local plugins=null
  [ "$1" = false ] || plugins="[{\"name\": \"barman-cloud.cloudnative-pg.io\", \"enabled\": true, \"isWALArchiver\": true,
    \"parameters\": {\"barmanObjectName\": \"$object_store\"}}]"
  kube_patch Cluster "$cluster" "{\"spec\": {\"plugins\": $plugins}}"
}
