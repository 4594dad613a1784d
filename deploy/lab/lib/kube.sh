# Sourced by the lab's commands: the Kubernetes API that describes the lab, either the stand-in
# (tests/standins) or the real kube-apiserver of the peers tier with Debian's etcd.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

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
  local group plural in=${4:-$namespace} part code
  case $1 in
    Cluster) group=postgresql.cnpg.io/v1 plural=clusters ;;
    Pooler) group=postgresql.cnpg.io/v1 plural=poolers ;;
    Pod) group=v1 plural=pods ;;
    EndpointSlice) group=discovery.k8s.io/v1 plural=endpointslices ;;
    Backup) group=postgresql.cnpg.io/v1 plural=backups ;;
    ScheduledBackup) group=postgresql.cnpg.io/v1 plural=scheduledbackups ;;
    ObjectStore) group=barmancloud.cnpg.io/v1 plural=objectstores ;;
    Lease) group=coordination.k8s.io/v1 plural=leases ;;
    Deployment) group=apps/v1 plural=deployments ;;
    *) die "kube_patch: $1?" ;;
  esac
  if [ "$mode" = standin ]; then
    admin PATCH "objects?apiVersion=$group&kind=$1&namespace=$in&name=$2" "$3"
    return
  fi
  [ $group = v1 ] && group=api/v1 || group=apis/$group
  for part in '' /status; do
    # A kind with a status subresource takes nothing but status there, and no status elsewhere.
    local body
    body=$(jq -c "if \"$part\" == \"\" then del(.status) else {status} | select(.status) end" <<<"$3")
    case $body in "" | "{}") continue ;; esac
    code=$(kube_request PATCH "/$group/namespaces/$in/$plural/$2$part" "$body" application/merge-patch+json)
    [ "$code" = 200 ] || die "PATCH of $1 $2$part: $code $(<"$LAB/kube/answer")"
  done
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

# ---- the real one

kube_request() { # METHOD PATH [BODY] -> HTTP code; the answer is in $LAB/kube/answer
  curl --silent --max-time 10 --cacert "$LAB/kube/ca.crt" -o "$LAB/kube/answer" -w '%{http_code}' \
    -X "$1" "https://127.0.0.1:$API_PORT$2" -H "Authorization: Bearer $(secret kube-admin-token)" \
    -H "Content-Type: ${4:-application/json}" ${3:+--data-binary @-} <<<"${3:-}"
}

kube_ready() { [ "$(kube_request GET /readyz)" = 200 ]; }

find_kube_apiserver() {
  if [ -z "${KEELWATCH_KUBE_APISERVER:-}" ]; then
    KEELWATCH_KUBE_APISERVER=$("$checkout/tests/peers/build" kube-apiserver | tail -n 1) ||
      die "--real: tests/peers/build kube-apiserver failed"
  fi
  KEELWATCH_CRDS=${KEELWATCH_CRDS:-$checkout/../shared/crds}
  cluster_crd=$(find "$KEELWATCH_CRDS" -path '*cnpg*' -name clusters.yaml 2>/dev/null | sort -V | tail -n 1)
  [ -n "$cluster_crd" ] || die "--real: no CNPG clusters.yaml below $KEELWATCH_CRDS (KEELWATCH_CRDS)"
}

start_real_kube() {
  local fresh=0
  find_kube_apiserver
  if ! running etcd; then
    fresh=1
    start etcd etcd --data-dir "$LAB/kube/etcd" --listen-client-urls "http://127.0.0.1:$ETCD_PORT" \
      --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" --unsafe-no-fsync \
      --listen-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
      --initial-advertise-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
      --initial-cluster "default=http://127.0.0.1:$ETCD_PEER_PORT"
    wait_ready etcd 20 fetch "http://127.0.0.1:$ETCD_PORT/health"
  fi
  if ! running kube-api; then
    fresh=1
    start_apiserver
  fi
  [ $fresh = 0 ] || put_real_objects
}

start_apiserver() {
  local folder=$LAB/kube
  [ -s "$folder/service-account.key" ] ||
    openssl genrsa -out "$folder/service-account.key" 2048 2>/dev/null
  [ -s "$folder/apiserver.crt" ] || {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=lab-kube \
      -addext "subjectAltName=IP:127.0.0.1,DNS:localhost" -keyout "$folder/apiserver.key" \
      -out "$folder/apiserver.crt" 2>/dev/null
    cp "$folder/apiserver.crt" "$folder/ca.crt"
  }
  (umask 077 && printf '%s,admin,admin,"system:masters"\n%s,keelwatch,keelwatch\n' \
    "$(secret kube-admin-token)" "$(secret kube-token)" >"$folder/tokens.csv")
  start kube-api "$KEELWATCH_KUBE_APISERVER" --etcd-servers "http://127.0.0.1:$ETCD_PORT" \
    --authorization-mode RBAC --token-auth-file "$folder/tokens.csv" --bind-address 127.0.0.1 \
    --secure-port "$API_PORT" --tls-cert-file "$folder/apiserver.crt" \
    --tls-private-key-file "$folder/apiserver.key" --cert-dir "$folder" \
    --service-account-key-file "$folder/service-account.key" \
    --service-account-signing-key-file "$folder/service-account.key" \
    --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range 10.96.0.0/16 \
    --disable-admission-plugins ServiceAccount,TaintNodesByCondition
  wait_ready kube-api 60 kube_ready
}

put_real_objects() {
  local kind
  for kind in clusters poolers databases scheduledbackups backups; do
    [ ! -f "${cluster_crd%/*}/$kind.yaml" ] ||
      kube_put /apis/apiextensions.k8s.io/v1/customresourcedefinitions \
        "$(<"${cluster_crd%/*}/$kind.yaml")" application/yaml
  done
  wait_for 20 crd_established || die "the Cluster CRD was not established"
  put_list "$lab_source/config/rbac.json"
  put_list <(lab_objects)
}

# Status is dropped from a POST of a kind with a status subresource: it is written afterwards.
put_list() { # FILE
  local object path name code
  while read -r object; do
    path=$(jq -r '
      {Node: "nodes", PersistentVolume: "persistentvolumes", PersistentVolumeClaim: "persistentvolumeclaims",
       Service: "services", Cluster: "clusters", Pod: "pods", ClusterRole: "clusterroles",
       ClusterRoleBinding: "clusterrolebindings", EndpointSlice: "endpointslices", Deployment: "deployments",
       Namespace: "namespaces", Lease: "leases", Pooler: "poolers"}[.kind] as $plural
      | (if .apiVersion == "v1" then "/api/v1" else "/apis/" + .apiVersion end)
        + (if .metadata.namespace then "/namespaces/" + .metadata.namespace else "" end) + "/" + $plural' <<<"$object")
    kube_put "$path" "$object"
    if jq -e '.status' <<<"$object" >/dev/null; then
      name=$(jq -r .metadata.name <<<"$object")
      code=$(kube_request PATCH "$path/$name/status" "$(jq -c '{status}' <<<"$object")" \
        application/merge-patch+json)
      [ "$code" = 200 ] || die "status of $path/$name: $code $(<"$LAB/kube/answer")"
    fi
  done < <(jq -c '.items[]' "$1")
}

kube_put() { # COLLECTION OBJECT [TYPE]
  local code
  code=$(kube_request POST "$1" "$2" "${3:-application/json}")
  case $code in
    201 | 409) ;;
    *) die "POST $1: $code $(<"$LAB/kube/answer")" ;;
  esac
}

crd_established() {
  [ "$(kube_request GET "/apis/postgresql.cnpg.io/v1/namespaces/$namespace/clusters")" = 200 ]
}
