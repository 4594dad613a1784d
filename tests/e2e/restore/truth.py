"""What a backup of an archive is worth: it is brought back by barman-cloud-restore, PostgreSQL
recovers it to the latest that the archive has, and what is in it is held against what was written.

    {"outcome": "refused"    barman-cloud-restore failed ("code")
              | "failed"     PostgreSQL ended before it took connections
              | "recovered",
     "said": [...],          what barman or PostgreSQL complained of
     "consistent": bool,     of "failed": a state that can be opened was reached before
     "immediate": {...},     of "failed" after that: the same with recovery_target = 'immediate'
     "at_fork": {...},       of "recovered" that aimed at the new timeline and went on along the old one,
                             with rows that the failover left behind: the same with the fork as target
     "last_segment": "...",  the last that was restored
     "timeline": 2, "lsn": "0/D000000", "new_timeline": 3,   where recovery ended, and what follows
     "rows": 95, "expected": [95, 95], "branch": "main",     rows of the journal; as many as written
     "corrupt": [...]}       what does not read back as it was written; empty: whole"""

import json
import os
import re
import shutil
import signal
import subprocess
import time

from damage import number_of, timeline_of

TIMEOUT = 120
HERE = os.path.dirname(os.path.abspath(__file__))

COMPLAINT = re.compile(r"(FATAL|PANIC|ERROR|WARNING): .*|LOG:  (invalid|unexpected|incorrect|out-of-sequence|record with|"
                       r"there is no contrecord|WAL file|contrecord|could not|unrecognized|database files|restored WAL|missing).*")

CHECK = """
select json_build_object(
  'rows', (select count(*) from journal),
  'branches', (select json_agg(distinct branch) from journal),
  'chain', (select count(*) from (select id, branch, digest, lag(digest) over w as before, row_number() over w as n
      from journal window w as (order by id)) j where n <> id or digest <> md5(coalesce(before, '') || id || branch)),
  'bodies', (select count(*) from journal where length(body) % 32 <> 0 or length(body) = 0 or body !~ '^[0-9a-f]*$'),
  'side', (select count(*) from journal j full join side s on j.id = s.id where s.digest is distinct from j.digest),
  'ballast', (select count(*) from ballast where length(body) = 32 * (60 + i % 2) and body ~ '^[0-9a-f]*$'))
"""


class Restorer:
    def __init__(self, work, endpoint, barman_port, history):
        self.folder = os.path.join(work, "restored")
        self.endpoint = endpoint
        self.client = [os.path.join(HERE, "barman_client"), str(barman_port)]
        self.history = history  # .rows, .segment_bytes, .checksums
        # Another version's refuses: then amcheck's reading of all pages has to do.
        self.sums = os.path.exists(os.path.join(os.path.dirname(shutil.which("postgres")), "pg_checksums"))

    def truth(self, bucket, backup):
        began = time.monotonic()
        truth = self.recover(bucket, backup, {})
        if truth["outcome"] == "failed" and truth["consistent"]:
            truth["immediate"] = self.recover(bucket, backup, {"recovery_target": "immediate"})
        if truth["outcome"] == "recovered" and truth["new_timeline"] > truth["timeline"] + 1 and "lost" in (truth["branch"] or ""):
            truth["at_fork"] = self.recover(bucket, backup, {"recovery_target_lsn": self.history.fork,
                                                              "recovery_target_inclusive": "off"})
        truth["seconds"] = round(time.monotonic() - began, 1)
        return truth

    def recover(self, bucket, backup, target):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, "run"))
        data = os.path.join(self.folder, "data")
        code, said = self.bring_back(bucket, backup, data)
        if code:
            return {"outcome": "refused", "code": code, "said": said}
        try:
            os.chmod(data, 0o700)
            with open(os.path.join(data, "recovery.signal"), "w"):
                pass
        except OSError as error:
            return {"outcome": "failed", "consistent": False, "said": [str(error)]}
        log = os.path.join(self.folder, "log")
        server = self.start(bucket, data, log, target)
        try:
            ready = self.await_end(server, log)
            truth = self.read_log(log, data, ready)
            if ready:
                truth.update(self.look())
                self.judge(truth)
        finally:
            self.stop(server)
        if ready:
            truth["corrupt"] += self.page_checksums(data)
        return truth

    def bring_back(self, bucket, backup, data):
        log = os.path.join(self.folder, "..", "barman.log")
        before = os.path.getsize(log)
        done = subprocess.run([*self.client, "restore", "--endpoint-url", self.endpoint, "--tablespace",
                               f"side:{self.folder}/side", f"s3://{bucket}/path", "pg", backup, data],
                              timeout=TIMEOUT, check=False)
        with open(log, errors="replace") as file:
            file.seek(before)
            said = [line.strip() for line in file if re.search(r"ERROR|Error:", line)]
        return done.returncode, said[-2:]

    def start(self, bucket, data, log, target):
        restore = f"{' '.join(self.client)} wal-restore --endpoint-url {self.endpoint} s3://{bucket}/path pg %f $PWD/%p"
        settings = {"listen_addresses": "", "unix_socket_directories": os.path.join(self.folder, "run"), "port": "5432",
                    "archive_mode": "off", "restore_command": restore, "recovery_target_timeline": "latest",
                    "recovery_target_action": "promote", "hot_standby": "off", "fsync": "off",
                    "autovacuum": "off", "shared_buffers": "32MB", "log_min_messages": "warning", "logging_collector": "off",
                    "log_line_prefix": "", **target}
        command = ["postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(log, "wb") as file:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)

    def await_end(self, server, log):
        """Whether it takes connections."""
        deadline = time.monotonic() + TIMEOUT
        while server.poll() is None and time.monotonic() < deadline:
            if "ready to accept connections" in read_text(log):
                return True
            time.sleep(0.05)
        return False

    def stop(self, server):
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(30)

    def read_log(self, log, data, ready):
        text = read_text(log)
        truth = {"outcome": "recovered" if ready else "failed", "consistent": "consistent recovery state reached" in text}
        complaints = [m.group(0) for m in COMPLAINT.finditer(text)]
        truth["said"] = complaints[:2] + complaints[2:][-2:]
        segments = re.findall(r'restored log file "([0-9A-F]{24})" from archive', text)
        if segments:
            truth["last_segment"] = segments[-1]
        chosen = re.search(r"selected new timeline ID: (\d+)", text)
        if ready and chosen:
            truth["new_timeline"] = int(chosen.group(1))
            lines = read_text(os.path.join(data, "pg_wal", f"{truth['new_timeline']:08X}.history")).strip().splitlines()
            target_timeline, truth["lsn"], _ = lines[-1].split("\t")
            truth["timeline"] = self.timeline_at(lsn_of(truth["lsn"]), segments) or int(target_timeline)
        return truth

    def timeline_at(self, lsn, segments):
        """By the segment that held the last record: the new history has the timeline that was aimed at
        for its parent, also where recovery ended before its fork."""
        number = (lsn - 1) // self.history.segment_bytes
        found = [name for name in segments if number_of(name, self.history.segment_bytes) == number]
        return timeline_of(found[-1]) if found else None

    def psql(self, database, sql):
        return subprocess.run(["psql", "-h", os.path.join(self.folder, "run"), "-p", "5432", "-U", "postgres", "-d", database,
                               "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
                              capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False)

    def look(self):
        corrupt = []
        answer = self.psql("postgres", CHECK)
        found = {"rows": None, "branch": None}
        if answer.returncode:
            corrupt.append(answer.stderr.strip().splitlines()[0] if answer.stderr.strip() else "psql failed")
        else:
            numbers = json.loads(answer.stdout)
            found = {"rows": numbers["rows"], "branch": ",".join(sorted(numbers["branches"] or []))}
            corrupt += [f"{name}: {numbers[name]}" for name in ("chain", "bodies", "side") if numbers[name]]
            if numbers["ballast"] != 3000:
                corrupt.append(f"ballast: {numbers['ballast']}")
        checked = subprocess.run(["pg_amcheck", "-h", os.path.join(self.folder, "run"), "-p", "5432", "-U", "postgres",
                                  "--install-missing", "--heapallindexed", "-d", "postgres", "-d", "template1"],
                                 capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False)
        if checked.returncode:
            lines = (checked.stdout + checked.stderr).strip().splitlines()
            corrupt.append("amcheck: " + (lines[0] if lines else str(checked.returncode)))
        return {**found, "corrupt": corrupt}

    def judge(self, truth):
        """Every row of that timeline whose commit ended before the end of recovery, and no other."""
        if "lsn" not in truth:
            return
        end = lsn_of(truth["lsn"])
        written = [row for row in self.history.rows
                   if (row.branch == "main") or (truth["timeline"] == 1 and row.branch in (truth["branch"] or ""))]
        if truth["timeline"] == 1 and "lost" in (truth["branch"] or ""):
            written = [row for row in self.history.rows if row.timeline == 1]
        truth["expected"] = [sum(row.after <= end for row in written), sum(row.before < end for row in written)]
        if truth["rows"] is not None and not truth["expected"][0] <= truth["rows"] <= truth["expected"][1]:
            truth["corrupt"].append(f"rows: {truth['rows']} of {truth['expected']}")

    def page_checksums(self, data):
        if not self.history.checksums or not self.sums:
            return []
        done = subprocess.run(["pg_checksums", "--check", "-D", data], capture_output=True, text=True, errors="replace",
                              timeout=TIMEOUT, check=False)
        if not done.returncode:
            return []
        # Maps of free space and visibility are made anew where they cannot be read.
        lines = [line for line in done.stderr.splitlines() if "error" in line and not re.search(r"\d_(fsm|vm)\"", line)]
        if not lines and "verification failed" in done.stderr:
            return []
        return ["pg_checksums: " + (lines[0].split("error: ")[-1] if lines else str(done.returncode))]


def lsn_of(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def read_text(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""
