# Sourced by tests/run: the newcomer's machine. Makes a minimal Debian 12 with debootstrap, clones
# HEAD into it and runs the commands that README.md shows between its two-commands markers.
# shellcheck shell=bash disable=SC2154 # failed: report.sh

fresh_dir=

run_fresh() {
  if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    skip "fresh machine" "needs root and debootstrap"
    return
  fi
  [ -z "$(git status --porcelain --untracked-files=no)" ] ||
    echo "note: uncommitted changes are not in the clone, HEAD is tested"
  fresh_dir=$(mktemp -d "${TMPDIR:-/var/tmp}/keelwatch-fresh.XXXXXX")
  chmod 755 "$fresh_dir" # apt fetches as an account of its own
  trap remove_fresh EXIT
  check "debootstrap" make_fresh
  [ ${#failed[@]} = 0 ] || return 0
  local command
  while read -r command; do
    check "fresh: $command" in_fresh "$command"
    case $command in
      *deploy/lab/up*)
        check "fresh: lab status" in_fresh deploy/lab/status
        check "fresh: lab down" in_fresh deploy/lab/down
        ;;
    esac
  done < <(readme_commands)
}

# shellcheck disable=SC2016 # backticks of Markdown
readme_commands() {
  sed -n '/<!-- two-commands -->/,/<!-- \/two-commands -->/p' README.md |
    sed -n '/^```/,/^```/p' | grep -vE '^```' | sed 's/[[:space:]]*#.*//' | grep .
}

make_fresh() {
  local mirror
  mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) bookworm .*/\2/p' |
    sed -n '/\/debian\/*$/p' | sort -u | sed -n 1p)
  [ -n "$mirror" ] || { echo "no Debian mirror in this machine's apt sources"; return 1; }
  debootstrap --variant=minbase bookworm "$fresh_dir" "$mirror" >"$fresh_dir.log" 2>&1 ||
    { tail -n 30 "$fresh_dir.log"; return 1; }
  cp /etc/resolv.conf "$fresh_dir/etc/resolv.conf"
  # The machine's way to its mirror (a proxy), not its sources.
  find /etc/apt/apt.conf.d -name '*proxy*' -exec cp {} "$fresh_dir/etc/apt/apt.conf.d/" \;
  local part
  for part in proc sys dev; do
    mount --rbind "/$part" "$fresh_dir/$part"
    mount --make-rslave "$fresh_dir/$part"
  done
  git clone --quiet --no-hardlinks . "$fresh_dir/root/keelwatch"
  if [ -n "${KEELWATCH_CRDS:-}" ]; then
    mkdir -p "$fresh_dir/root/shared"
    cp -r "$KEELWATCH_CRDS" "$fresh_dir/root/shared/crds"
  fi
}

in_fresh() { # COMMAND
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 \
    chroot "$fresh_dir" /bin/bash -c "cd /root/keelwatch && $1"
}

remove_fresh() {
  local part
  [ -x "$fresh_dir/root/keelwatch/deploy/lab/down" ] && in_fresh deploy/lab/down >/dev/null 2>&1
  for part in dev sys proc; do
    if mountpoint -q "$fresh_dir/$part"; then umount -R -l "$fresh_dir/$part"; fi
  done
  # Never across a mount that could not be undone.
  if ! grep -qF " $fresh_dir/" /proc/self/mounts; then
    rm -rf --one-file-system "$fresh_dir" "$fresh_dir.log"
  fi
}
