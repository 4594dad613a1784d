"""What keelwatch says of a backup, and whether that is true."""

import json
import subprocess

from damage import number_of, timeline_of
from truth import lsn_of


# What came back is not to be counted on: an unfinished backup, and another cluster's.
REFUSED_ALTHOUGH_IT_RESTORES = ("info-failed", "info-foreign")
# What names, sizes and the first pages of some segments (the newest, and those with which a backup begins
# and ends) do not tell: only a deep pass can.
UNREAD = ("wal-foreign", "wal-swap", "wal-flip", "wal-flip-record", "wal-flip-header", "partial-end-flip", "partial-end-flip-record",
          "partial-end-flip-header", "tar-delete-last", "tar-half", "tar-flip", "tar-flip-page", "tar-flip-other",
          "tar-flip-header", "space-half")
UNREAD_IF_COMPRESSED = ("wal-half", "wal-short-inside", "partial-half", "partial-end-half", "partial-end-short-inside")


def verdicts_of(keelwatch, endpoint, bucket, deep):
    """{backup: {"restorable": "yes"|"no"|"unknown", "why", "until_lsn", "until_timeline", "proof"...}}"""
    command = [keelwatch, "backups", "--json", "--endpoint-url", endpoint, f"s3://{bucket}/path/pg"]
    done = subprocess.run(command + ["--deep"] * deep, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr.strip()[-500:]}")
    return {backup["id"]: verdict_of(backup) for archive in json.loads(done.stdout)["archives"] for backup in archive["backups"]}


def verdict_of(backup):
    return {key: backup.get(key) for key in ("restorable", "why", "until_lsn", "until_timeline", "until_partial", "latest_fails",
                                             "proof")}


class Case:
    """What the comparison has to know of a case."""

    def __init__(self, damage, history, old_barman, doubled):
        self.damage = damage
        self.segment_bytes = history.segment_bytes
        self.fork = history.fork
        self.old_barman = old_barman  # 3.4 prefers a .partial to an uncompressed segment, 3.19 does not
        self.doubled = doubled        # {(timeline, number)}: uncompressed segments with a .partial
        self.unread = damage in UNREAD or (history.compressed and damage in UNREAD_IF_COMPRESSED)

    def disagreements(self, verdict, truth, deep):
        """Sentences; none: it is as keelwatch says."""
        if verdict is None:
            return [] if truth["outcome"] == "refused" else ["keelwatch does not list it"]
        said = verdict["restorable"]
        usable = truth if truth["outcome"] == "recovered" else truth.get("immediate", truth)
        whole = usable["outcome"] == "recovered" and not usable["corrupt"]
        if said == "no":
            # A byte that PostgreSQL did not meet is changed all the same.
            right = not whole or self.damage in REFUSED_ALTHOUGH_IT_RESTORES or (deep and self.damage.startswith("tar-flip"))
            return [] if right else [f"it restores, keelwatch says no: {verdict['why']}"]
        if said != "yes":
            expected = not deep or self.damage.startswith("tar-flip")
            return [] if expected else [f"keelwatch does not know: {verdict['why']}"]
        if self.unread and not deep:
            return []
        if usable["outcome"] != "recovered":
            return [f"it does not restore, keelwatch says yes: {truth['said']}"]
        if usable["corrupt"]:
            return [f"keelwatch says yes, and it is corrupt: {usable['corrupt']}"]
        if "at_fork" in truth:
            return self.wrong_abandoned(verdict, truth["at_fork"])
        return self.wrong_end(verdict, truth) + self.wrong_latest(verdict, truth)

    def wrong_abandoned(self, verdict, truth):
        """Recovery aimed at the new timeline, met the old one's branch, and ended without an error."""
        found = [] if verdict["latest_fails"] else ["recovery gives rows of the abandoned branch, keelwatch does not say so"]
        if verdict["until_lsn"] != self.fork:
            found.append(f"the branches part at {self.fork}, keelwatch says {verdict['until_lsn']}")
        if truth["outcome"] != "recovered" or truth["corrupt"] or truth["branch"] != "main":
            found.append(f"keelwatch says yes until the fork, and there is {truth}")
        return found

    def wrong_end(self, verdict, truth):
        """keelwatch's end is that of the last usable segment, or within it that of the last record;
        PostgreSQL's is that of the last record. Where recovery to the latest ends in an error, an
        earlier target reaches what was restored before."""
        until = lsn_of(verdict["until_lsn"])
        segment = (until - 1) // self.segment_bytes
        within = until % self.segment_bytes != 0
        if verdict["until_partial"] and not within:
            segment += 1  # a .partial is read as far as it goes, which only its records tell
        if truth["outcome"] == "recovered":
            end, timeline, text = (lsn_of(truth["lsn"]) - 1) // self.segment_bytes, truth["timeline"], truth["lsn"]
            if self.took_partial(truth) and segment >= end:
                return []
        else:
            text = truth["last_segment"]
            end, timeline = number_of(text, self.segment_bytes), timeline_of(text)
            within = False
        found = []
        if segment != end or (within and lsn_of(text) != until):
            found.append(f"recovery ended at {text}, keelwatch says {verdict['until_lsn']}")
        if verdict["until_timeline"] != timeline:
            found.append(f"recovery ended on timeline {timeline}, keelwatch says {verdict['until_timeline']}")
        return found

    def took_partial(self, truth):
        return self.old_barman and (truth["timeline"], (lsn_of(truth["lsn"]) - 1) // self.segment_bytes) in self.doubled

    def wrong_latest(self, verdict, truth):
        if truth["outcome"] == "recovered" and self.took_partial(truth):
            return []
        if bool(verdict["latest_fails"]) == (truth["outcome"] != "recovered"):
            return []
        if verdict["latest_fails"]:
            return [f"recovery to the latest works, keelwatch says: {verdict['latest_fails']}"]
        return [f"recovery to the latest fails, keelwatch does not say so: {truth['said']}"]
