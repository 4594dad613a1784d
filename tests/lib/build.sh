# Sourced by tests/run: builds a preset and runs its test programs.
# shellcheck shell=bash

# shellcheck disable=SC2034 # checks.sh uses it too
jobs=${KEELWATCH_JOBS:-$(nproc)}
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
# A clone in another folder is the same source.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
# Sanitizers print file and line with it; without it only addresses.
if [ -x /usr/bin/llvm-symbolizer-19 ]; then
  export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
  export TSAN_OPTIONS=${TSAN_OPTIONS:-external_symbolizer_path=$ASAN_SYMBOLIZER_PATH}
fi
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

configure() { # PRESET
  [ -f "build/$1/build.ninja" ] ||
    cmake -S . -B "build/$1" -G Ninja -C ".cmake/$1.cmake" --log-level=WARNING
}

build() { # PRESET [TARGET...]
  local preset=$1
  shift
  configure "$preset"
  cmake --build "build/$preset" --parallel "$jobs" ${1:+--target "$@"}
}

# run_test_programs PRESET [--exclude REGEX | --only REGEX] [LABEL]
run_test_programs() {
  local preset=$1 name="tests $1" log status=0 start=$SECONDS select=()
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --exclude) select=(--exclude-regex "^($2)\$"); shift 2 ;;
      --only) select=(--tests-regex "^($2)\$"); shift 2 ;;
      *) name=$1; shift ;;
    esac
  done
  heading "$name"
  if [ ! -f "build/$preset/CTestTestfile.cmake" ]; then
    record "$name" 1 0
    return 0
  fi
  log=$(mktemp)
  # One after the other: several of them measure delays in milliseconds.
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --timeout 600 \
    "${select[@]}" 2>&1 | tee "$log" || status=$?
  record "$name" "$status" $((SECONDS - start))
  record_ctest "$name" "$log"
  rm -f "$log"
}

find_crds() {
  if [ -z "${KEELWATCH_CRDS:-}" ] && [ -d ../shared/crds ]; then
    KEELWATCH_CRDS=$(cd ../shared/crds && pwd)
  fi
  if [ -n "${KEELWATCH_CRDS:-}" ]; then
    export KEELWATCH_CRDS
  else
    skip "tests that need the operators' CRDs" "no ../shared/crds beside the checkout, KEELWATCH_CRDS unset"
  fi
}
