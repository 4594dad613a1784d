# Sourced by the lab's commands: the WAL of each instance on a small filesystem of its own, as
# CloudNativePG's walStorage gives it. Where nobody may mount, it is a plain folder, and the fault
# that fills it says that it cannot.
# shellcheck shell=bash disable=SC2154 # from lab.sh

wal_volume_mib=384
# Kept free for the day it is full: a server that cannot write WAL cannot even drop a slot.
wal_reserve_mib=52

wal_volume_of() { echo "$LAB/wal/$1"; } # POD
wal_of() { echo "$(wal_volume_of "$1")/pg_wal"; }
wal_is_a_volume() { mountpoint -q "$(wal_volume_of "$1")"; }

make_wal_volumes() {
  local pod folder image
  for pod in "${pods[@]}"; do
    folder=$(wal_volume_of "$pod")
    image=$folder.img
    mkdir -p "$folder"
    wal_is_a_volume "$pod" && continue
    if [ "$(id -u)" = 0 ] && { [ -s "$image" ] || [ ! -e "$(wal_of "$pod")" ]; }; then
      mount_wal_volume "$folder" "$image" || say "no mount of $folder (see $LAB/log/mount.log): its WAL is in a plain folder"
    fi
    mkdir -p "$(wal_of "$pod")"
    chmod 700 "$(wal_of "$pod")"
    give_to_postgres "$(wal_of "$pod")"
    make_wal_reserve "$pod"
  done
}

mount_wal_volume() { # FOLDER IMAGE
  local fresh=0
  if [ ! -s "$2" ]; then
    fresh=1
    truncate -s "${wal_volume_mib}M" "$2"
    mkfs.ext4 -q -F -m 0 "$2" || return 1
  fi
  mount -o loop "$2" "$1" 2>>"$LAB/log/mount.log" && return
  [ $fresh = 1 ] || die "$1 was a volume and cannot be mounted again; see $LAB/log/mount.log"
  rm -f "$2"
  return 1
}

make_wal_reserve() { # POD
  ! wal_is_a_volume "$1" || [ -e "$(wal_volume_of "$1")/reserve" ] ||
    fallocate -l "${wal_reserve_mib}M" "$(wal_volume_of "$1")/reserve"
}

empty_wal_of() { find "$(wal_of "$1")" -mindepth 1 -delete; } # POD

unmount_wal_volumes() {
  local pod
  for pod in "${pods[@]}"; do
    ! wal_is_a_volume "$pod" || wait_for 10 umount "$(wal_volume_of "$pod")" ||
      die "$(wal_volume_of "$pod") is in use and stays mounted"
  done
}
