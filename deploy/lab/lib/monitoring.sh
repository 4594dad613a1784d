# Sourced by the lab's commands: keelwatch, which tells an Alertmanager of its alerts; a Prometheus
# beside it, which evaluates the same rules on the same page and tells another one; and the receiver
# of both webhooks.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

keelwatch_url() { echo "http://127.0.0.1:$KEELWATCH_PORT"; }
prometheus_url() { echo "http://127.0.0.1:$PROMETHEUS_PORT"; }
alertmanager_url() { echo "http://127.0.0.1:$ALERTMANAGER_PORT"; }
alertmanager_b_url() { echo "http://127.0.0.1:$ALERTMANAGER_B_PORT"; } # that Prometheus tells

# In haste what rules compare with is lower, too, where it is a matter of hours or of gigabytes.
write_keelwatch_conf() {
  render keelwatch.yaml "$LAB/keelwatch/keelwatch.yaml"
  [ "$haste" != 1 ] || return 0
  cat "$lab_source/config/keelwatch-fast.yaml" >>"$LAB/keelwatch/keelwatch.yaml"
  printf 'rules:\n  files: ["%s/*.yaml"]\n' "$(rules_folder)" >>"$LAB/keelwatch/keelwatch.yaml"
}

start_keelwatch() {
  running keelwatch && return
  mkdir -p "$LAB/keelwatch"
  [ -d "$(rules_folder)" ] || write_rules
  write_keelwatch_conf
  start keelwatch "$programs/keelwatch" --config.file "$LAB/keelwatch/keelwatch.yaml" \
    --web.listen-address "127.0.0.1:$KEELWATCH_PORT"
  wait_ready keelwatch 30 fetch "$(keelwatch_url)/-/ready"
}

start_webhook_receiver() {
  running webhook-receiver && return
  start webhook-receiver python3 "$lab_source/lib/webhook-receiver" "$WEBHOOK_PORT" "$LAB"
  wait_ready webhook-receiver 10 fetch "http://127.0.0.1:$WEBHOOK_PORT/"
}

start_alertmanager() { # NAME PORT PATH
  running "$1" && return
  mkdir -p "$LAB/$1"
  webhook_path=$3 render alertmanager.yml "$LAB/$1/alertmanager.yml"
  start "$1" prometheus-alertmanager --config.file "$LAB/$1/alertmanager.yml" \
    --storage.path "$LAB/$1/data" --cluster.listen-address= \
    --web.listen-address "127.0.0.1:$2" --web.external-url "http://127.0.0.1:$2/"
  wait_ready "$1" 20 fetch "http://127.0.0.1:$2/-/ready"
}
start_alertmanagers() {
  start_alertmanager alertmanager "$ALERTMANAGER_PORT" notifications
  start_alertmanager alertmanager-b "$ALERTMANAGER_B_PORT" notifications-b
}

# In haste the rules are copies, every `for` divided: what they ask for is the same.
rules_folder() { if [ "$haste" = 1 ]; then echo "$checkout/rules"; else echo "$LAB/rules"; fi; }
write_rules() {
  local file
  [ "$haste" != 1 ] || return 0
  rm -rf "$LAB/rules"
  mkdir -p "$LAB/rules"
  for file in "$checkout"/rules/*.yaml; do
    awk -v haste="$haste" '
      match($0, /^ *for: [0-9]+[smh] *$/) {
        split($2, part, /[smh]/)
        seconds = part[1] * ($2 ~ /h$/ ? 3600 : $2 ~ /m$/ ? 60 : 1)
        sub(/for:.*/, "for: " int(seconds * 1000 / haste) "ms")
      }
      { print }' "$file" >"$LAB/rules/${file##*/}"
  done
}

start_prometheus() {
  running prometheus && return
  mkdir -p "$LAB/prometheus"
  rules_folder=$(rules_folder) render prometheus.yml "$LAB/prometheus/prometheus.yml"
  start prometheus prometheus --config.file "$LAB/prometheus/prometheus.yml" \
    --storage.tsdb.path "$LAB/prometheus/data" --storage.tsdb.retention.size 512MB \
    --web.listen-address "127.0.0.1:$PROMETHEUS_PORT" --web.external-url "$(prometheus_url)/"
  wait_ready prometheus 30 fetch "$(prometheus_url)/-/ready"
}

# query PROMQL -> one value per line
query() {
  fetch --get "$(prometheus_url)/api/v1/query" --data-urlencode "query=$1" |
    jq -r '.data.result[].value[1]'
}

prometheus_shows_both_standbys() {
  [ "$(query "count(keelwatch_replication_lag_bytes{stage=\"replay\",namespace=\"$namespace\",cluster=\"$cluster\"})")" \
    = "${#standbys[@]}" ]
}
