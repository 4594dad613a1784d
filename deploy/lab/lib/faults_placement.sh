# Sourced by faults.sh: faults that are about where things are and nothing else. That all copies are
# on one node is in faults_storage.sh, with the volumes.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

move_pod() { # POD NODE: its volumes are attached there, too
  local claim
  for claim in "$1" "$1-wal"; do
    longhorn PATCH Volume "$(volume_of "$claim")" "{\"spec\": {\"nodeID\": \"$2\"}, \"status\": {\"currentNodeID\": \"$2\"}}"
    longhorn PATCH Engine "$(volume_of "$claim")-e-0" "{\"spec\": {\"nodeID\": \"$2\"}}"
    longhorn PATCH VolumeAttachment "$(volume_of "$claim")" "{\"spec\": {\"attachmentTickets\": {\"csi-$claim\": {\"nodeID\": \"$2\"}}}}"
  done
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
