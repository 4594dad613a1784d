# Sourced by faults.sh: faults that only the objects of Kubernetes tell.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

break_operator_lease_stale() {
  stop helper-operator
  operator_replicas 0
}
mend_operator_lease_stale() {
  operator_replicas 1
  start_operator
}
shows_operator_lease_stale() {
  say 'keelwatch_operator_up{component="cloudnative-pg"} 0, 0 replicas available; the lease runs out 15 s from now' \
    "KeelwatchOperatorDown after 3 min: nobody would fail over"
}

break_cluster_phase_stuck() {
  cluster_status '{"phase": "Waiting for user action", "phaseReason": "User must issue a supervised switchover"}'
}
mend_cluster_phase_stuck() { all_well; }
shows_cluster_phase_stuck() {
  say "$(cluster_series cluster_phase_kind 'state="stuck"') 1" "KeelwatchClusterStuck after 5 min"
}

break_phase_unknown() { cluster_status '{"phase": "Polishing the elephant", "phaseReason": null}'; }
mend_phase_unknown() { all_well; }
shows_phase_unknown() {
  say "$(cluster_series cluster_phase_kind 'state="unknown"') 1: not healthy, whatever it means" \
    "KeelwatchClusterPhaseUnknown after 15 min"
}
