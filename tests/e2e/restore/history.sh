# Sourced by restore_test: makes a history, once for all cases.
#   plain  segments of 1 MiB, nothing compressed, page checksums; the old primary is dead at the failover
#   lost   as plain, but the old primary lives on after the failover and archives a branch of its own
#   gz     as lost, WAL and data compressed, no page checksums
#   large  segments of 16 MiB, nothing compressed, page checksums
# It is left in $work/history/NAME:
#   bucket/    the archive, s3://BUCKET/path/pg
#   rows.tsv   each row that was committed: id, branch, timeline, LSN before, LSN after
#   foreign/   segments of another cluster, by their names
#   facts      segment_bytes, compressed, checksums, diverges, fork, backups
# A row's digest is md5(that of the row before || id || branch): a row that is missing, changed or
# of another branch breaks the chain.
# shellcheck shell=bash disable=SC2154 # from restore_test

have_history() { # NAME
  local place=$work/history/$1
  as_postgres mkdir -p "$work/history"
  if [ -n "$keep" ] && [ -f "$keep/$1/facts" ]; then
    as_postgres cp -a "$keep/$1" "$place"
    return
  fi
  local began=$SECONDS
  make_history "$1" "$place"
  say "history $1: made in $((SECONDS - began)) s, $(find "$place/bucket" -path '*/wals/*' -type f | wc -l) files of WAL, $(find "$place/bucket" -path '*/base/*' -type f | wc -l) of backups"
  if [ -n "$keep" ]; then
    mkdir -p "$keep"
    cp -a "$place" "$keep/$1"
    chmod -R a+rX "$keep/$1"
  fi
}

make_history() { # NAME PLACE
  local name=$1 place=$2 segment_mb=1 compress=() summed=yes checksums=(--data-checksums) diverges=0
  case $name in
    plain) ;;
    lost) diverges=1 ;;
    gz) compress=(--gzip) summed=no diverges=1 ;;
    large) segment_mb=16 ;;
    *) die "no history $name: plain, lost, gz, large" ;;
  esac
  if [ $summed = no ]; then
    checksums=()
    postgres --version | grep -qE ' 1[3-7]\.' || checksums=(--no-data-checksums)
  fi
  local making=$work/making-$name bucket=history-$name backups=()
  as_postgres mkdir -p "$place" "$making/run" "$making/one-space"
  make_bucket "$bucket"
  : | as_postgres tee "$place/rows.tsv" >/dev/null
  as_postgres timeout 120 initdb -D "$making/one" -U postgres -E UTF8 --locale=C --auth=trust --no-sync \
    --wal-segsize="$segment_mb" "${checksums[@]}" >"$making.log" 2>&1 || die "initdb: $(tail -n 5 "$making.log")"
  start_server one
  at one "create tablespace side location '$making/one-space'"
  at one "create table journal (id bigint primary key, branch text, digest text, body text);
    create table side (id bigint primary key, digest text) tablespace side;
    create table ballast as select i, (select string_agg(md5(random()::text), '') from generate_series(1, 60 + i % 2)) as body from generate_series(1, 3000) i"
  write_rows one main 1 40
  take_backup # 1: nothing is written meanwhile
  write_rows one main 1 40
  switch_wal one 2
  write_rows one main 1 40
  busy_backup # 2: its WAL is several segments
  write_rows one main 1 40
  clone_server
  write_rows one main 1 20
  wait_for 30 caught_up || die "the standby does not follow"
  fail_over
  write_rows two main 2 30
  switch_wal two 2
  write_rows two main 2 30
  take_backup two # 3: of the new timeline
  write_rows two main 2 40
  switch_wal two 1
  write_rows two main 2 20
  switch_wal two 1
  wait_for 60 all_archived two || die "the WAL is not archived: $(tail -n 5 "$work/barman.log")"
  local fork
  fork=$(as_postgres cut -f 2 "$making/two/pg_wal/00000002.history")
  stop_server two
  [ "$diverges" = 0 ] || stop_server one
  make_foreign
  as_postgres cp -a "$work/s3/$bucket" "$place/bucket"
  {
    echo "segment_bytes=$((segment_mb * 1048576))"
    echo "compressed=$([ ${#compress[@]} = 0 ] && echo no || echo yes)"
    echo "checksums=$summed"
    echo "diverges=$diverges"
    echo "fork=$fork"
    echo "backups=${backups[*]}"
  } | as_postgres tee "$place/facts" >/dev/null
  rm -rf "$making"
}

make_bucket() { # NAME
  if [ -n "${KEELWATCH_S3_SERVER:-}" ]; then
    as_postgres "$python" -c 'import boto3, sys
boto3.client("s3", endpoint_url=sys.argv[1]).create_bucket(Bucket=sys.argv[2])' "$endpoint" "$1"
  else
    as_postgres mkdir -p "$work/s3/$1"
  fi
}

# ---- servers: one is the old primary, two the standby that takes over

start_server() { # NAME
  local options=(-c listen_addresses= -c unix_socket_directories="$making/run" -c port="$(port_of "$1")"
    -c shared_buffers=32MB -c fsync=off -c autovacuum=off -c min_wal_size="$((segment_mb * 4))MB"
    -c max_wal_size="$((segment_mb * 64))MB" -c wal_keep_size="$((segment_mb * 64))MB"
    -c wal_level=replica -c archive_mode=on -c archive_timeout=0
    -c "archive_command=$(archive_command)")
  start "$name-$1" postgres -D "$making/$1" "${options[@]}"
  eval "server_$1=$started"
  wait_for 60 at "$1" 'select 1' || die "$1 does not start: $(tail -n 5 "$work/$name-$1.log")"
}

port_of() { [ "$1" = one ] && echo 5432 || echo 5433; }

archive_command() {
  local options=() IFS=' '
  [ ${#compress[@]} = 0 ] || options=(--gzip)
  echo "$checkout/tests/e2e/restore/barman_client $barman_port wal-archive --endpoint-url $endpoint ${options[*]} s3://$bucket/path pg \$PWD/%p"
}

stop_server() { # NAME [SIGNAL]
  local pid=server_$1
  stop "${!pid}" "${2:-INT}"
}

at() { # NAME SQL
  as_postgres timeout 120 psql -h "$making/run" -p "$(port_of "$1")" -U postgres -X -q -A -t -v ON_ERROR_STOP=1 -c "$2"
}

switch_wal() { # NAME TIMES
  local i
  for ((i = 0; i < $2; i++)); do at "$1" "select pg_switch_wal() from pg_logical_emit_message(true, 'history', 'switch')" >/dev/null; done
}

all_archived() { # NAME
  ! find "$making/$1/pg_wal/archive_status" -name '*.ready' | grep -q .
}

caught_up() { [ "$(at two "select pg_last_wal_replay_lsn() >= '$(at one 'select pg_current_wal_lsn()')'")" = t ]; }

# write_rows NAME BRANCH TIMELINE COUNT: each commits alone, with some 13 or 150 kB of WAL.
write_rows() {
  local bodies=$((segment_mb > 4 ? 120 : 10))
  at "$1" "
    create or replace procedure write_rows(branch text, timeline int, count int) language plpgsql as \$\$
    declare
      last bigint; before pg_lsn; d text;
    begin
      for i in 1..count loop
        select coalesce(max(id), 0) into last from journal;
        select digest into d from journal where id = last;
        before := pg_current_wal_insert_lsn();
        d := md5(coalesce(d, '') || (last + 1) || branch);
        insert into journal select last + 1, branch, d,
          (select string_agg(md5(random()::text), '') from generate_series(1, 40 * $bodies));
        insert into side values (last + 1, d);
        commit;
        raise info '%	%	%	%	%', last + 1, branch, timeline, before, pg_current_wal_insert_lsn();
      end loop;
    end \$\$" &&
    at "$1" "call write_rows('$2', $3, $4)" 2>&1 | sed -n 's/^INFO:  //p' |
    as_postgres tee -a "$place/rows.tsv" >/dev/null
}

# ---- backups

take_backup() { # [NAME]
  sleep 1 # two must not have the same second for a name
  as_postgres timeout 60 "${barman_backup[@]}" --endpoint-url "$endpoint" "${compress[@]}" --immediate-checkpoint \
    --max-archive-size 6MB --jobs 1 -h "$making/run" -p "$(port_of "${1:-one}")" -U postgres "s3://$bucket/path" pg \
    >"$making.log" 2>&1 || die "barman-cloud-backup: $(tail -n 15 "$making.log")"
  backups+=("$(find "$work/s3/$bucket/path/pg/base" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tail -n 1)")
}

busy_backup() {
  local before writer
  before=$(last_checkpoint)
  {
    wait_for 60 checkpointed_since "$before" || die "no backup begins"
    for _ in 1 2 3; do # a recovery reads all of it
      write_rows one main 1 4
      switch_wal one 1
    done
  } &
  writer=$!
  take_backup
  wait $writer
}
last_checkpoint() { at one 'select redo_lsn from pg_control_checkpoint()'; }
checkpointed_since() { [ "$(last_checkpoint)" != "$1" ]; } # a backup begins with one

# ---- the failover

# Of the stopped server: pg_basebackup is not to be had for every PostgreSQL.
clone_server() {
  local space
  stop_server one
  as_postgres cp -a "$making/one" "$making/two"
  as_postgres cp -a "$making/one-space" "$making/two-space"
  for space in "$making"/two/pg_tblspc/*; do as_postgres ln -sfn "$making/two-space" "$space"; done
  echo "primary_conninfo = 'host=$making/run port=$(port_of one) user=postgres'" | as_postgres tee -a "$making/two/postgresql.auto.conf" >/dev/null
  as_postgres touch "$making/two/standby.signal"
  start_server one
  start_server two
}

fail_over() {
  [ "$diverges" = 1 ] || stop_server one QUIT
  as_postgres timeout 60 pg_ctl promote -D "$making/two" >/dev/null
  [ "$diverges" = 0 ] || {
    write_rows one lost 1 30
    switch_wal one 1
    write_rows one lost 1 30
    switch_wal one 1
    wait_for 60 all_archived one
  }
}

# ---- another cluster, which has written as much

make_foreign() {
  local last
  last=$(find "$work/s3/$bucket/path/pg/wals" -name '00000001*' -type f -printf '%f\n' | cut -c1-24 | sort | tail -n 1)
  as_postgres mkdir -p "$place/foreign"
  as_postgres timeout 120 initdb -D "$making/foreign" -U postgres -E UTF8 --locale=C --auth=trust --no-sync \
    --wal-segsize="$segment_mb" "${checksums[@]}" >/dev/null 2>&1
  as_postgres rm -rf "$making/run"
  as_postgres mkdir "$making/run"
  start "$name-foreign" postgres -D "$making/foreign" -c listen_addresses= -c unix_socket_directories="$making/run" -c port=5432 \
    -c fsync=off -c autovacuum=off -c archive_mode=on -c "archive_command=cp %p $place/foreign/%f" -c max_wal_size="$((segment_mb * 64))MB"
  local foreign=$started
  wait_for 60 at one 'select 1' || die "the other cluster does not start"
  at one "do \$\$ begin
    while pg_walfile_name(pg_current_wal_lsn() - 1) <= '$last' loop
      perform pg_logical_emit_message(true, 'history', repeat('x', 65536));
      perform pg_switch_wal();
    end loop;
  end \$\$"
  wait_for 60 test -e "$place/foreign/$last" || die "the other cluster does not archive"
  stop "$foreign" INT
}
