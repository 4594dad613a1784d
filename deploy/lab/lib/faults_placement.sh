# Sourced by faults.sh: faults that are about where things are and nothing else. That all copies are
# on one node is in faults_storage.sh, with the volumes.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

move_pod() { # POD NODE
  kube_patch Pod "$1" "$(jq -nc --arg node "$2" '{spec: {nodeName: $node}}')"
}

# A real API server never lets a Pod change its node.
may_standby_with_primary() { only_standin; }
break_standby_with_primary() { move_pod "$1" "$(node_of "$primary")"; }
mend_standby_with_primary() { move_pod "$1" "$(node_of "$1")"; }
shows_standby_with_primary() {
  say "$(cluster_series placement_standbys_with_primary) 1, elsewhere 1" \
    "KeelwatchPrimaryAndStandbyOnOneNode after an hour"
}
