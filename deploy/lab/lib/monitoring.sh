# Sourced by the lab's commands: keelwatch, Prometheus, Alertmanager and the receiver of its webhook.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

keelwatch_url() { echo "http://127.0.0.1:$KEELWATCH_PORT"; }
prometheus_url() { echo "http://127.0.0.1:$PROMETHEUS_PORT"; }
alertmanager_url() { echo "http://127.0.0.1:$ALERTMANAGER_PORT"; }

# In haste what rules compare with is lower, too, where it is a matter of hours or of gigabytes.
write_keelwatch_conf() {
  render keelwatch.yaml "$LAB/keelwatch/keelwatch.yaml"
  [ "$haste" = 1 ] || cat "$lab_source/config/keelwatch-fast.yaml" >>"$LAB/keelwatch/keelwatch.yaml"
}

start_keelwatch() {
  running keelwatch && return
  mkdir -p "$LAB/keelwatch"
  write_keelwatch_conf
  start keelwatch "$programs/keelwatch" --config.file "$LAB/keelwatch/keelwatch.yaml" \
    --web.listen-address "127.0.0.1:$KEELWATCH_PORT"
  wait_ready keelwatch 30 fetch "$(keelwatch_url)/-/ready"
}

start_webhook_receiver() {
  running webhook-receiver && return
  start webhook-receiver python3 "$lab_source/lib/webhook-receiver" "$WEBHOOK_PORT" "$LAB/notifications.jsonl"
  wait_ready webhook-receiver 10 fetch "http://127.0.0.1:$WEBHOOK_PORT/"
}

start_alertmanager() {
  running alertmanager && return
  mkdir -p "$LAB/alertmanager"
  render alertmanager.yml "$LAB/alertmanager/alertmanager.yml"
  start alertmanager prometheus-alertmanager --config.file "$LAB/alertmanager/alertmanager.yml" \
    --storage.path "$LAB/alertmanager/data" --cluster.listen-address= \
    --web.listen-address "127.0.0.1:$ALERTMANAGER_PORT" --web.external-url "$(alertmanager_url)/"
  wait_ready alertmanager 20 fetch "$(alertmanager_url)/-/ready"
}

# In haste the rules are copies, every `for` divided: what they ask for is the same.
write_rules() {
  local file
  rm -rf "$LAB/prometheus/rules"
  mkdir -p "$LAB/prometheus/rules"
  for file in "$checkout"/rules/*.yaml; do
    awk -v haste="$haste" '
      match($0, /^ *for: [0-9]+[smh] *$/) {
        split($2, part, /[smh]/)
        seconds = part[1] * ($2 ~ /h$/ ? 3600 : $2 ~ /m$/ ? 60 : 1)
        sub(/for:.*/, "for: " int(seconds * 1000 / haste) "ms")
      }
      { print }' "$file" >"$LAB/prometheus/rules/${file##*/}"
  done
}

start_prometheus() {
  running prometheus && return
  mkdir -p "$LAB/prometheus"
  local folder=$checkout/rules
  if [ "$haste" != 1 ]; then
    write_rules
    folder=$LAB/prometheus/rules
  fi
  rules_folder=$folder render prometheus.yml "$LAB/prometheus/prometheus.yml"
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
