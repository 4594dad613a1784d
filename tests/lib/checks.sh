# Sourced by tests/run: the checks that are not test programs.
# shellcheck shell=bash

# shellcheck disable=SC2154 # jobs: build.sh
check_format() {
  command -v clang-format-19 >/dev/null || { echo "clang-format-19 is missing"; return 1; }
  git ls-files -z '*.cc' '*.h' | xargs -0 -n 40 -P "$jobs" clang-format-19 --dry-run --Werror
  echo "$(git ls-files '*.cc' '*.h' | wc -l) files"
}

check_scripts() {
  local scripts
  mapfile -t scripts < <(git ls-files | while read -r file; do
    if [ -f "$file" ] && head -n 2 "$file" | grep -qE '^#!.*\bbash|shellcheck shell=bash'; then
      echo "$file"
    fi
  done)
  shellcheck --external-sources --source-path=SCRIPTDIR:SCRIPTDIR/.. "${scripts[@]}"
  echo "${#scripts[@]} scripts"
}

check_rules() {
  promtool check rules rules/*.yaml
  promtool test rules tests/rules/*.yaml
  check_runbooks
  check_dashboards
}

# Every expression of a dashboard parses; a variable stands for any regular expression.
check_dashboards() {
  local folder status=0
  folder=$(mktemp -d)
  jq -n '{groups: [{name: "dashboards", rules: [
      inputs | .panels[].targets[].expr | gsub("\\$[a-z]+"; ".*")] | to_entries
      | map({record: "expression:number_\(.key)", expr: .value})}]}' dashboards/*.json >"$folder/rules.yaml"
  promtool check rules "$folder/rules.yaml" || status=1
  rm -rf "$folder"
  return $status
}

# Rules and dashboards name only metrics that the program describes.
check_metric_names() { # PROGRAM
  local described unknown
  described=$("$1" describe metrics --json | jq -r '.[].name')
  unknown=$(grep -rhoE '\bkeelwatch_[a-z_]+' rules/*.yaml dashboards/*.json | sort -u |
    grep -vxF -- "$described" || true)
  if [ -n "$unknown" ]; then
    printf 'not described by the program:\n%s\n' "$unknown"
    return 1
  fi
}

# Every alert has a page under rules/runbooks and links to it, and no page is an orphan.
check_runbooks() {
  local alerts pages problems=0 alert
  alerts=$(sed -nE 's/^ *-? *alert: *([A-Za-z]+).*/\1/p' rules/*.yaml | sort)
  pages=$(find rules/runbooks -name '*.md' -printf '%f\n' | sed 's/\.md$//' | sort)
  if ! diff <(echo "$alerts") <(echo "$pages"); then
    echo "alerts (<) and runbook pages (>) differ"
    problems=1
  fi
  for alert in $alerts; do
    grep -qF "runbook_url: http://keelwatch:10555/runbooks/$alert" rules/*.yaml ||
      { echo "$alert: no runbook_url to its page"; problems=1; }
    grep -qF "alertname: $alert" tests/rules/*.yaml ||
      { echo "$alert: no unit test under tests/rules"; problems=1; }
  done
  echo "$(wc -w <<<"$alerts") alerts, each with runbook and unit test"
  return $problems
}

# `cmake --install` gives a tree that works without the checkout.
check_install_tree() {
  local tree
  tree=$(mktemp -d)
  cmake --install build/release --prefix "$tree" >/dev/null
  "$tree/bin/keelwatch" --version
  promtool check rules "$tree"/share/keelwatch/rules/*.yaml
  test -s "$tree/share/keelwatch/dashboards/replication.json"
  rm -rf "$tree"
}

# What is under deploy/ for clusters and machines: tests/deploy holds a script per part.
run_deploy_checks() { # PROGRAM
  run_part "deploy: rights" tests/deploy/role
  run_part "deploy: manifests" tests/deploy/manifests
  run_part "deploy: alertmanager" tests/deploy/alertmanager
  run_part "deploy: unit and configurations" tests/deploy/unit "$1"
}

# run_part NAME COMMAND...: like check, of a command whose exit code 3 says that it needs what is not here.
run_part() {
  local name=$1 start=$SECONDS status=0 output
  shift
  heading "$name"
  output=$("$@" 2>&1) || status=$?
  echo "$output"
  if [ "$status" = 3 ]; then
    skip "$name" "$(tail -n 1 <<<"$output")"
  else
    record "$name" "$status" $((SECONDS - start))
  fi
}
