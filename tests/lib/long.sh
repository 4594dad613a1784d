# Sourced by tests/run: the long tier. A suite is `fuzz` or the NAME of a [long:NAME] tag in the
# tests, or lab: every fault of the lab, lab-blind: the same with every source silent in turn while
# the alert fires (hours), lab-idle: ten minutes of an idle primary that nothing may
# alarm, restore: every damage in every history of tests/e2e/restore_test, tsan: what starts
# threads. tests/long.txt keeps, per suite, the revision that last passed and its figures: a suite
# that passes rewrites its line, to be committed.
# shellcheck shell=bash disable=SC2154 # failed: report.sh

long_file=tests/long.txt

long_suites() {
  echo fuzz
  echo lab
  echo lab-blind
  echo lab-idle
  echo restore
  echo tsan
  grep -rhoE '\[long:[a-z0-9-]+\]' tests --include='*_test.cc' | sed 's/\[long:\(.*\)\]/\1/' | sort -u
}

run_long() { # [SUITE]
  local suite
  if [ -n "$1" ] && ! long_suites | grep -qxF "$1"; then
    echo "tests/run: no suite \"$1\"; there are: $(long_suites | paste -sd' ')" >&2
    exit 2
  fi
  check "packages" deploy/packages/install build lab test
  export KEELWATCH_LONG=1
  for suite in ${1:-$(long_suites)}; do
    run_long_suite "$suite"
  done
}

run_long_suite() { # SUITE
  local suite=$1 start=$SECONDS failures=${#failed[@]} figures
  figures=$(mktemp)
  export KEELWATCH_FIGURES=$figures # tests append one line of figures each
  if [ "$suite" = fuzz ]; then
    check "build fuzz (clang)" build fuzz
    check "long fuzz" run_fuzz_targets
  elif [ "$suite" = lab ]; then
    check "build release (GCC)" build release
    check "long lab" env KEELWATCH_PROGRAMS="$PWD/build/release" timeout --kill-after=60 3600 tests/e2e/lab_test
  elif [ "$suite" = lab-blind ]; then
    check "build release (GCC)" build release
    check "long lab-blind" env KEELWATCH_PROGRAMS="$PWD/build/release" timeout --kill-after=60 14400 tests/e2e/lab_test --blind --idle 0
  elif [ "$suite" = tsan ]; then
    run_tsan
  elif [ "$suite" = lab-idle ]; then
    check "long lab-idle" tests/e2e/lab_test --idle 600 standby-cut
  elif [ "$suite" = restore ]; then
    check "build release (GCC)" build release
    check "long restore" timeout --kill-after=60 7200 tests/e2e/restore_test --long
  else
    check "build release (GCC)" build release
    check "long $suite" run_tagged "[long:$suite]"
  fi
  if [ ${#failed[@]} = "$failures" ]; then
    keep_figures "$suite" $((SECONDS - start)) "$(paste -sd';' "$figures")"
  fi
  rm -f "$figures"
}

run_tagged() { # TAG
  local folder
  while read -r folder; do
    "build/release/tests/test_$folder" "$1" --durations yes
  done < <(grep -rlF "$1" tests --include='*_test.cc' | cut -d/ -f2 | sort -u)
}

# Each target runs on its own seeds and on what earlier runs found, kept in the cache folder.
run_fuzz_targets() {
  local seconds=${KEELWATCH_FUZZ_SECONDS:-300} target name corpus status=0 log runs
  for target in build/fuzz/tests/*_fuzz; do
    [ -x "$target" ] || { echo "no fuzz targets under tests/fuzz"; return 1; }
    name=$(basename "$target")
    corpus=${XDG_CACHE_HOME:-$HOME/.cache}/keelwatch-fuzz/$name
    mkdir -p "$corpus"
    log=$(mktemp)
    local seeds=()
    [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
    echo "--- $name, $seconds s"
    if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$corpus/../" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
      runs=$(sed -nE 's/^stat::number_of_executed_units: ([0-9]+)/\1/p' "$log")
      echo "$name ran $runs inputs"
      echo "$name $runs inputs" >>"$KEELWATCH_FIGURES"
    else
      tail -n 60 "$log"
      status=1
    fi
    rm -f "$log"
  done
  return $status
}

keep_figures() { # SUITE SECONDS FIGURES
  local revision
  revision=$(git rev-parse --short=12 HEAD)
  [ -z "$(git status --porcelain --untracked-files=no)" ] || revision+="+changes"
  {
    grep -vE "^${1}[[:space:]]" "$long_file" 2>/dev/null || true
    printf '%s\t%s\t%s\t%ss\t%s\n' "$1" "$revision" "$(date -u +%Y-%m-%d)" "$2" "$3"
  } | sort >"$long_file.new"
  mv "$long_file.new" "$long_file"
}

print_long_suites() {
  local suite line
  heading "long suites (tests/run --long SUITE): revision that last passed"
  for suite in $(long_suites); do
    line=$(grep -E "^${suite}[[:space:]]" "$long_file" 2>/dev/null) || line="$suite never"
    echo "$line"
  done
}
