# Sourced by the lab's commands: a primary and two streaming standbys as CloudNativePG runs them
# (names, slots, replication user, certificate names, timeouts), two PgBouncers, and a writer.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

make_secrets() {
  local name
  mkdir -p "$LAB/secrets"
  chmod 700 "$LAB/secrets"
  for name in keelwatch streaming_replica app kube-token kube-admin-token s3-access-key s3-secret-key; do
    [ -s "$LAB/secrets/$name" ] || (umask 077 && openssl rand -hex 16 >"$LAB/secrets/$name")
  done
}

secret() { cat "$LAB/secrets/$1"; }

# One certificate per instance, one of the PgBouncers and one of the kubelets, as each has a copy of its own of the operator's secret.
make_certificates() {
  local tls=$LAB/tls pod
  [ -s "$tls/ca.crt" ] || {
    mkdir -p "$tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
      -subj "/CN=$cluster-ca" -keyout "$tls/ca.key" -out "$tls/ca.crt" 2>/dev/null
    chmod 600 "$tls/ca.key"
  }
  for pod in "${pods[@]}" pooler kubelet; do
    [ -s "$tls/$pod.crt" ] || make_server_certificate "$pod" 3650
  done
}

# The names in the certificate are those that the operator puts there: Services, no addresses.
# DAYS below 0: it has expired. A server that runs takes it with pg_reload_conf().
make_server_certificate() { # POD DAYS
  local tls=$LAB/tls names='' suffix service pod
  for service in rw ro r; do
    for suffix in "" ".$namespace" ".$namespace.svc" ".$namespace.svc.cluster.local"; do
      names+="DNS:$cluster-$service$suffix,"
    done
  done
  if [ "$1" = kubelet ]; then
    names=
    for pod in "${pods[@]}"; do names+="IP:$(address_of "$pod"),"; done
  fi
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$cluster-rw" \
    -keyout "$tls/$1.key.new" -out "$tls/$1.csr" 2>/dev/null
  openssl x509 -req -in "$tls/$1.csr" -CA "$tls/ca.crt" -CAkey "$tls/ca.key" -CAcreateserial \
    -days "$2" -extfile <(echo "subjectAltName=${names%,}") -out "$tls/$1.crt.new" 2>/dev/null
  chmod 600 "$tls/$1.key.new"
  give_to_postgres "$tls/$1.key.new"
  mv "$tls/$1.key.new" "$tls/$1.key"
  mv "$tls/$1.crt.new" "$tls/$1.crt"
}

data_of() { echo "$LAB/pg/$1"; }
slot_of() { echo "_cnpg_${1//-/_}"; }

# sql POD STATEMENT [DATABASE]: as superuser through the socket that only this account can reach. A
# server that hangs is given up, a statement that does not end is cancelled.
sql() {
  PGCONNECT_TIMEOUT=5 PGOPTIONS='-c statement_timeout=60s' as_postgres timeout 90 psql -h "$LAB/run/$1" -p "$PG_PORT" \
    -U postgres -d "${3:-postgres}" -X -q -A -t -v ON_ERROR_STOP=1 -c "$2"
}

replication_conninfo() { # POD [PORT]
  echo "host=$(address_of "$primary") port=${2:-$PG_PORT} user=streaming_replica" \
    "application_name=$1 passfile=$LAB/pg/passfile sslmode=verify-ca sslrootcert=$LAB/tls/ca.crt" \
    "connect_timeout=3"
}

write_instance_conf() { # POD [REPLICATION-PORT]
  local pod=$1 file
  file=$(data_of "$pod")/instance.conf
  {
    echo "cluster_name = '$pod'"
    echo "listen_addresses = '$(address_of "$pod")'"
    echo "port = $PG_PORT"
    echo "unix_socket_directories = '$LAB/run/$pod'"
    echo "ssl_cert_file = '$LAB/tls/$pod.crt'"
    echo "ssl_key_file = '$LAB/tls/$pod.key'"
    if [ "$pod" != "$primary" ]; then
      echo "primary_conninfo = '$(replication_conninfo "$pod" "${2:-$PG_PORT}")'"
      echo "primary_slot_name = '$(slot_of "$pod")'"
    fi
  } | as_postgres tee "$file" >/dev/null
}

make_folders_of_postgres() {
  local pod
  mkdir -p "$LAB/pg"
  for pod in "${pods[@]}"; do
    mkdir -p "$LAB/run/$pod"
    chmod 700 "$LAB/run/$pod"
    give_to_postgres "$LAB/run/$pod"
  done
  give_to_postgres "$LAB/pg"
  render postgresql.conf "$LAB/pg/lab.conf"
  render pg_hba.conf "$LAB/pg/pg_hba.conf"
  echo "*:*:*:streaming_replica:$(secret streaming_replica)" >"$LAB/pg/passfile"
  chmod 600 "$LAB/pg/passfile"
  write_archive_command
  give_to_postgres "$LAB/pg/lab.conf" "$LAB/pg/pg_hba.conf" "$LAB/pg/passfile"
}

start_postgres() { # POD
  running "$1" && return
  forget_dead_postmaster "$1"
  start_as_postgres "$1" postgres -D "$(data_of "$1")"
}

# A killed postmaster that its parent has not collected yet still has a pid, and the next one would
# take it for alive.
forget_dead_postmaster() { # POD
  local lock pid
  lock=$(data_of "$1")/postmaster.pid
  { read -r pid <"$lock"; } 2>/dev/null || return 0
  if ! start_time_of "$pid" >/dev/null && no_processes_of "$1"; then rm -f "$lock"; fi
}

# Ready is not enough: it must be this instance, not another one on the same address.
await_postgres() { # POD
  wait_ready "$1" 60 sql "$1" 'select 1'
}

create_primary() {
  local data
  data=$(data_of "$primary")
  if [ ! -s "$data/created" ]; then
    rm -rf "$data"
    empty_wal_of "$primary"
    as_postgres initdb -D "$data" -X "$(wal_of "$primary")" -U postgres -E UTF8 --locale=C --data-checksums \
      --auth-local=trust --auth-host=scram-sha-256 --no-sync >"$LAB/log/initdb.log"
    echo "include '$LAB/pg/lab.conf'
include 'instance.conf'" | as_postgres tee -a "$data/postgresql.conf" >/dev/null
    write_instance_conf "$primary"
    start_postgres "$primary"
    await_postgres "$primary"
    sql "$primary" "
      create role streaming_replica login replication password '$(secret streaming_replica)';
      create role keelwatch login password '$(secret keelwatch)' in role pg_monitor;
      create role app login password '$(secret app)'"
    # A collation that has a version: of locale C there is none that an image could change.
    sql "$primary" "create database app owner app template template0 locale_provider icu icu_locale 'en-US'"
    sql "$primary" "create table journal (id bigint generated always as identity primary key,
      at timestamptz default now(), body text); alter table journal owner to app" app
    echo yes | as_postgres tee "$data/created" >/dev/null
  fi
  start_postgres "$primary"
  await_postgres "$primary"
}

make_slot() { # NAME, on the primary
  sql "$primary" "select pg_create_physical_replication_slot('$1', true)
    where not exists (select from pg_replication_slots where slot_name = '$1')" >/dev/null
}

# On the primary. Whoever reads it is sent away, again and again: a receiver may be back before the
# slot is gone.
drop_slot() { # NAME
  sql "$primary" "do \$\$ begin
    while exists (select from pg_replication_slots where slot_name = '$1') loop
      begin
        perform pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '$1' and active;
        perform pg_drop_replication_slot('$1');
      exception when object_in_use then
        perform pg_sleep(0.005);
      end;
    end loop;
  end \$\$"
}

clone_standby() { # POD
  local pod=$1 data slot
  data=$(data_of "$pod")
  slot=$(slot_of "$pod")
  rm -rf "$data"
  empty_wal_of "$pod"
  make_slot "$slot"
  as_postgres timeout 300 pg_basebackup -D "$data" --waldir "$(wal_of "$pod")" -d "$(replication_conninfo "$pod-join")" -S "$slot" -X stream \
    -c fast --no-sync 2>>"$LAB/log/$pod.log"
  write_instance_conf "$pod"
  as_postgres touch "$data/standby.signal"
}

create_standby() { # POD
  [ -s "$(data_of "$1")/created" ] || clone_standby "$1"
  start_postgres "$1"
}

streams() { # POD
  [ "$(sql "$primary" "select count(*) from pg_stat_replication
    where application_name = '$1' and state = 'streaming'")" = 1 ]
}

# Postmaster and all its children: they run in the data folder.
processes_of() { # POD
  find /proc -mindepth 2 -maxdepth 2 -name cwd -lname "$(data_of "$1")" -printf '%h\n' 2>/dev/null |
    sed 's|^/proc/||' || true
}

signal_postgres() { # POD SIGNAL
  local pid
  for pid in $(processes_of "$1"); do
    kill -"$2" "$pid" 2>/dev/null || true
  done
}

stop_postgres() { # POD [SIGNAL]: INT is a fast shutdown
  signal_postgres "$1" CONT
  stop "$1" "${2:-INT}" 20
  wait_for 5 no_processes_of "$1" || signal_postgres "$1" KILL
}

no_processes_of() { [ -z "$(processes_of "$1")" ]; }

# Leads to where the Service of that kind would: the primary, or the standbys.
write_pgbouncer_conf() { # rw|ro
  local hosts pod
  hosts=$(address_of "$primary")
  if [ "$1" = ro ]; then
    hosts=
    for pod in "${standbys[@]}"; do hosts+=${hosts:+,}$(address_of "$pod"); done
  fi
  pooler_address=$(pooler_address_of "$1") pooler_hosts=$hosts \
    render pgbouncer.ini "$LAB/pgbouncer/$1.ini"
}

# console rw|ro COMMAND: of PgBouncer, as one who may pause it.
console() {
  PGCONNECT_TIMEOUT=5 PGPASSWORD=$(secret app) timeout 5 psql -h "$(pooler_address_of "$1")" \
    -p "$POOLER_PORT" -U app -d pgbouncer -X -q -A -t -c "$2"
}

start_pgbouncer() { # rw|ro
  local kind=$1 folder=$LAB/pgbouncer
  running "pgbouncer-$kind" && return
  mkdir -p "$folder"
  write_pgbouncer_conf "$kind"
  printf '"app" "%s"\n"keelwatch" "%s"\n' "$(secret app)" "$(secret keelwatch)" >"$folder/users.txt"
  chmod 600 "$folder/users.txt"
  give_to_postgres "$folder"
  start_as_postgres "pgbouncer-$kind" pgbouncer "$folder/$kind.ini"
  wait_ready "pgbouncer-$kind" 10 bash -c "</dev/tcp/$(pooler_address_of "$kind")/$POOLER_PORT"
}

start_writer() {
  running writer && return
  PGHOST=$(pooler_address_of rw) PGPORT=$POOLER_PORT PGPASSWORD=$(secret app) start writer "$lab_source/lib/writer"
}
