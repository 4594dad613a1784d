#!/usr/bin/python3
"""The cases of one history: see restore_test. A line for people on standard output for each backup
that was restored, or with --json one of JSON:
{"case", "seed", "history", "damage", "done", "backup", "nth", "truth", "verdicts", "disagreements"}.
What was found wrong is kept in a folder of its own, with the command that does it again."""

import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
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
        self.fork = self.facts["fork"]  # where the new timeline begins

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
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--old-barman", action="store_true")
    for name in ("history", "work", "endpoint", "barman-port", "keelwatch", "again"):
        parser.add_argument("--" + name, required=True)
    return parser.parse_args()


def planned(options, rng):
    """Names of damages without end; each once before any comes again, the kinds in turn."""
    if options.damage:
        names = options.damage.split(",")
        return [name for _ in range(options.cases) for name in names]
    names = [name for name in damage.DAMAGES if name != "none"]
    if options.long:
        return names
    kinds = collections.defaultdict(list)
    for name in rng.sample(names, len(names)):
        kinds[name.split("-")[0]].append(name)
    order = []
    while any(kinds.values()):
        for kind in rng.sample(sorted(kinds), len(kinds)):
            order += kinds[kind][:1]
            del kinds[kind][:1]
    return order


class Cases:
    def __init__(self, options):
        self.options = options
        self.history = History(os.path.join(options.work, "history", options.history))
        self.restorer = truth.Restorer(options.work, options.endpoint, options.barman_port, self.history)
        self.archives = self.restores = self.wrong = 0
        self.evidence = None

    def run(self):
        rng = random.Random(f"{self.options.seed} {self.options.history}")
        seen = collections.Counter()
        if not self.options.damage:
            self.case("none", 0)
        for name in planned(self.options, rng):
            if not self.options.long and not self.options.damage and self.archives == self.options.cases:
                break
            self.archives += self.case(name, seen[name])
            seen[name] += 1

    def case(self, name, nth):
        """Whether the history has something for it to damage."""
        options = self.options
        rng = random.Random(f"{options.seed} {options.history} {name} {nth}")
        bucket = f"case-{options.history}-{name}-{nth}"
        place = os.path.join(options.work, "s3", bucket)
        archive = self.history.copy(place)
        try:
            done = damage.DAMAGES[name](archive, rng)
            if done is None:
                return False
            verdicts = {}
            if not options.truth_only:
                verdicts = {proof: verdict.verdicts_of(options.keelwatch, options.endpoint, bucket, proof == "deep")
                            for proof in ("listed", "deep")}
            case = verdict.Case(name, self.history, options.old_barman, archive.doubled())
            backups = archive.backups if options.backups == "all" else damage.reached_backups(archive, done)
            most = 1 if options.long else len(backups) if options.backups == "all" else 2
            wrong = 0
            for backup in sorted(rng.sample(backups, min(len(backups), most))):
                wrong += self.restore(case, bucket, backup, verdicts, {
                    "case": f"{name}-{nth}", "seed": options.seed, "history": options.history, "damage": name, "done": done,
                    "backup": backup, "nth": archive.backups.index(backup) + 1})
            self.wrong += wrong
            if wrong:
                self.say_again(name, nth)
            return True
        finally:
            shutil.rmtree(place)

    def restore(self, case, bucket, backup, verdicts, line):
        """1 if what came of it is not what keelwatch says."""
        found = line["truth"] = self.restorer.truth(bucket, backup)
        self.restores += 1
        line["verdicts"] = {proof: of.get(backup) for proof, of in verdicts.items()}
        line["disagreements"] = [f"{proof}: {sentence}" for proof, said in line["verdicts"].items()
                                 for sentence in case.disagreements(said, found, proof == "deep")]
        if self.options.truth_only and line["damage"] == "none" and (found["outcome"] != "recovered" or found["corrupt"]):
            line["disagreements"].append("what is not damaged does not restore")
        print(json.dumps(line) if self.options.json else text_of(line), flush=True)
        if line["disagreements"]:
            self.keep(bucket, line)
        return bool(line["disagreements"])

    def keep(self, bucket, line):
        """Hard links again; the folder outlives the work folder beside it."""
        if self.evidence is None:
            self.evidence = tempfile.mkdtemp(prefix="keelwatch-restore-failed.", dir=os.path.dirname(self.options.work))
            os.chmod(self.evidence, 0o755)
            os.mkdir(os.path.join(self.evidence, "history"))
            subprocess.run(["cp", "-al", self.history.folder, os.path.join(self.evidence, "history")], check=True, timeout=120)
        folder = os.path.join(self.evidence, line["case"])
        if not os.path.exists(folder):
            os.mkdir(folder)
            subprocess.run(["cp", "-al", os.path.join(self.options.work, "s3", bucket), os.path.join(folder, "bucket")],
                           check=True, timeout=120)
        with open(os.path.join(folder, line["backup"] + ".json"), "w") as file:
            json.dump(line, file, indent=1)
        log = os.path.join(self.restorer.folder, "log")
        if os.path.exists(log):
            shutil.copy(log, os.path.join(folder, line["backup"] + ".postgres.log"))

    def say_again(self, name, nth):
        print(f"  kept: {self.evidence}/{name}-{nth}\n  again: {self.options.again} --seed {self.options.seed} --history "
              f"{self.options.history} --damage {name} --cases {nth + 1} --keep {self.evidence}/history", flush=True,
              file=sys.stderr if self.options.json else sys.stdout)


def text_of(line):
    """plain wal-half (wals/…/00…0C), backup 2: failed before it was consistent; keelwatch: no, deep no"""
    found = line["truth"]
    if found["outcome"] == "recovered":
        came = f"recovered to {found.get('lsn')} on timeline {found.get('timeline')}" + ", corrupt" * bool(found["corrupt"])
    elif found["outcome"] == "failed" and found["consistent"]:
        came = "failed behind a state that can be opened"
    else:
        came = found["outcome"]
    said = []
    for proof, of in line["verdicts"].items():
        answer = "not listed" if of is None else of["restorable"] + (f" until {of['until_lsn']}" if of["restorable"] == "yes" else "")
        said.append(answer if proof == "listed" else f"{proof} {answer}")
    where = f" ({os.path.basename(line['done']['file'])})" if "file" in line["done"] else ""
    text = f"{line['history']} {line['case']}{where}, backup {line['nth']}: {came}; keelwatch: {', '.join(said) or 'not asked'}"
    return "\n".join([text + f" [{found['seconds']} s]", *(f"  WRONG: {one}" for one in line["disagreements"])])


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # PostgreSQL is stopped on the way out
    began = time.monotonic()
    cases = Cases(options)
    cases.run()
    figures = f"{options.history}: {cases.archives} damaged archives, {cases.restores} restores, {cases.wrong} wrong"
    print(f"{figures} ({time.monotonic() - began:.0f} s, seed {options.seed})", file=sys.stderr, flush=True)
    with open(os.path.join(options.work, "figures"), "a") as file:
        print(cases.archives, cases.restores, cases.wrong, file=file)
    return 1 if cases.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
