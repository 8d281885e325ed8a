"""What every filter of a run needs around it: a private folder, engines, daemons of the
distribution, the programs started for it."""
import glob
import hashlib
import os
import random
import shutil
import socket
import string
import subprocess
import tempfile
import time

from .process import Daemon, Skip, say

# Debian 12's package for a library that a fetched program lacks.
LIBRARY_PACKAGES = {
    "libluajit-5.1.so.2": "libluajit-5.1-2",
    "libclamav.so.12": "libclamav12",
    "libmilter.so.1.0.1": "libmilter1.0.1",
    "libhs.so.5": "libhyperscan5",
    "libsodium.so.23": "libsodium23",
    "libpcre2-8.so.0": "libpcre2-8-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libicuuc.so.72": "libicu72",
    "libicui18n.so.72": "libicu72",
    "libicudata.so.72": "libicu72",
    "libunwind.so.8": "libunwind8",
    "libsqlite3.so.0": "libsqlite3-0",
    "libncurses.so.6": "libncurses6",
    "libtinfo.so.6": "libtinfo6",
    "libcurl.so.4": "libcurl4",
    "libjson-c.so.5": "libjson-c5",
    "libxml2.so.2": "libxml2",
}


class Peers:
    """Daemons of the distribution: the installed one, or its package unpacked privately.

    No package script runs and nothing of the machine is changed."""

    def __init__(self, o):
        self.folder = os.path.join(o.work, "peers")
        self.root = os.path.join(self.folder, "root")
        self.may_fetch = not o.no_fetch
        os.makedirs(self.root, exist_ok=True)
        os.makedirs(os.path.join(self.folder, "debs"), exist_ok=True)

    def unpack(self, package):
        debs = os.path.join(self.folder, "debs")
        if not glob.glob(os.path.join(debs, package + "_*.deb")):
            if not self.may_fetch:
                raise Skip(f"{package} is not installed and --no-fetch was given")
            if not shutil.which("apt-get"):
                raise Skip(f"{package} is not installed and there is no apt-get to fetch it")
            say(f"fetching {package}")
            done = subprocess.run(["apt-get", "download", "-q", package], cwd=debs,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise Skip(f"cannot fetch {package}: {(done.stderr.strip() or '?').splitlines()[-1]}")
        deb = max(glob.glob(os.path.join(debs, package + "_*.deb")))
        subprocess.run(["dpkg", "-x", deb, self.root], check=True)

    def environment(self):
        folders = glob.glob(os.path.join(self.root, "usr/lib/*-linux-gnu"))
        folders.append(os.path.join(self.root, "usr/lib/rspamd"))
        old = os.environ.get("LD_LIBRARY_PATH")
        return {"LD_LIBRARY_PATH": ":".join(folders + ([old] if old else []))}

    def missing_libraries(self, path):
        out = subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, **self.environment()}).stdout
        return sorted({line.split()[0] for line in out.splitlines() if "not found" in line})

    def find(self, name, package):
        """(path, root of its files) of a daemon ready to run, or Skip."""
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path:
            return path, "/"
        for folder in ("usr/sbin", "usr/bin"):
            path = os.path.join(self.root, folder, name)
            if os.path.exists(path):
                break
        else:
            self.unpack(package)
            path = next((p for p in (os.path.join(self.root, f, name)
                                     for f in ("usr/sbin", "usr/bin")) if os.path.exists(p)), None)
            if not path:
                raise Skip(f"{package} holds no {name}")
        for _ in range(len(LIBRARY_PACKAGES)):
            missing = self.missing_libraries(path)
            if not missing:
                return path, self.root
            if missing[0] not in LIBRARY_PACKAGES:
                raise Skip(f"{name} needs {missing[0]}, whose package is not known here")
            self.unpack(LIBRARY_PACKAGES[missing[0]])
        raise Skip(f"{name} lacks {', '.join(self.missing_libraries(path))}")


def eicar():
    return b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


class Setup:
    """What a filter's start function needs, and the daemons it has started."""

    def __init__(self, o, programs, peers, name):
        self.o, self.programs, self.peers = o, programs, peers
        self.daemons = []
        # a short path: names of unix sockets are cut at 108 bytes
        self.folder = tempfile.mkdtemp(prefix="bench-")
        os.chmod(self.folder, 0o755)
        self.logs = os.path.join(o.work, "logs")
        os.makedirs(self.logs, exist_ok=True)
        self.name = name
        self.address = "unix:" + self.path("milter.sock")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def program(self, name):
        path = os.path.join(self.programs, name)
        if not os.path.exists(path):
            raise Skip(f"{name} is not built" +
                       (": libmilter-dev is missing" if name == "bench_floor_filter" else ""))
        return path

    def start(self, name, role, command, env=None):
        log = os.path.join(self.logs, f"{self.name}-{name}.log")
        daemon = Daemon(name, role, command, env, log)
        self.daemons.append(daemon)
        return daemon

    def wait_for(self, daemon, ready, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not daemon.is_alive():
                raise Skip(f"{daemon.name} ended at once: {daemon.log_tail()}")
            if ready():
                return
            time.sleep(0.1)
        raise Skip(f"{daemon.name} was not ready after {seconds} s: {daemon.log_tail()}")

    def can_connect(self, path):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
            return True
        except OSError:
            return False

    def free_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def is_greeted_at(self, port):
        """Whether an SMTP server is there and takes mail."""
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                return s.recv(4).startswith(b"220")
        except OSError:
            return False

    def database(self):
        """A folder with the database all engines use."""
        if self.o.database:
            return os.path.abspath(self.o.database)
        folder = self.path("db")
        if not os.path.isdir(folder):
            os.mkdir(folder)
            os.chmod(folder, 0o755)
            self.write("db/bench.ndb", f"Bench.Eicar:0:*:{eicar().hex()}\n")
            self.write("db/bench.hdb",
                       f"{hashlib.md5(eicar()).hexdigest()}:{len(eicar())}:Bench.Eicar.Hash\n")
        return folder

    def end(self):
        for daemon in reversed(self.daemons):
            daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_stub(s):
    stub = s.start("stub", "engine",
                   [s.program("bench_clamd_stub"), "--find-eicar", "unix:" + s.path("clamd.sock")])
    s.wait_for(stub, lambda: s.can_connect(s.path("clamd.sock")))


def clamd_answers(path):
    try:
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(5)
            c.connect(path)
            c.sendall(b"zPING\0")
            return c.recv(16) == b"PONG\0"
    except OSError:
        return False


def start_clamd(s):
    path, root = s.peers.find("clamd", "clamav-daemon")
    os.mkdir(s.path("tmp"))
    config = s.write("clamd.conf", f"""Foreground yes
LocalSocket {s.path("clamd.sock")}
LocalSocketMode 666
DatabaseDirectory {s.database()}
TemporaryDirectory {s.path("tmp")}
StreamMaxLength 200M
""")
    env = s.peers.environment() if root != "/" else None
    clamd = s.start("clamd", "engine", [path, "-c", config], env)
    s.wait_for(clamd, lambda: clamd_answers(s.path("clamd.sock")), 300)


def cordon_start(s, listener, can_connect, clamav=False, start_engine=None):
    """Start cordond with that listener, and the engine if one is given."""
    if not os.path.exists(s.o.cordon):
        raise Skip(f"{s.o.cordon} is not built")
    if start_engine:
        start_engine(s)
    database = s.database() if clamav else "/nonexistent"
    clamd = ""
    if start_engine:
        clamd = f'clamd bench {{ servers = {{"unix:{s.path("clamd.sock")}"}} ' \
                "timeout_ms = 60000 }\n"
    folder = os.path.dirname(os.path.abspath(s.o.cordon))
    programs = ""
    if os.path.exists(os.path.join(folder, "cordon-inspector")):
        programs = f'engine_path = "{folder}"\n'
    # literals that match nothing, as most signatures do with most mails
    letters = random.Random(7)
    s.write("bench.sig", "".join(
        f"Bench.{i} = {''.join(letters.choices(string.ascii_lowercase, k=16))}\n"
        for i in range(1000)))
    user = s.o.cordon_user if os.getuid() == 0 else ""
    if user:
        # the daemon's own sockets go into a folder that its user may write
        shutil.chown(s.folder, user)
    config = s.write("cordon.conf", f"""user = "{user}"
control_socket = "{s.path("control.sock")}"
log = "stderr"
work_dir = "{s.folder}"
{programs}max_message_size = "100M"
{listener}
signatures {{ files = {{"{s.path("bench.sig")}"}} blocklists = {{}} \
eicar = {"false" if clamav or start_engine else "true"} }}
clamav {{ enabled = {"true" if clamav else "false"} database = "{database}" workers = 0 }}
{clamd}policy {{ infected = "reject" unscanned = "tempfail" unscanned_encrypted = "accept" \
add_header = true }}
{s.o.cordon_extra}
""")
    cordond = s.start("cordond", "filter", [os.path.abspath(s.o.cordon), "-c", config])

    def ready():
        with open(cordond.log, errors="replace") as f:
            return "event=ready" in f.read()
    s.wait_for(cordond, ready, 180)
    s.wait_for(cordond, can_connect, 20)
