"""The daemons of a benchmark run: started, ended by their own pid, and weighed through /proc."""
import os
import signal
import subprocess
import sys
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Skip(Exception):
    """This filter cannot be measured here; the text says why."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Daemon:
    """One program started here. role: 'filter', 'engine', or 'sink', which is neither. Ended by its
    own pid only."""

    def __init__(self, name, role, command, env=None, log=None):
        self.name, self.role, self.log = name, role, log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self.process.pid

    def is_alive(self):
        return self.process.poll() is None

    def log_tail(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()[-600:].strip()
        except OSError:
            return ""

    def stop(self):
        if not self.is_alive():
            return
        children = tree_of(self.pid)[1:]
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            say(f"  {self.name} does not end, killing it")
            self.process.kill()
            self.process.wait()
        until = time.monotonic() + 3
        while time.monotonic() < until and any(process_session(p) == self.pid for p in children):
            time.sleep(0.1)
        for pid in children:
            # ours for certain: the daemon was started as the leader of a session of its own
            if process_session(pid) == self.pid:
                say(f"  {self.name} left process {pid} behind, killing it")
                os.kill(pid, signal.SIGKILL)


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on (field 3 is index 0), or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()
    except OSError:
        return None


def process_session(pid):
    fields = stat_fields(pid)
    return int(fields[3]) if fields else None


def tree_of(pid):
    """pid and all its descendants, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(entry)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def is_engine(pid):
    """Cordon's engines are children of its supervisor: told apart by their executable."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("cordon-engine")
    except OSError:
        return False


def cpu_of(daemons):
    """CPU seconds used so far, {'filter': s, 'engine': s, 'sink': s}: every living process of the
    trees, and of each the children it has waited for."""
    used = {"filter": 0.0, "engine": 0.0, "sink": 0.0}
    for d in daemons:
        for pid in tree_of(d.pid):
            fields = stat_fields(pid)
            if fields:
                role = "engine" if is_engine(pid) else d.role
                used[role] += sum(int(x) for x in fields[11:15]) / TICKS
    return used


def pss_of(daemons):
    """Proportional set size in MB, {'filter': x, 'engine': y}."""
    sizes = {"filter": 0.0, "engine": 0.0}
    for d in daemons:
        if d.role not in sizes:
            continue
        for pid in tree_of(d.pid):
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    kb = next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except (OSError, StopIteration):
                continue
            role = "engine" if is_engine(pid) else d.role
            sizes[role] += kb / 1024
    return sizes


class PeakMemory(threading.Thread):
    """Samples the PSS of the trees until stopped; keeps the largest sum and its two parts."""

    def __init__(self, daemons, interval=0.25):
        super().__init__(daemon=True)
        self.daemons, self.interval = daemons, interval
        self.peak = {"filter": 0.0, "engine": 0.0}
        self.finished = threading.Event()

    def run(self):
        while True:
            now = pss_of(self.daemons)
            if sum(now.values()) > sum(self.peak.values()):
                self.peak = now
            if self.finished.wait(self.interval):
                return

    def stop(self):
        self.finished.set()
        self.join()
        return self.peak


def wait_until_quiet(daemons, seconds=60):
    """Return when the trees have used next to no CPU for a second."""
    for _ in range(seconds):
        before = sum(cpu_of(daemons).values())
        time.sleep(1)
        if sum(cpu_of(daemons).values()) - before < 0.03:
            return
