#!/usr/bin/python3
"""What is done to a copy of an archive. Each damage is a function of (archive, rng) that returns what
it did, {"file": ..., ...}, or None where this archive has nothing for it to damage. Files of the copy
are hard links of the history's: they are replaced, never written into.
    damage.py --list"""

import gzip
import lzma
import os
import re
import sys
import tarfile
import zlib

SEGMENT = re.compile(r"^[0-9A-F]{24}(\.gz)?$")
PAGE = 8192


class Archive:
    """<bucket>/path/pg of a copy."""

    def __init__(self, folder, facts, foreign):
        self.folder = folder
        self.facts = facts
        self.foreign = foreign
        self.segment_bytes = int(facts["segment_bytes"])
        self.backups = facts["backups"].split()

    def path(self, name):
        return os.path.join(self.folder, name)

    def files(self, below):
        found = []
        for folder, _, names in os.walk(self.path(below)):
            found += [os.path.relpath(os.path.join(folder, name), self.folder) for name in names]
        return sorted(found)

    def segments(self, timeline=None):
        """Whole segments from the first that a backup needs, oldest first."""
        first = min(number_of(self.info(backup)["begin_wal"], self.segment_bytes) for backup in self.backups)
        return [f for f in self.files("wals") if SEGMENT.match(os.path.basename(f))
                and number_of(os.path.basename(f), self.segment_bytes) >= first
                and timeline in (None, timeline_of(f))]

    def partials(self):
        return [f for f in self.files("wals") if ".partial" in f]

    def doubled(self):
        """(timeline, number) of the uncompressed segments that have a .partial, too."""
        names = set(self.files("wals"))
        return {(timeline_of(f), number_of(f, self.segment_bytes)) for f in names
                if f.endswith(".partial") and f.removesuffix(".partial") in names}

    def histories(self):
        return [f for f in self.files("wals") if ".history" in f]

    def tars(self, backup, of="data"):
        found = [f for f in self.files(f"base/{backup}") if ".tar" in f]
        return [f for f in found if os.path.basename(f).startswith("data") == (of == "data")]

    def info(self, backup):
        with open(self.path(f"base/{backup}/backup.info")) as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def read_plain(self, name):
        return gzip.decompress(self.read(name)) if name.endswith(".gz") else self.read(name)

    def write(self, name, data):
        path = self.path(name)
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.replace(path + ".new", path)

    def write_plain(self, name, data):
        self.write(name, gzip.compress(data) if name.endswith(".gz") else data)


def timeline_of(name):
    return int(os.path.basename(name)[:8], 16)


def number_of(name, segment_bytes):
    name = os.path.basename(name)
    return int(name[8:16], 16) * (0x100000000 // segment_bytes) + int(name[16:24], 16)


def used_bytes(data):
    return len(data.rstrip(b"\0"))


def flipped(data, at, rng):
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1:]


# ---- of any file

def delete(archive, rng, name):
    os.unlink(archive.path(name))
    return {"file": name}


def rename(archive, rng, name):
    to = name + rng.choice([".bak", "x", "~"])
    os.rename(archive.path(name), archive.path(to))
    return {"file": name, "to": to}


def empty(archive, rng, name):
    archive.write(name, b"")
    return {"file": name}


def half(archive, rng, name):
    data = archive.read(name)
    archive.write(name, data[:len(data) // 2])
    return {"file": name}


def flip(archive, rng, name):
    data = archive.read(name)
    at = rng.randrange(len(data))
    archive.write(name, flipped(data, at, rng))
    return {"file": name, "at": at}


def garbage(archive, rng, name):
    archive.write(name, rng.randbytes(200))
    return {"file": name}


# ---- of WAL

def flip_record(archive, rng, name):
    """Where records are; in a compressed segment below the compression, so that its sum is right."""
    data = archive.read_plain(name)
    places = [at for at in (rng.randrange(40, used_bytes(data)) for _ in range(200)) if at % PAGE >= 24]
    archive.write_plain(name, flipped(data, places[0], rng))
    return {"file": name, "at": places[0]}


def flip_header(archive, rng, name):
    """xlp_magic, xlp_info, xlp_tli, xlp_pageaddr or xlp_rem_len, of the first page also xlp_sysid,
    xlp_seg_size and xlp_xlog_blcksz."""
    data = archive.read_plain(name)
    page = rng.randrange((used_bytes(data) + PAGE - 1) // PAGE)
    at = page * PAGE + (rng.choice([*range(20), *range(24, 40)]) if page == 0 else rng.randrange(20))
    archive.write_plain(name, flipped(data, at, rng))
    return {"file": name, "at": at, "page": page, "field_at": at % PAGE}


def flip_unused(archive, rng, name):
    """After the record that switched to the next segment."""
    data = archive.read_plain(name)
    begin = (used_bytes(data) // PAGE + 2) * PAGE
    if begin + PAGE > len(data):
        return None
    at = rng.randrange(begin, len(data))
    archive.write_plain(name, flipped(data, at, rng))
    return {"file": name, "at": at}


def short_inside(archive, rng, name):
    """A compressed segment whose stream is whole and whose content is too short."""
    data = archive.read_plain(name)
    archive.write_plain(name, data[:len(data) // 2])
    return {"file": name}


def foreign(archive, rng, name):
    path = os.path.join(archive.foreign, os.path.basename(name)[:24])
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        archive.write_plain(name, file.read())
    return {"file": name}


def swap(archive, rng, name):
    same = archive.segments(timeline_of(name))
    if same.index(name) + 1 == len(same):
        return None
    other = same[same.index(name) + 1]
    one, two = archive.read(name), archive.read(other)
    archive.write(name, two)
    archive.write(other, one)
    return {"file": name, "with": other}


def of_segment(what, of_timeline=None):
    def damage(archive, rng):
        segments = archive.segments(of_timeline)
        return what(archive, rng, rng.choice(segments)) if segments else None
    return damage


def of_new_timeline(first):
    """The first segment of the new timeline, or those on both sides of the fork."""
    def damage(archive, rng):
        new = archive.segments(2)
        gone = [new[0]] if first else [archive.segments(1)[-1], *archive.partials(), new[0]]
        for name in gone:
            delete(archive, rng, name)
        return {"file": gone[0], "files": gone}
    return damage


def of_gap(archive, rng):
    segments = archive.segments()
    first = rng.randrange(len(segments) - 1)
    gone = segments[first:first + rng.randint(2, 4)]
    for name in gone:
        delete(archive, rng, name)
    return {"file": gone[0], "files": gone}


def of_partial(what):
    def damage(archive, rng):
        partials = archive.partials()
        return what(archive, rng, partials[0]) if partials else None
    return damage


def end_in_partial(what=None):
    """The .partial is all that is left of the segment in which the new timeline begins."""
    def damage(archive, rng):
        partials = archive.partials()
        if not partials:
            return None
        number = number_of(partials[0], archive.segment_bytes)
        done = what(archive, rng, partials[0]) if what else {}
        if done is None:
            return None
        for name in archive.segments():
            if number_of(name, archive.segment_bytes) == number:
                delete(archive, rng, name)
        return {**done, "file": partials[0], "number": number}
    return damage


def partial_hides(archive, rng):
    """The old timeline's last segment as .xz, which is listed behind its .partial, and no new one."""
    for partial in archive.partials():
        number = number_of(partial, archive.segment_bytes)
        for name in archive.segments(1):
            if number_of(name, archive.segment_bytes) != number:
                continue
            data = archive.read_plain(name)
            delete(archive, rng, name)
            hidden = name.removesuffix(".gz") + ".xz"
            archive.write(hidden, lzma.compress(data))
            for history in archive.histories():
                delete(archive, rng, history)
            return {"file": hidden, "behind": partial, "number": number}
    return None


# ---- of histories

def of_history(what):
    return lambda archive, rng: what(archive, rng, archive.histories()[0])


def more_history(archive, rng, lsn):
    text = archive.read_plain(archive.histories()[0]).decode()
    position = f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
    name = "wals/00000003.history" + (".gz" if archive.histories()[0].endswith(".gz") else "")
    archive.write_plain(name, f"{text}\n2\t{position}\tno recovery target specified\n".encode())
    return {"file": name, "forks_at": position}


def stray_history(archive, rng):
    """Of a timeline without segments that forks before the last segment of its parent."""
    name = archive.segments(2)[-1]
    return more_history(archive, rng, number_of(name, archive.segment_bytes) * archive.segment_bytes + 0x200)


def history_below(archive, rng):
    """Of a timeline that forks from its parent below the last backup."""
    name = archive.segments(2)[1]
    return more_history(archive, rng, number_of(name, archive.segment_bytes) * archive.segment_bytes + 0x200)


# ---- of a base backup

def with_backup(done, backup):
    if done is not None:
        done["backup"] = backup
    return done


def of_tar(what, which=None):
    def damage(archive, rng):
        backup = rng.choice(archive.backups)
        tars = archive.tars(backup)
        tars.sort(key=lambda name: (os.path.basename(name).split(".")[0] != "data", name))
        if which == "middle":
            tars = tars[1:-1]
        elif which is not None:
            tars = tars[which:][:1] if len(tars) > 1 or which == 0 else []
        return with_backup(what(archive, rng, rng.choice(tars)), backup) if tars else None
    return damage


def of_tablespace(what):
    def damage(archive, rng):
        backup = rng.choice(archive.backups)
        return with_backup(what(archive, rng, archive.tars(backup, "tablespace")[0]), backup)
    return damage


def flip_tar(archive, rng, name):
    """Any byte. Of a compressed tar "altered" tells what comes out of it: barman-cloud-restore does not
    look at gzip's checksum."""
    whole = archive.read_plain(name)
    done = flip(archive, rng, name)
    if name.endswith(".gz"):
        stream, data = zlib.decompressobj(31), b""
        try:
            data = stream.decompress(archive.read(name)[:-8])
            done["altered"] = "nothing" if whole.startswith(data) else "content"
        except zlib.error as error:
            done["altered"] = str(error)
    return done


def flip_member(wanted):
    """A byte of a member's content, or of its tar header."""
    def damage(archive, rng, name):
        if name.endswith(".gz"):
            return None
        with tarfile.open(archive.path(name)) as tar:
            members = [m for m in tar.getmembers() if m.isfile() and (wanted == "header" or m.size)]
        is_page = re.compile(r"(^|/)(base|global)/(\d+/)?\d+(_fsm|_vm)?$")
        members = {"page": [m for m in members if is_page.search(m.name)],
                   "other": [m for m in members if not is_page.search(m.name)],
                   "header": members}[wanted]
        if not members:
            return None
        member = rng.choice(members)
        at = (member.offset + rng.randrange(500) if wanted == "header" else member.offset_data + rng.randrange(member.size))
        archive.write(name, flipped(archive.read(name), at, rng))
        return {"file": name, "at": at, "member": member.name}
    return damage


def of_info(what):
    def damage(archive, rng):
        backup = rng.choice(archive.backups)
        return with_backup(what(archive, rng, f"base/{backup}/backup.info"), backup)
    return damage


def set_info(key, value):
    def damage(archive, rng, name):
        text = re.sub(rf"(?m)^{key}=.*$", f"{key}={value}", archive.read(name).decode())
        archive.write(name, text.encode())
        return {"file": name}
    return damage


DAMAGES = {
    "none": lambda archive, rng: {},
    "wal-delete": of_segment(delete),
    "wal-gap": of_gap,
    "wal-rename": of_segment(rename),
    "wal-empty": of_segment(empty),
    "wal-half": of_segment(half),
    "wal-short-inside": of_segment(short_inside),
    "wal-flip": of_segment(flip),
    "wal-flip-record": of_segment(flip_record),
    "wal-flip-header": of_segment(flip_header),
    "wal-flip-unused": of_segment(flip_unused),
    "wal-foreign": of_segment(foreign, 1),
    "wal-swap": of_segment(swap),
    "fork-first-delete": of_new_timeline(True),
    "fork-gap": of_new_timeline(False),
    "partial-delete": of_partial(delete),
    "partial-half": of_partial(half),
    "partial-end": end_in_partial(),
    "partial-end-empty": end_in_partial(empty),
    "partial-end-half": end_in_partial(half),
    "partial-end-short-inside": end_in_partial(short_inside),
    "partial-end-flip": end_in_partial(flip),
    "partial-end-flip-record": end_in_partial(flip_record),
    "partial-end-flip-header": end_in_partial(flip_header),
    "partial-hides": partial_hides,
    "history-delete": of_history(delete),
    "history-rename": of_history(rename),
    "history-empty": of_history(empty),
    "history-garbage": of_history(garbage),
    "history-stray": stray_history,
    "history-below": history_below,
    "tar-delete-first": of_tar(delete, 0),
    "tar-delete-middle": of_tar(delete, "middle"),
    "tar-delete-last": of_tar(delete, -1),
    "tar-rename": of_tar(rename),
    "tar-empty": of_tar(empty),
    "tar-half": of_tar(half),
    "tar-flip": of_tar(flip_tar),
    "tar-flip-page": of_tar(flip_member("page")),
    "tar-flip-other": of_tar(flip_member("other")),
    "tar-flip-header": of_tar(flip_member("header")),
    "space-delete": of_tablespace(delete),
    "space-rename": of_tablespace(rename),
    "space-empty": of_tablespace(empty),
    "space-half": of_tablespace(half),
    "info-delete": of_info(delete),
    "info-rename": of_info(rename),
    "info-empty": of_info(empty),
    "info-garbage": of_info(garbage),
    "info-half": of_info(half),
    "info-failed": of_info(set_info("status", "FAILED")),
    "info-foreign": of_info(set_info("systemid", "7000000000000000001")),
}


def reached_backups(archive, done):
    """Those that what was done can concern."""
    if "backup" in done and "backup.info" not in done["file"]:
        return [done["backup"]]
    number = done.get("number")
    if SEGMENT.match(os.path.basename(done.get("file", ""))):
        number = number_of(done["file"], archive.segment_bytes)
    if number is not None:
        return [b for b, begin in archive.begins.items() if begin <= number]
    return archive.backups


if __name__ == "__main__":
    if sys.argv[1:] != ["--list"]:
        sys.exit("usage: damage.py --list")
    print("\n".join(DAMAGES))
