#!/usr/bin/python3
"""The cases of one history: see restore_test. One line of JSON per case and backup:
{"case", "seed", "history", "damage", "done", "backup", "truth", "verdict", "disagreements"}."""

import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import time

import damage
import truth
import verdict

Row = collections.namedtuple("Row", "id branch timeline before after")


class History:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "facts")) as file:
            self.facts = dict(line.rstrip("\n").split("=", 1) for line in file)
        with open(os.path.join(folder, "rows.tsv")) as file:
            fields = [line.rstrip("\n").split("\t") for line in file]
        self.rows = [Row(int(i), branch, int(timeline), truth.lsn_of(before), truth.lsn_of(after))
                     for i, branch, timeline, before, after in fields]
        self.segment_bytes = int(self.facts["segment_bytes"])
        self.compressed = self.facts["compressed"] == "yes"
        self.checksums = self.facts["checksums"] == "yes"

    def copy(self, bucket):
        """Hard links: nobody writes into a file of the archive."""
        subprocess.run(["cp", "-al", os.path.join(self.folder, "bucket"), bucket], check=True, timeout=60)
        archive = damage.Archive(os.path.join(bucket, "path/pg"), self.facts, os.path.join(self.folder, "foreign"))
        archive.begins = {b: damage.number_of(archive.info(b)["begin_wal"], self.segment_bytes) for b in archive.backups}
        return archive


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--damage")
    parser.add_argument("--backups", choices=["reached", "all"], default="reached")
    parser.add_argument("--truth-only", action="store_true")
    parser.add_argument("--deep", action="store_true")
    for name in ("history", "work", "endpoint", "barman-port", "keelwatch"):
        parser.add_argument("--" + name, required=True)
    return parser.parse_args()


def planned(options, rng):
    """The control first; then each damage once before any comes again."""
    names = options.damage.split(",") if options.damage else [name for name in damage.DAMAGES if name != "none"]
    if options.long or options.damage:
        return (["none"] if not options.damage else []) + names * max(1, options.cases // len(names) if options.damage else 1)
    count = options.cases - 1
    plan = ["none"]
    while len(plan) <= count:
        plan += rng.sample(names, len(names))
    return plan[:count + 1]


def run_case(number, name, options, history, restorer):
    rng = random.Random(f"{options.seed} {history.folder.rsplit('/', 1)[-1]} {number} {name}")
    bucket = f"case-{options.history}-{number}"
    place = os.path.join(options.work, "s3", bucket)
    archive = history.copy(place)
    wrong = 0
    try:
        done = damage.DAMAGES[name](archive, rng)
        if done is None:
            return 0
        verdicts = {} if options.truth_only else verdict.verdicts_of(options.keelwatch, options.endpoint, bucket, options.deep)
        backups = archive.backups if options.backups == "all" else damage.reached_backups(archive, done)
        for backup in sorted(rng.sample(backups, min(len(backups), 3 if options.long or options.backups == "all" else 2))):
            found = restorer.truth(bucket, backup)
            line = {"case": number, "seed": options.seed, "history": options.history, "damage": name, "done": done,
                    "backup": backup, "nth": archive.backups.index(backup) + 1, "truth": found}
            if not options.truth_only:
                line["verdict"] = verdicts.get(backup)
                line["disagreements"] = verdict.disagreements(line["verdict"], found, history, options.deep, name)
                wrong += bool(line["disagreements"])
            elif name == "none":
                wrong += found["outcome"] != "recovered" or bool(found["corrupt"])
            print(json.dumps(line), flush=True)
    finally:
        shutil.rmtree(place)
    return wrong


def main():
    options = arguments()
    history = History(os.path.join(options.work, "history", options.history))
    restorer = truth.Restorer(options.work, options.endpoint, options.barman_port, history)
    rng = random.Random(f"{options.seed} {options.history}")
    plan = planned(options, rng)
    wrong = 0
    for number, name in enumerate(plan):
        began = time.monotonic()
        wrong += run_case(number, name, options, history, restorer)
        print(f"{options.history} case {number} {name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    print(f"{options.history}: {len(plan)} cases, {wrong} wrong", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
