"""What keelwatch says of a backup, and whether that is true."""

import json
import subprocess

from truth import lsn_of


# What came back is not to be counted on: an unfinished backup, another cluster's, and, with a deep pass,
# bytes that are not those that were written, whether or not PostgreSQL met them.
REFUSED_ALTHOUGH_IT_RESTORES = ("info-failed", "info-foreign")


def verdicts_of(keelwatch, endpoint, bucket, deep):
    """{backup: {"restorable": "yes"|"no"|"unknown", "why", "until_lsn", "until_timeline", "proof"}}"""
    command = [keelwatch, "backups", "--json", "--endpoint-url", endpoint, f"s3://{bucket}/path/pg"]
    done = subprocess.run(command + ["--deep"] * deep, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr.strip()[-500:]}")
    return {backup["id"]: verdict_of(backup) for archive in json.loads(done.stdout)["archives"] for backup in archive["backups"]}


def verdict_of(backup):
    return {key: backup.get(key) for key in ("restorable", "why", "until_lsn", "until_timeline", "proof")}


def disagreements(verdict, truth, segment_bytes, deep, damage):
    """Sentences; none: it is as keelwatch says."""
    if verdict is None:
        return [] if truth["outcome"] == "refused" else ["keelwatch does not list it"]
    said = verdict["restorable"]
    usable = truth if truth["outcome"] == "recovered" else truth.get("immediate", truth)
    whole = usable["outcome"] == "recovered" and not usable["corrupt"]
    if said == "no":
        return [] if not whole or damage in REFUSED_ALTHOUGH_IT_RESTORES or (deep and damage.startswith("tar-flip")) else [f"it restores, keelwatch says no: {verdict['why']}"]
    if said != "yes":
        return [f"keelwatch does not know: {verdict['why']}"] if deep and not unproven(truth, damage) else []
    if usable["outcome"] != "recovered":
        return [f"it does not restore, keelwatch says yes: {truth['said']}"]
    found = []
    if usable["corrupt"] and (deep or not unproven(truth, damage)):
        found.append(f"keelwatch says yes, and it is corrupt: {usable['corrupt']}")
    if truth["outcome"] == "recovered":  # an earlier target has no end to compare
        until = lsn_of(verdict["until_lsn"])
        if (until - 1) // segment_bytes != (lsn_of(truth["lsn"]) - 1) // segment_bytes:
            found.append(f"recovery ended at {truth['lsn']}, keelwatch says {verdict['until_lsn']}")
        if verdict["until_timeline"] != truth["timeline"]:
            found.append(f"recovery ended on timeline {truth['timeline']}, keelwatch says {verdict['until_timeline']}")
    return found


def unproven(truth, damage):
    """Bytes of base backups, which only a deep pass reads; and those that no checksum covers."""
    return damage.startswith(("tar-", "space-"))
