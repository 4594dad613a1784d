"""Holds deploy/alertmanager's inhibit rules against a running Alertmanager: inhibition.py URL.

For each rule its two alerts are sent, with labels that tests/rules expects of them: once equal in what
the rule compares (the target must be inhibited), once different (it must not be)."""

import glob
import json
import re
import sys
import time
import urllib.request

import yaml

url = sys.argv[1]
FOLDER = "deploy/alertmanager/"


def aggregated_labels():
    """alert -> the labels by which its expression aggregates."""
    return {rule["alert"]: {label.strip() for by in re.findall(r"by \(([^)]*)\)", rule["expr"])
                            for label in by.split(",")}
            for file in sorted(glob.glob("rules/*.yaml"))
            for group in yaml.safe_load(open(file))["groups"] for rule in group["rules"]}


def expected_labels():
    """alert -> the label sets that the unit tests expect of it."""
    sets = {}
    for file in sorted(glob.glob("tests/rules/*.yaml")):
        for test in yaml.safe_load(open(file)).get("tests", []):
            for one in test.get("alert_rule_test", []):
                for alert in one.get("exp_alerts") or []:
                    sets.setdefault(one["alertname"], []).append(alert["exp_labels"])
    return sets


def matched(matchers):
    """What a list of matchers names: ([alert names], {other label: value})."""
    names, labels = [], {}
    for text in matchers:
        label, value = re.fullmatch(r'(\w+)=~?"([^"]*)"', text).groups()
        if label == "alertname":
            names = value.split("|")
        else:
            labels[label] = value
    return names or ["Any"], labels


def labels_of(name, labels, equal, expected, aggregated):
    """Labels of that alert; complains if it never has one of those that the rule compares."""
    if name == "Any":
        return {"alertname": name, "namespace": "ns", "cluster": "c", **labels}
    fitting = [one for one in expected.get(name, []) if labels.items() <= one.items()]
    if not fitting:
        sys.exit(f"inhibit_rules.yaml: tests/rules knows no {name} {labels or ''}")
    for label in equal:
        if label not in aggregated[name].union(*fitting):
            sys.exit(f"inhibit_rules.yaml: {name} has no label {label}, which is compared")
    return {"alertname": name, **fitting[0]}


def cases():
    rules = yaml.safe_load(open(FOLDER + "inhibit_rules.yaml"))["inhibit_rules"]
    if rules != yaml.safe_load(open(FOLDER + "alertmanager.yaml"))["inhibit_rules"]:
        sys.exit("the inhibit_rules of alertmanager.yaml and of inhibit_rules.yaml differ")
    expected, aggregated = expected_labels(), aggregated_labels()
    for rule in rules:
        sources, source_labels = matched(rule["source_matchers"])
        targets, target_labels = matched(rule["target_matchers"])
        for source in sources:
            for target in targets:
                one = labels_of(source, source_labels, rule["equal"], expected, aggregated)
                other = labels_of(target, target_labels, rule["equal"], expected, aggregated)
                shared = {label: one.get(label) for label in rule["equal"]}
                for label, value in shared.items():
                    other.pop(label, None)
                    if value is not None:
                        other[label] = value
                yield one, other, next(label for label in rule["equal"] if shared[label] is not None)


def post(alerts):
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(url + "/api/v2/alerts", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).read()


def inhibited():
    with urllib.request.urlopen(url + "/api/v2/alerts", timeout=10) as answer:
        return {alert["labels"]["case"]: alert["status"]["inhibitedBy"] for alert in json.load(answer)
                if alert["labels"]["part"] == "target"}


sent, want = [], {}
for number, (source, target, label) in enumerate(cases()):
    # A case of its own: no other one's source may be what inhibits.
    for name, other_value in (("equal", None), ("different", "another")):
        case = f"{number} {name} {source['alertname']} {target['alertname']}"
        scope = f"{case}: "
        one = {**source, "case": case, "part": "source"}
        two = {**target, "case": case, "part": "target"}
        for labels in (one, two):
            labels[label] = scope + labels[label]
        if other_value:
            two[label] = scope + other_value
        sent += [one, two]
        want[case] = other_value is None

post(sent)
# Alertmanager marks an alert when it dispatches it: after group_wait at the latest.
deadline = time.monotonic() + 60
while True:
    got = {case: bool(by) for case, by in inhibited().items()}
    if got == want or time.monotonic() > deadline:
        break
    time.sleep(0.5)
wrong = [f"{case}: {'not ' * (not got.get(case))}inhibited" for case in want if got.get(case) != want[case]]
print("\n".join(wrong) or f"{len(want) // 2} pairs of alerts inhibit each other, and only where they should")
sys.exit(1 if wrong else 0)
