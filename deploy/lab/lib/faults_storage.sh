# Sourced by faults.sh: Longhorn under the lab, which exists in its objects only, and its faults.
# The volume is that of the Pod's data.
# shellcheck shell=bash disable=SC2016,SC2153,SC2154 # from lab.sh and $LAB/ports

longhorn_objects() {
  jq -n --argjson pods "$(lab_pods)" --arg cluster "$cluster" --arg namespace "$namespace" \
    --arg now "$(date -u -d '-1 hour' +%Y-%m-%dT%H:%M:%SZ)" --arg version "$longhorn_version" \
    -f "$lab_source/config/longhorn_objects.jq"
}

# Also undoes what a fault has changed, but not what it has added.
put_longhorn_objects() { put_objects "$(longhorn_objects)"; }

longhorn() { # PATCH|DELETE KIND NAME [PATCH]
  if [ "$1" = DELETE ]; then
    delete_object longhorn.io/v1beta2 "$2" "$3" longhorn-system
  else
    patch_object longhorn.io/v1beta2 "$2" "$3" "$4" longhorn-system
  fi
}

now_second() { date -u +%Y-%m-%dT%H:%M:%SZ; }
volume_of() { echo "pv-$1"; }                        # POD
node_of() { echo "n${1##*-}"; }                      # POD: pg-2 is on n2
far_copy_of() {                                      # POD: the copy that is not where it is
  local nodes=(x n2 n3 n1)
  echo "$(volume_of "$1")-r-${nodes[${1##*-}]}"
}

verdict_shows() { # POD VERDICT
  echo "keelwatch_volume_verdict{namespace=\"$namespace\",cluster=\"$cluster\",pod=\"$1\",role=\"PG_DATA\",persistentvolumeclaim=\"$1\",volume=\"$(volume_of "$1")\",verdict=\"$2\"} 1"
}

mode_of_far_copy() { # POD RW|WO|ERR [REBUILD-STATUS]
  longhorn PATCH Engine "$(volume_of "$1")-e-0" "{\"status\": {\"replicaModeMap\": {\"$(far_copy_of "$1")\": \"$2\"},
    \"currentReplicaAddressMap\": {\"$(far_copy_of "$1")\": \"10.42.0.7:10020\"},
    \"rebuildStatus\": {\"tcp://10.42.0.7:10020\": ${3:-null}}}}"
}
rebuild_status() { # PER-CENT
  echo "{\"isRebuilding\": true, \"progress\": $1, \"state\": \"in_progress\", \"error\": \"\"}"
}
call_degraded() { # POD
  longhorn PATCH Volume "$(volume_of "$1")" \
    "{\"status\": {\"robustness\": \"degraded\", \"lastDegradedAt\": \"$(now_second)\"}}"
}

break_volume_degraded() {
  longhorn PATCH Replica "$(far_copy_of "$1")" \
    "{\"spec\": {\"failedAt\": \"$(now_second)\", \"lastFailedAt\": \"$(now_second)\"}, \"status\": {\"currentState\": \"error\"}}"
  mode_of_far_copy "$1" ERR
  call_degraded "$1"
}
mend_volume_degraded() { put_longhorn_objects; }
shows_volume_degraded() {
  say "$(verdict_shows "$1" degraded)" "keelwatch_volume_replicas_healthy{...} 1 of 2" \
    "KeelwatchVolumeDegraded after 30 min"
}

begin_rebuild() { # POD PER-CENT
  longhorn PATCH Replica "$(far_copy_of "$1")" '{"spec": {"healthyAt": ""}}'
  mode_of_far_copy "$1" WO "$(rebuild_status "$2")"
  call_degraded "$1"
}

break_volume_rebuilding() {
  begin_rebuild "$1" 3
  start helper-rebuild "$lab_source/lib/rebuild" "$1"
}
mend_volume_rebuilding() {
  stop helper-rebuild
  put_longhorn_objects
}
shows_volume_rebuilding() {
  say "$(verdict_shows "$1" rebuilding)" "keelwatch_volume_rebuild_progress_ratio{...} growing" \
    "no alert: a copy is being made"
}

break_volume_rebuild_stuck() { begin_rebuild "$1" 42; }
mend_volume_rebuild_stuck() { put_longhorn_objects; }
shows_volume_rebuild_stuck() {
  say "$(verdict_shows "$1" rebuilding)" "keelwatch_volume_rebuild_progress_ratio{...} 0.42 for ever" \
    "KeelwatchVolumeRebuildStalled after 15 min"
}

break_volume_rebuild_loop() {
  call_degraded "$1"
  for _ in 1 2 3; do
    mode_of_far_copy "$1" ERR
    sleep 1
    begin_rebuild "$1" 2
    sleep 1
  done
}
mend_volume_rebuild_loop() { put_longhorn_objects; }
shows_volume_rebuild_loop() {
  say "$(verdict_shows "$1" rebuild_loop)" "keelwatch_volume_rebuild_starts{...} 3" "KeelwatchVolumeRebuildLoop"
}

break_storage_node_gone() {
  local node since
  node=$(node_of "$1")
  since=$(now_second)
  patch_object v1 Node "$node" "{\"status\": {\"conditions\": [
    {\"type\": \"Ready\", \"status\": \"Unknown\", \"reason\": \"NodeStatusUnknown\", \"lastTransitionTime\": \"$since\"}]}}"
  longhorn PATCH Node "$node" "{\"status\": {\"conditions\": [
    {\"type\": \"Ready\", \"status\": \"False\", \"reason\": \"KubernetesNodeNotReady\", \"lastTransitionTime\": \"$since\"}]}}"
  longhorn PATCH Volume "$(volume_of "$1")" '{"status": {"robustness": "unknown"}}'
  longhorn PATCH Engine "$(volume_of "$1")-e-0" '{"status": {"currentState": "unknown"}}'
}
mend_storage_node_gone() {
  patch_object v1 Node "$(node_of "$1")" "{\"status\": {\"conditions\": [
    {\"type\": \"Ready\", \"status\": \"True\", \"reason\": \"KubeletReady\", \"lastTransitionTime\": \"$(now_second)\"}]}}"
  put_longhorn_objects
}
shows_storage_node_gone() {
  say "$(verdict_shows "$1" engine_node_lost)" "keelwatch_storage_node_ready{node=\"$(node_of "$1")\"} 0" \
    "volumes with their other copy there are degraded; keelwatch_volume_node_down{...} 1 of each of them" \
    "KeelwatchStorageNodeDown after 30 min, once"
}

break_disk_full() {
  longhorn PATCH Node "$(node_of "$1")" "{\"status\": {\"diskStatus\": {\"default-disk\": {\"storageAvailable\": 1073741824,
    \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"},
      {\"type\": \"Schedulable\", \"status\": \"False\", \"reason\": \"DiskPressure\", \"lastTransitionTime\": \"$(now_second)\"}]}}}}"
}
mend_disk_full() { put_longhorn_objects; }
shows_disk_full() {
  say "keelwatch_disk_schedulable{node=\"$(node_of "$1")\",disk=\"default-disk\"} 0, 1 GiB available" \
    "KeelwatchDiskUnschedulable after 30 min"
}

# As it was seen: the nodes are ready, the Pods wait, and Longhorn says "attaching" for hours.
break_attach_stuck() {
  longhorn PATCH VolumeAttachment "$(volume_of "$1")" "{\"status\": {\"attachmentTicketStatuses\": {\"csi-$1\": {\"satisfied\": false,
    \"conditions\": [{\"type\": \"Satisfied\", \"status\": \"False\", \"reason\": \"AttachedNodeNotReady\", \"lastTransitionTime\": \"$(now_second)\"}]}}}}"
  longhorn PATCH Volume "$(volume_of "$1")" '{"status": {"state": "attaching", "robustness": "unknown", "currentNodeID": ""}}'
  longhorn PATCH Engine "$(volume_of "$1")-e-0" '{"status": {"currentState": "starting", "replicaModeMap": null}}'
}
mend_attach_stuck() { put_longhorn_objects; }
shows_attach_stuck() {
  say "$(verdict_shows "$1" attaching)" "KeelwatchVolumeAttachStuck after 10 min"
}

# The Pod was moved, and nobody lets go of the volume: Longhorn calls it healthy.
may_attach_elsewhere() { only_standin; }
break_attach_elsewhere() {
  admin PATCH "objects?apiVersion=v1&kind=Pod&namespace=$namespace&name=$1" \
    "{\"spec\": {\"nodeName\": \"$(node_of "$primary")\"}, \"status\": {\"phase\": \"Pending\"}}"
}
mend_attach_elsewhere() {
  admin PATCH "objects?apiVersion=v1&kind=Pod&namespace=$namespace&name=$1" \
    "{\"spec\": {\"nodeName\": \"$(node_of "$1")\"}, \"status\": {\"phase\": \"Running\"}}"
}
shows_attach_elsewhere() {
  say "$(verdict_shows "$1" attaching), though Longhorn calls the volume healthy" "KeelwatchVolumeAttachStuck after 10 min"
}

break_copies_concentrated() {
  local node
  node=$(node_of "$primary")
  for pod in "${pods[@]}"; do
    longhorn PATCH Replica "$(volume_of "$pod")-r-$(node_of "$pod")" "{\"spec\": {\"nodeID\": \"$node\", \"diskID\": \"disk-$node\"}}"
    longhorn PATCH Replica "$(far_copy_of "$pod")" "{\"spec\": {\"nodeID\": \"$node\", \"diskID\": \"disk-$node\"}}"
  done
}
mend_copies_concentrated() { put_longhorn_objects; }
shows_copies_concentrated() {
  say "both copies of the data of every instance are on $(node_of "$primary"): each volume is well, and one node is all" \
    "keelwatch_volume_local_copy{...} 0 for the instances elsewhere" \
    "$(cluster_series placement_tolerated_node_losses 'for="data",domain="node"') 0, and keelwatch_placement_smallest_loss names it" \
    "KeelwatchOneNodeHoldsAllData after 30 min"
}

break_replica_unscheduled() {
  local volume
  volume=$(volume_of "$1")
  put_objects "$(longhorn_objects | jq -c --arg name "$(far_copy_of "$1")" --arg new "$volume-r-none" '
    .items[] | select(.kind == "Replica" and .metadata.name == $name)
    | .metadata.name = $new | .spec.nodeID = "" | .spec.diskID = "" | .spec.healthyAt = "" | .status.currentState = "stopped"')"
  longhorn PATCH Volume "$volume" "{\"spec\": {\"numberOfReplicas\": 3}, \"status\": {\"conditions\": [
    {\"type\": \"Scheduled\", \"status\": \"False\", \"reason\": \"ReplicaSchedulingFailure\", \"message\": \"insufficient storage\",
     \"lastTransitionTime\": \"$(now_second)\"}]}}"
}
mend_replica_unscheduled() {
  longhorn DELETE Replica "$(volume_of "$1")-r-none"
  put_longhorn_objects
}
shows_replica_unscheduled() {
  say "$(verdict_shows "$1" replica_unscheduled), though Longhorn calls the volume healthy" \
    "KeelwatchVolumeReplicaUnscheduled after 30 min"
}

break_engine_outdated() {
  longhorn PATCH Engine "$(volume_of "$1")-e-0" '{"status": {"currentImage": "longhornio/longhorn-engine:v1.9.0"}}'
  longhorn PATCH Volume "$(volume_of "$1")" \
    '{"spec": {"image": "longhornio/longhorn-engine:v1.9.0"}, "status": {"currentImage": "longhornio/longhorn-engine:v1.9.0"}}'
}
mend_engine_outdated() { put_longhorn_objects; }
shows_engine_outdated() {
  say "keelwatch_volume_engine_outdated{...,volume=\"$(volume_of "$1")\"} 1" "KeelwatchVolumeEngineOutdated after a day"
}
