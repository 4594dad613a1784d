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
  say "the lease of cnpg-controller-manager has expired 15 s from now: there is no failover while it lasts" \
    "0 of its replicas are available"
}

break_cluster_phase_stuck() {
  cluster_status '{"phase": "Waiting for user action", "phaseReason": "User must issue a supervised switchover"}'
}
mend_cluster_phase_stuck() { all_well; }
shows_cluster_phase_stuck() {
  say "the phase of the Cluster is \"Waiting for user action\", of the kind that needs somebody"
}

break_phase_unknown() { cluster_status '{"phase": "Polishing the elephant", "phaseReason": null}'; }
mend_phase_unknown() { all_well; }
shows_phase_unknown() {
  say "the phase of the Cluster is of no known kind: not healthy, whatever it means"
}
