# Sourced by kube.sh: the real kube-apiserver of the peers tier with Debian's etcd. A field that the
# definition of its kind does not have is refused, so that the lab's objects are what operators write.
# shellcheck shell=bash disable=SC2153,SC2154 # from lab.sh and $LAB/ports

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
  store_crd=$(find "$KEELWATCH_CRDS" -path '*barman*' -name objectstores.yaml 2>/dev/null | sort -V | tail -n 1)
  [ -n "$store_crd" ] || die "--real: no objectstores.yaml of the Barman Cloud plugin below $KEELWATCH_CRDS (KEELWATCH_CRDS)"
  longhorn_crds=$KEELWATCH_CRDS/longhorn-v$longhorn_version/crds.yaml
  [ -f "$longhorn_crds" ] || die "--real: no $longhorn_crds (KEELWATCH_CRDS)"
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
  local kind definitions=$LAB/kube/definitions
  for kind in clusters poolers databases scheduledbackups backups; do
    [ ! -f "${cluster_crd%/*}/$kind.yaml" ] || put_definition "${cluster_crd%/*}/$kind.yaml"
  done
  put_definition "$store_crd"
  mkdir -p "$definitions"
  csplit --quiet --elide-empty-files --prefix "$definitions/longhorn-" "$longhorn_crds" '/^---/' '{*}'
  for kind in "$definitions"/longhorn-*; do
    ! grep -q '^kind: CustomResourceDefinition' "$kind" || put_definition "$kind"
  done
  wait_for 20 is_served postgresql.cnpg.io/v1 clusters || die "the Cluster CRD was not established"
  wait_for 20 is_served barmancloud.cnpg.io/v1 objectstores || die "the ObjectStore CRD was not established"
  for kind in volumes engines replicas nodes instancemanagers volumeattachments settings backuptargets engineimages; do
    wait_for 20 is_served longhorn.io/v1beta2 "$kind" || die "Longhorn's CRD of $kind was not established"
  done
  put_list "$lab_source/config/rbac.json"
  put_list <(lab_objects)
}

put_definition() { # FILE
  kube_put /apis/apiextensions.k8s.io/v1/customresourcedefinitions "$(<"$1")" application/yaml
}

is_served() { [ "$(kube_request GET "/apis/$1/$2?limit=1")" = 200 ]; } # GROUP/VERSION PLURAL

# The path of the collection of a kind. All plurals here are regular.
collection_of() { # GROUP/VERSION KIND [NAMESPACE]
  local plural=${2,,}s path=/apis/$1
  [[ $2 != *s ]] || plural=${2,,}es
  [ "$1" != v1 ] || path=/api/v1
  echo "$path${3:+/namespaces/$3}/$plural"
}

# put_list FILE [replace]: one object or a List. Status is dropped from a POST of a kind with a
# status subresource: it is written afterwards. An object that is there keeps the rest of it, or gets
# what is stated in the place of what it has.
put_list() {
  local group kind name space object parts status path code
  while IFS=$'\t' read -r group kind name space && read -r object && read -r parts && read -r status; do
    path=$(collection_of "$group" "$kind" "$space")
    code=$(kube_request POST "$path?fieldValidation=Strict" "$object")
    case $code in
      201) ;;
      409) [ "${2:-}" != replace ] || replace_parts "$path/$name" "$parts" ;;
      *) die "POST $path: $code $(<"$LAB/kube/answer")" ;;
    esac
    replace_parts "$path/$name/status" "$status"
  done < <(jq -r '
    def replaced: to_entries | map({op: "add", path: ("/" + .key), value}) | tojson;
    .items[]? // . | ([.apiVersion, .kind, .metadata.name, .metadata.namespace // ""] | @tsv), tojson,
      (del(.apiVersion, .kind, .metadata, .status) | replaced),
      (with_entries(select(.key == "status")) | replaced)' "$1")
}

replace_parts() { # PATH JSON-PATCH
  local code
  [ "$2" != '[]' ] || return 0
  code=$(kube_request PATCH "$1?fieldValidation=Strict" "$2" application/json-patch+json)
  [ "$code" = 200 ] || die "PATCH $1: $code $(<"$LAB/kube/answer")"
}

patch_real_object() { # GROUP/VERSION KIND NAME PATCH [NAMESPACE]
  local path part body code
  path=$(collection_of "$1" "$2" "${5:-}")/$3
  for part in '' /status; do
    # A kind with a status subresource takes nothing but status there, and no status elsewhere.
    body=$(jq -c "if \"$part\" == \"\" then del(.status) else {status} | select(.status) end" <<<"$4")
    case $body in "" | "{}") continue ;; esac
    code=$(kube_request PATCH "$path$part?fieldValidation=Strict" "$body" application/merge-patch+json)
    [ "$code" = 200 ] || die "PATCH $path$part: $code $(<"$LAB/kube/answer")"
  done
}

delete_real_object() { # GROUP/VERSION KIND NAME [NAMESPACE]
  local path code
  path=$(collection_of "$1" "$2" "${4:-}")/$3
  code=$(kube_request DELETE "$path")
  case $code in
    200 | 202 | 404) ;;
    *) die "DELETE $path: $code $(<"$LAB/kube/answer")" ;;
  esac
}

kube_put() { # COLLECTION OBJECT [TYPE]
  local code
  code=$(kube_request POST "$1" "$2" "${3:-application/json}")
  case $code in
    201 | 409) ;;
    *) die "POST $1: $code $(<"$LAB/kube/answer")" ;;
  esac
}
