# Sourced by tests/run: runs the parts of a tier, keeps going after a failure, and says at the end
# what ran, what was skipped and why. The exit code is 0 only if nothing failed.
# shellcheck shell=bash

ran=() failed=() skipped=() ctest_summaries=()
ctest_failed=0 ctest_total=0
report_started=$SECONDS

heading() { printf '\n=== %s\n' "$*"; }

# check NAME COMMAND...: a part that passes or fails as a whole.
check() {
  local name=$1 start=$SECONDS status=0
  shift
  heading "$name"
  # A subshell of its own with -e: `if "$@"` would switch -e off inside.
  set +e
  (set -e; "$@")
  status=$?
  set -e
  record "$name" "$status" $((SECONDS - start))
  return 0
}

record() { # NAME STATUS SECONDS
  ran+=("$(printf '%-44s %5ds' "$1" "$3")")
  if [ "$2" != 0 ]; then
    echo "FAILED: $1 (exit code $2)"
    failed+=("$1")
  fi
}

skip() { # NAME REASON
  echo "skipped: $1: $2"
  skipped+=("$1: $2")
}

# The counts of a ctest run, from its own summary line.
record_ctest() { # PRESET LOG
  local line counts
  line=$(grep -E '^[0-9]+% tests passed' "$2" | tail -n 1) || line=
  if [ -z "$line" ]; then
    failed+=("$1: ctest gave no summary")
    return
  fi
  ctest_summaries+=("$(printf '%-12s %s' "$1" "$line")")
  counts=$(sed -nE 's/.*, ([0-9]+) tests? failed out of ([0-9]+).*/\1 \2/p' <<<"$line")
  ctest_failed=$((ctest_failed + ${counts% *}))
  ctest_total=$((ctest_total + ${counts#* }))
}

finish_on_signal() {
  failed+=("interrupted")
  finish "$1"
}

finish() {
  local code=${1:-0} line percent
  heading "summary (${tier:-} tier, $((SECONDS - report_started)) s)"
  for line in "${ran[@]}"; do echo "ran:     $line"; done
  for line in "${skipped[@]}"; do echo "skipped: $line"; done
  for line in "${failed[@]}"; do echo "FAILED:  $line"; done
  for line in "${ctest_summaries[@]}"; do echo "ctest:   $line"; done
  if [ "$ctest_total" -gt 0 ]; then
    percent=$((100 * (ctest_total - ctest_failed) / ctest_total))
    echo "$percent% tests passed, $ctest_failed tests failed out of $ctest_total"
  fi
  if [ ${#failed[@]} -gt 0 ]; then
    echo "result: FAILED"
    [ "$code" != 0 ] || code=1
  else
    echo "result: passed"
  fi
  exit "$code"
}
