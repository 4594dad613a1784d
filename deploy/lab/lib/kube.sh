# Sourced by the lab's commands: the Kubernetes API that describes the lab, either the stand-in
# (tests/standins) or the real kube-apiserver of the peers tier (kube_real.sh).
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

. "$lab_source/lib/kube_real.sh"

# [{name, address, role, node}] of the instances.
lab_pods() {
  local pod list='[]' role number=0
  for pod in "${pods[@]}"; do
    number=$((number + 1))
    role=replica
    [ "$pod" = "$primary" ] && role=primary
    list=$(jq -c --arg name "$pod" --arg address "$(address_of "$pod")" --arg role "$role" \
      --arg node "n$number" '. + [{name: $name, address: $address, role: $role, node: $node}]' <<<"$list")
  done
  echo "$list"
}

lab_objects() {
  jq -n --argjson pods "$(lab_pods)" --arg cluster "$cluster" --arg namespace "$namespace" \
    --argjson port "$PG_PORT" --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    --argjson timeline "$(timeline_of_primary)" --arg expires "$(expiry_of "$primary")" \
    --argjson poolers "$(lab_poolers)" --argjson real "$([ "$mode" = real ] && echo true || echo false)" -f "$lab_source/config/objects.jq"
}

lab_poolers() {
  local kind
  for kind in rw ro; do
    jq -nc --arg type "$kind" --arg address "$(pooler_address_of "$kind")" --argjson port "$POOLER_PORT" \
      '{name: "pooler-\($type)", type: $type, address: $address, port: $port, node: "n1"}'
  done | jq -sc .
}

timeline_of_primary() {
  sql "$primary" "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int" 2>/dev/null || echo 1
}

# As the operator writes it into the status: Go's time text.
expiry_of() { # POD
  date -u -d "$(openssl x509 -noout -enddate -in "$LAB/tls/$1.crt" | cut -d= -f2)" '+%Y-%m-%d %H:%M:%S +0000 UTC'
}

# kube_patch KIND NAME PATCH [NAMESPACE]: a JSON merge patch of an object, status included.
kube_patch() {
  local group
  case $1 in
    Cluster | Pooler | Backup | ScheduledBackup) group=postgresql.cnpg.io/v1 ;;
    Pod) group=v1 ;;
    EndpointSlice) group=discovery.k8s.io/v1 ;;
    ObjectStore) group=barmancloud.cnpg.io/v1 ;;
    Lease) group=coordination.k8s.io/v1 ;;
    Deployment) group=apps/v1 ;;
    *) die "kube_patch: $1?" ;;
  esac
  patch_object "$group" "$1" "$2" "$3" "${4:-$namespace}"
}

patch_object() { # GROUP/VERSION KIND NAME PATCH [NAMESPACE]
  if [ "$mode" = standin ]; then
    admin PATCH "objects?apiVersion=$1&kind=$2&name=$3${5:+&namespace=$5}" "$4"
  else
    patch_real_object "$@"
  fi
}

# put_objects JSON: one object or a List, each with its status, new or in the place of the old one.
put_objects() {
  if [ "$mode" = standin ]; then admin PUT objects "$1"; else put_list <(echo "$1") replace; fi
}

delete_object() { # GROUP/VERSION KIND NAME [NAMESPACE]
  if [ "$mode" = standin ]; then
    admin DELETE "objects?apiVersion=$1&kind=$2&name=$3${4:+&namespace=$4}"
  else
    delete_real_object "$@"
  fi
}

# ---- the operator

renew_lease() {
  kube_patch Lease db9c8771.cnpg.io "{\"spec\": {\"renewTime\": \"$(now_micro)\"}}" cnpg-system
}

start_operator() {
  running helper-operator && return
  start helper-operator "$lab_source/lib/operator"
}

# operator_replicas N: what the Deployment's controller counts.
operator_replicas() {
  kube_patch Deployment cnpg-controller-manager "$(jq -nc --argjson n "$1" --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" '
    {status: {readyReplicas: $n, availableReplicas: $n, unavailableReplicas: (if $n == 0 then 1 else null end),
              conditions: [{type: "Available", lastTransitionTime: $now, lastUpdateTime: $now}
                + (if $n > 0 then {status: "True", reason: "MinimumReplicasAvailable",
                                   message: "Deployment has minimum availability."}
                   else {status: "False", reason: "MinimumReplicasUnavailable",
                         message: "Deployment does not have minimum availability."} end)]}}')" cnpg-system
}

# One per node, that is, per instance.
start_kubelets() {
  local pod arguments=()
  running kubelets && return
  for pod in "${pods[@]}"; do
    arguments+=(${arguments[0]+--} "$(address_of "$pod")" "$namespace" "$pod=$(data_of "$pod")"
      "$pod-wal=$(wal_volume_of "$pod")")
  done
  start kubelets python3 "$lab_source/lib/kubelet" "$KUBELET_PORT" "$LAB/tls/kubelet.crt" \
    "$LAB/tls/kubelet.key" "$LAB/secrets/kube-token" "${arguments[@]}"
  wait_ready kubelets 10 kubelets_answer
}
kubelets_answer() {
  local pod
  for pod in "${pods[@]}"; do
    fetch --cacert "$LAB/tls/ca.crt" -H "Authorization: Bearer $(secret kube-token)" \
      "https://$(address_of "$pod"):$KUBELET_PORT/metrics" || return 1
  done
}

write_kubeconfig() {
  kube_token=$(secret kube-token) render kubeconfig.yaml "$LAB/kube/kubeconfig"
  chmod 600 "$LAB/kube/kubeconfig"
}

start_kube() {
  mkdir -p "$LAB/kube"
  write_kubeconfig
  if [ "$mode" = real ]; then start_real_kube; else start_standin_kube; fi
}

start_standin_kube() {
  running kube-api && return
  lab_objects >"$LAB/kube/objects.json"
  start kube-api "$programs/tests/standin-kube-api" --port "$API_PORT" \
    --admin-port "$API_ADMIN_PORT" --token "$(secret kube-token)" --ca-out "$LAB/kube/ca.crt" \
    --bookmark-seconds 5 --install postgresql.cnpg.io --install barmancloud.cnpg.io --install longhorn.io --load "$LAB/kube/objects.json"
  wait_ready kube-api 20 fetch "http://127.0.0.1:$API_ADMIN_PORT/_admin/watches"
}

# admin METHOD PATH [BODY]: the door of the stand-in.
admin() {
  fetch -X "$1" "http://127.0.0.1:$API_ADMIN_PORT/_admin/$2" ${3:+--data-binary "$3"} >/dev/null
}
