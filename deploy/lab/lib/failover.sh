# Sourced by the lab's commands: what CloudNativePG's operator and instance managers do when the
# primary changes, in SQL, on the instances' files and on the objects.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

now_micro() { date -u +%Y-%m-%dT%H:%M:%S.%6NZ; }

# cluster_status JSON: merged into the Cluster's status.
cluster_status() { kube_patch Cluster "$cluster" "{\"status\": $1}"; }

pod_ready() { # POD true|false
  local status=True now image=ghcr.io/cloudnative-pg/postgresql:15
  [ "$2" = true ] || status=False
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  kube_patch Pod "$1" "{\"status\": {\"conditions\": [
    {\"type\": \"PodScheduled\", \"status\": \"True\"}, {\"type\": \"Initialized\", \"status\": \"True\"},
    {\"type\": \"ContainersReady\", \"status\": \"$status\", \"lastTransitionTime\": \"$now\"},
    {\"type\": \"Ready\", \"status\": \"$status\", \"lastTransitionTime\": \"$now\"}],
    \"containerStatuses\": [{\"name\": \"postgres\", \"ready\": $2, \"started\": true, \"restartCount\": 0,
      \"image\": \"$image\", \"imageID\": \"\", \"state\": {\"running\": {\"startedAt\": \"$now\"}}}]}}"
}

# Role labels and the endpoints of the Services, as of now.
publish_roles() {
  local kind name patch
  while IFS=$'\t' read -r kind name patch; do
    kube_patch "$kind" "$name" "$patch"
  done < <(lab_objects | jq -r '.items[]
    | select(.kind == "EndpointSlice" or (.kind == "Pod" and .metadata.labels["cnpg.io/podRole"] == "instance"))
    | .kind + "\t" + .metadata.name + "\t"
      + (if .kind == "Pod" then {metadata: {labels: .metadata.labels}} else {endpoints} end | tojson)')
}

instances_status() { # POD-THAT-FAILED|"" -> JSON of instancesStatus and readyInstances
  jq -nc --arg failed "$1" '$ARGS.positional as $pods | ($pods - [$failed]) as $well
    | {instancesStatus: {healthy: $well, failed: (if $failed == "" then null else [$failed] end)},
       readyInstances: ($well | length)}' --args "${pods[@]}"
}

# POD takes over: it and only it is primary from now on for everyone but the old one.
promote() { # POD
  local old=$primary pod
  sql "$1" 'select pg_promote(true, 30)' >/dev/null
  set_primary "$1"
  for pod in "${standbys[@]}"; do make_slot "$(slot_of "$pod")"; done
  write_instance_conf "$1"
  for pod in "${standbys[@]}"; do
    [ "$pod" = "$old" ] || follow "$pod"
  done
  for pod in rw ro; do
    write_pgbouncer_conf "$pod"
    ! running "pgbouncer-$pod" || kill -HUP "$(pid_of "pgbouncer-$pod")"
  done
}

follow() { # POD
  write_instance_conf "$1"
  sql "$1" 'select pg_reload_conf()' >/dev/null
}

published_primary() { # POD: the operator has seen it take over
  publish_roles
  cluster_status "{\"currentPrimary\": \"$1\", \"currentPrimaryTimestamp\": \"$(now_micro)\",
    \"currentPrimaryFailingSinceTimestamp\": null, \"timelineID\": $(timeline_of_primary),
    \"instancesReportedState\": $(reported_state)}"
}

reported_state() {
  lab_objects | jq -c '.items[] | select(.kind == "Cluster").status.instancesReportedState'
}

# The old primary, stopped, becomes a standby of the new one. Its slots are of another time: they
# would hold back WAL for ever.
rejoin() { # POD
  local data
  data=$(data_of "$1")
  make_slot "$(slot_of "$1")"
  # Until the first checkpoint after it was promoted, its control file is that of the old timeline.
  sql "$primary" checkpoint
  if as_postgres timeout 120 pg_rewind -D "$data" --no-sync \
    --source-server "host=$LAB/run/$primary port=$PG_PORT user=postgres dbname=postgres" \
    >>"$LAB/log/$1.log" 2>&1; then
    find "$data/pg_replslot" -mindepth 1 -delete
    as_postgres touch "$data/standby.signal"
    write_instance_conf "$1"
    if (bring_back "$1") 2>>"$LAB/log/$1.log"; then return; fi
    stop_postgres "$1"
  fi
  say "$1 cannot be rewound and is cloned; see $LAB/log/$1.log"
  clone_standby "$1"
  bring_back "$1"
}

all_well() {
  local pod
  for pod in "${pods[@]}"; do pod_ready "$pod" true; done
  cluster_status "$(instances_status "" | jq -c --argjson reported "$(reported_state)" \
    '. + {phase: "Cluster in healthy state", phaseReason: null, instancesReportedState: $reported}')"
}

# An orderly change: the primary ends only when its standbys have all it wrote.
switch_over_to() { # POD
  local old=$primary
  [ "$1" != "$old" ] || return 0
  cluster_status "{\"targetPrimary\": \"$1\", \"targetPrimaryTimestamp\": \"$(now_micro)\",
    \"phase\": \"Switchover in progress\", \"phaseReason\": \"Switching over to $1\"}"
  pod_ready "$old" false
  stop_postgres "$old"
  promote "$1"
  published_primary "$1"
  rejoin "$old"
  all_well
}

# The primary dies; the operator sees it after a while, and POD takes over.
fail_over_to() { # POD
  local old=$primary
  signal_postgres "$old" KILL
  wait_for 10 no_processes_of "$old"
  cluster_status "{\"currentPrimaryFailingSinceTimestamp\": \"$(now_micro)\"}"
  pod_ready "$old" false
  sleep 3
  cluster_status "$(instances_status "$old" | jq -c --arg to "$1" --arg from "$old" --arg now "$(now_micro)" '
    . + {targetPrimary: $to, targetPrimaryTimestamp: $now, phase: "Failing over",
         phaseReason: "Failing over from \($from) to \($to)"}')"
  promote "$1"
  published_primary "$1"
}

# Whatever is primary now and however far a change of it came: pg-1 is it again, with standbys.
restore_primary() {
  local pod
  stop helper-gap-writer
  start_postgres "$primary"
  await_postgres "$primary"
  for pod in "${standbys[@]}"; do
    if ! streams "$pod"; then
      stop_postgres "$pod"
      rejoin "$pod"
    fi
  done
  all_well
  switch_over_to pg-1
}

# ---- the truth to measure by

# From the last successful write to the next one, seen by a client that asks every instance.
start_gap_writer() {
  local pod hosts=
  for pod in "${pods[@]}"; do hosts+=${hosts:+,}$(address_of "$pod"); done
  rm -f "$LAB/writes"
  PGPASSWORD=$(secret app) start helper-gap-writer "$lab_source/lib/gap-writer" \
    "host=$hosts port=$PG_PORT user=app dbname=app target_session_attrs=read-write connect_timeout=2" "$LAB/writes"
  wait_for 10 test -s "$LAB/writes" || die "no write succeeds; see $LAB/log/helper-gap-writer.log"
}

# Writes go on for a second, so that the longest pause between two of them is the gap.
finish_gap_writer() { # failover|switchover FROM TO
  local count
  count=$(wc -l <"$LAB/writes")
  wait_for 30 wrote_more_than $((count + 5)) || die "writes do not succeed again"
  stop helper-gap-writer
  awk 'NR > 1 && $1 - last > gap { gap = $1 - last; from = last; to = $1 } { last = $1 }
    END { printf "%s %s %.3f\n", from, to, gap }' "$LAB/writes" |
    jq -Rc --arg kind "$1" --arg from "$2" --arg to "$3" 'split(" ") | map(tonumber)
      | {kind: $kind, from: $from, to: $to, lastWrite: .[0], firstWrite: .[1], gapSeconds: .[2]}' \
      >"$LAB/$1.json"
}
wrote_more_than() { [ "$(wc -l <"$LAB/writes")" -gt "$1" ]; }
