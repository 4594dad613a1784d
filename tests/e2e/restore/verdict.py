"""What keelwatch says of a backup, and whether that is true."""

import json
import subprocess

from damage import number_of, timeline_of
from truth import lsn_of


# What came back is not to be counted on: an unfinished backup, and another cluster's.
REFUSED_ALTHOUGH_IT_RESTORES = ("info-failed", "info-foreign")
# What names, sizes and the first page of a segment do not tell: only a deep pass can.
UNREAD = ("wal-flip", "wal-flip-record", "wal-flip-header", "tar-delete-last", "tar-half", "tar-flip", "tar-flip-page",
          "tar-flip-other", "tar-flip-header", "space-half")
UNREAD_IF_COMPRESSED = ("wal-half", "wal-short-inside", "partial-half")


def verdicts_of(keelwatch, endpoint, bucket, deep):
    """{backup: {"restorable": "yes"|"no"|"unknown", "why", "until_lsn", "until_timeline", "proof"}}"""
    command = [keelwatch, "backups", "--json", "--endpoint-url", endpoint, f"s3://{bucket}/path/pg"]
    done = subprocess.run(command + ["--deep"] * deep, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr.strip()[-500:]}")
    return {backup["id"]: verdict_of(backup) for archive in json.loads(done.stdout)["archives"] for backup in archive["backups"]}


def verdict_of(backup):
    return {key: backup.get(key) for key in ("restorable", "why", "until_lsn", "until_timeline", "until_partial", "proof")}


def disagreements(verdict, truth, history, deep, damage):
    """Sentences; none: it is as keelwatch says."""
    unread = damage in UNREAD or (history.compressed and damage in UNREAD_IF_COMPRESSED)
    if verdict is None:
        return [] if truth["outcome"] == "refused" else ["keelwatch does not list it"]
    said = verdict["restorable"]
    usable = truth if truth["outcome"] == "recovered" else truth.get("immediate", truth)
    whole = usable["outcome"] == "recovered" and not usable["corrupt"]
    if said == "no":
        # A byte that PostgreSQL did not meet is changed all the same.
        right = not whole or damage in REFUSED_ALTHOUGH_IT_RESTORES or (deep and damage.startswith("tar-flip"))
        return [] if right else [f"it restores, keelwatch says no: {verdict['why']}"]
    if said != "yes":
        return [f"keelwatch does not know: {verdict['why']}"] if deep and not damage.startswith("tar-flip") else []
    if unread and not deep:
        return []
    if usable["outcome"] != "recovered":
        return [f"it does not restore, keelwatch says yes: {truth['said']}"]
    if usable["corrupt"]:
        return [f"keelwatch says yes, and it is corrupt: {usable['corrupt']}"]
    return wrong_end(verdict, truth, history.segment_bytes)


def wrong_end(verdict, truth, segment_bytes):
    """keelwatch's end is that of the last usable segment, PostgreSQL's that of the last record in it.
    Where recovery to the latest ends in an error, an earlier target reaches what was restored before."""
    until = lsn_of(verdict["until_lsn"])
    segment = (until - 1) // segment_bytes
    if verdict["until_partial"] and until % segment_bytes == 0:
        segment += 1  # a .partial is read as far as it goes, which only its records tell
    if truth["outcome"] == "recovered":
        end, timeline, text = (lsn_of(truth["lsn"]) - 1) // segment_bytes, truth["timeline"], truth["lsn"]
    else:
        text = truth["last_segment"]
        end, timeline = number_of(text, segment_bytes), timeline_of(text)
    found = []
    if segment != end:
        found.append(f"recovery ended at {text}, keelwatch says {verdict['until_lsn']}")
    if verdict["until_timeline"] != timeline:
        found.append(f"recovery ended on timeline {timeline}, keelwatch says {verdict['until_timeline']}")
    return found
