# The one place where the real servers of the peers tier are pinned. Sourced by tests/peers/build
# and tests/peers/kube-apiserver; a new version gets a new folder in the cache.
KUBERNETES_VERSION=1.36.3
PROMETHEUS_VERSION=0.316.0 # of the Go module: 3.16.0
VERSITYGW_VERSION=1.8.0
BARMAN_VERSION=3.19.1
BOTO3_VERSION=1.44.8
PSYCOPG2_VERSION=2.9.13
KUSTOMIZE_VERSION=5.7.1
