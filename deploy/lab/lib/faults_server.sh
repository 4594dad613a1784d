# Sourced by faults.sh: faults of a server that runs, and of the PgBouncers before it.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

app_conninfo() { echo "host=$(address_of "$primary") port=$PG_PORT user=app dbname=app connect_timeout=3"; }

# hold NAME STATEMENTS: a session of the application that executes them and then stays.
hold() {
  local script=$LAB/faults.d/$1.sql
  printf '%s\n' "$2" >"$script"
  PGPASSWORD=$(secret app) PGAPPNAME=$1 start "helper-$1" \
    bash -c 'psql -X -q -d "$1" < <(cat "$2"; sleep infinity)' hold "$(app_conninfo)" "$script"
  wait_for 10 holds "$1" || die "the session did not begin; see $LAB/log/helper-$1.log"
}
holds() { [ "$(sql "$primary" "select count(*) from pg_stat_activity where application_name = '$1' and xact_start is not null")" != 0 ]; }
let_go() { # NAME
  stop "helper-$1" TERM 2
  sql "$primary" "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '$1'" >/dev/null
}

# ---- sessions and transactions

# pgbench holds as many sessions as are left, until the server refuses; it gives all of them up if
# one of them was taken meanwhile. Whom the server must not let in, keelwatch, is held out by a limit
# of its own.
break_connections_exhausted() {
  local left round
  sql "$primary" 'alter role keelwatch connection limit 0'
  end_sessions_of keelwatch "$primary"
  # Not longer: pgbench counts the microseconds in 31 bits.
  printf '\\sleep 1000 s\nselect 1;\n' >"$LAB/faults.d/idle.pgbench"
  for round in 1 2 3 4 5 6 7 8 9; do
    ! is_full || break
    left=$(sql "$primary" "select greatest(1, current_setting('max_connections')::int
      - current_setting('superuser_reserved_connections')::int - count(*))
      from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
    occupy "$round" "$left"
  done
  is_full || die "the primary still takes connections"
  sql "$primary" 'alter role keelwatch connection limit -1'
}
occupy() { # ROUND SESSIONS
  local expected
  expected=$(($(occupied) + $2))
  PGPASSWORD=$(secret app) PGAPPNAME=lab-crowd start "helper-crowd-$1" pgbench -n -c "$2" -j 1 -T 1000000 \
    -f "$LAB/faults.d/idle.pgbench" "$(app_conninfo)"
  wait_for 10 crowd_is_there "$1" "$expected"
}
occupied() { sql "$primary" "select count(*) from pg_stat_activity where application_name = 'lab-crowd'"; }
crowd_is_there() { ! running "helper-crowd-$1" || [ "$(occupied)" -ge "$2" ]; } # ROUND SESSIONS
is_full() {
  local said
  ! said=$(PGPASSWORD=$(secret app) timeout 10 psql -X -q -d "$(app_conninfo)" -c 'select 1' 2>&1) &&
    [[ $said == *"too many clients"* || $said == *"slots are reserved"* ]]
}
mend_connections_exhausted() {
  local name
  for name in $(helpers | grep '^helper-crowd-' || true); do stop "$name" TERM 3; done
  sql "$primary" 'alter role keelwatch connection limit -1'
  wait_for 10 nobody_crowds || die "sessions of the crowd are left"
}
nobody_crowds() { [ "$(occupied)" = 0 ]; }
shows_connections_exhausted() {
  say "$(series instance_reachability "$primary" 'state="too_many_connections"') 1" \
    "what the primary says is unknown, $(cluster_series cluster_writable_primaries) too" \
    "KeelwatchConnectionsExhausted after 1 min, KeelwatchPrimaryUnknown after 2 min"
}

break_long_transaction() {
  hold long-transaction 'begin; insert into journal (body) values ($$long$$); select pg_sleep(1000000);'
}
mend_long_transaction() { let_go long-transaction; }
shows_long_transaction() {
  say "$(series instance_longest_transaction_seconds "$primary") grows" \
    "$(series instance_xmin_age "$primary" 'kind="session"') grows with every transaction of others" \
    "KeelwatchTransactionTooLong once it is over its threshold of 1 h"
}

break_idle_in_transaction() {
  hold idle-in-transaction 'begin; insert into journal (body) values ($$idle$$);'
}
mend_idle_in_transaction() { let_go idle-in-transaction; }
shows_idle_in_transaction() {
  say "$(series instance_longest_idle_in_transaction_seconds "$primary") grows" \
    "KeelwatchIdleInTransaction once it is over its threshold of 15 min"
}

break_prepared_transaction() {
  sql "$primary" "begin; insert into journal (body) values ('prepared'); prepare transaction 'lab_forgotten'" app
}
mend_prepared_transaction() { roll_back_prepared lab_forgotten; }
roll_back_prepared() { # GID, if it is there
  [ "$(sql "$primary" "select count(*) from pg_prepared_xacts where gid = '$1'")" = 0 ] ||
    sql "$primary" "rollback prepared '$1'" app
}
shows_prepared_transaction() {
  say "$(series instance_prepared_transactions "$primary") 1, and since when" \
    "KeelwatchPreparedTransactionOld once it is over its threshold of 1 h"
}

# Two thousand million transactions are out of reach here: a prepared transaction keeps everything
# from being frozen, and subtransactions use up some hundred thousand ids a second.
break_wraparound() {
  sql "$primary" "begin; insert into journal (body) values ('held'); prepare transaction 'lab_wraparound'" app
  # Each subtransaction that writes takes an id; a temporary table writes no WAL.
  hold wraparound 'create temporary table burned (n int);
create or replace procedure burn() language plpgsql as $$ begin
  for i in 1..1000 loop
    for j in 1..10000 loop
      begin insert into burned values (j); exception when others then null; end;
    end loop;
    truncate burned;
    commit;
  end loop; end $$;
call burn();'
}
mend_wraparound() {
  let_go wraparound
  roll_back_prepared lab_wraparound
  sql "$primary" 'drop procedure if exists burn()' app
  sql "$primary" 'vacuum (freeze)' app
}
shows_wraparound() {
  say "keelwatch_database_transaction_ids_ratio{...,kind=\"xid\"} grows, and nothing lowers it" \
    "$(series instance_xmin_age "$primary" 'kind="prepared_transaction"') grows by some ten thousands a second" \
    "KeelwatchXminHeld once it is over its threshold; KeelwatchWraparoundNear is hours away"
}

# As if the image had brought a new ICU.
break_collation_mismatch() {
  [ -n "$(sql "$primary" "select datcollversion from pg_database where datname = 'app'")" ] ||
    die "database app has a collation without versions (the lab was made by an older up: deploy/lab/down first)"
  sql "$primary" "update pg_database set datcollversion = '1.2' where datname = 'app'"
  wait_for 10 all_replayed
}
mend_collation_mismatch() { sql "$primary" 'alter database app refresh collation version' 2>/dev/null; }
shows_collation_mismatch() {
  say "$(series database_collation_mismatches "$primary") 1, and so on every standby" \
    "KeelwatchCollationMismatch after 15 min"
}

# ---- certificates

with_certificate() { # POD DAYS
  make_server_certificate "$1" "$2"
  sql "$1" 'select pg_reload_conf()' >/dev/null
  sleep 0.5 # the postmaster reads it, and only then is there a session to end
  end_sessions_of keelwatch "$1"
}
break_tls_expired() { with_certificate "$1" -1; }
mend_tls_expired() { with_certificate "$1" 3650; }
shows_tls_expired() {
  say "$(series instance_reachability "$1" 'state="tls_failed"') 1" \
    "what $1 itself would say is unknown; what its primary says of it stays" \
    "KeelwatchSourceSilent after 5 min"
}
break_tls_expiring() { with_certificate "$1" 1; }
mend_tls_expiring() { with_certificate "$1" 3650; }
shows_tls_expiring() {
  say "$(series instance_certificate_expiry_timestamp_seconds "$1") within a day; it still answers" \
    "KeelwatchServerCertificateExpiring after 5 min"
}

# ---- PgBouncer

break_pooler_down() { stop pgbouncer-rw; }
mend_pooler_down() { start_pgbouncer rw; }
shows_pooler_down() {
  say 'keelwatch_pooler_up{...,pooler="pooler-rw",...} 0; what it would say is unknown' \
    "KeelwatchPoolerDown after 1 min"
}

# It waits for the sessions to end, which may be never; from now on it gives none out.
break_pooler_paused() {
  console rw 'PAUSE app' >/dev/null 2>&1 || true
  [ "$(is_paused rw)" = 1 ] || die "PgBouncer is not paused"
}
mend_pooler_paused() { ! running pgbouncer-rw || [ "$(is_paused rw)" != 1 ] || console rw 'RESUME app'; }
# By name: the columns of SHOW DATABASES differ between versions.
is_paused() { # rw|ro
  PGCONNECT_TIMEOUT=5 PGPASSWORD=$(secret app) timeout 10 psql -h "$(pooler_address_of "$1")" -p "$POOLER_PORT" \
    -U app -d pgbouncer -X -q -A -c 'SHOW DATABASES' |
    awk -F'|' 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next } $column["name"] == "app" { print $column["paused"] }'
}
shows_pooler_paused() {
  say 'keelwatch_pooler_database_paused{...,pooler="pooler-rw",...,database="app"} 1' \
    "KeelwatchPoolerPaused after 10 min"
}
