# Sourced by tests/run: the tests that run against real servers as well as against stand-ins.
# tests/peers/build and each tests/peers/build_* make one kind of server, kept in a cache folder
# outside the checkout; exit code 3 means that a tool it needs is not here.
# shellcheck shell=bash

run_peers() {
  local tool missing=()
  for tool in go npm; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  if [ ${#missing[@]} = 2 ]; then
    skip "peers tier" "${missing[*]} not found"
    return
  fi
  check "packages" deploy/packages/install build lab test
  check "build release (GCC)" build release
  build_peer kube-apiserver tests/peers/build kube-apiserver
  build_peer versitygw tests/peers/build versitygw
  local builder
  for builder in tests/peers/build_*; do
    [ -x "$builder" ] && build_peer "${builder#tests/peers/build_}" "$builder"
  done

  local folders
  folders=$(grep -rl KEELWATCH_PEERS tests --include='*_test.cc' | cut -d/ -f2 | sort -u | paste -sd'|')
  if [ -n "$folders" ]; then
    export KEELWATCH_PEERS=1
    run_test_programs release --only "$folders" "tests with real servers"
  else
    skip "test programs with real servers" "none mentions KEELWATCH_PEERS"
  fi
  check "rules in Prometheus 3" check_rules_prometheus_3
  run_part "deploy in a real kube-apiserver" tests/peers/deploy build/release/keelwatch
  # The faults that the API server has a part in; the others are those of the default tier.
  check "lab end to end, real kube-apiserver" timeout --kill-after=60 1500 tests/e2e/lab_test --real --idle 0 \
    backup-overdue archiver-noop standby-cut failover operator-lease-stale cluster-phase-stuck phase-unknown \
    volume-degraded volume-rebuilding volume-rebuild-stuck storage-node-gone disk-full attach-stuck copies-concentrated \
    replica-unscheduled engine-outdated volume-rebuild-loop api-hang api-stop api-403
  run_restores_with_peers
}

run_restores_with_peers() {
  local name="restores: barman 3.19, PostgreSQL 18, versitygw" s3 barman postgres
  if s3=$(tests/peers/build versitygw) && barman=$(tests/peers/build_barman) &&
    postgres=$(tests/peers/build_postgres 18); then
    check "$name" env KEELWATCH_S3_SERVER="$s3" timeout --kill-after=60 900 \
      tests/e2e/restore_test --cases 6 --barman "$barman" --postgres "$postgres"
  else
    skip "$name" "not all of them are here"
  fi
}

build_peer() { # NAME COMMAND...
  local name=$1 status=0 start=$SECONDS
  shift
  heading "build peer $name"
  "$@" || status=$?
  if [ "$status" = 3 ]; then
    skip "peer $name" "a tool that builds it is missing"
  else
    record "peer $name" "$status" $((SECONDS - start))
  fi
}

check_rules_prometheus_3() {
  local promtool
  promtool=$(tests/peers/build_prometheus | tail -n 1 | sed 's/prometheus$/promtool/')
  "$promtool" --version | head -n 1
  "$promtool" check rules rules/*.yaml
  "$promtool" test rules tests/rules/*.yaml
}
