"""The milter filters that bench/run measures, and how each is started."""
import os

from .process import wait_until_quiet
from .setup import cordon_start, start_clamd, start_stub


def start_floor(*options):
    def start(s):
        floor = s.start("floor", "filter", [s.program("bench_floor_filter"), *options, s.address])
        s.wait_for(floor, lambda: s.can_connect(s.path("milter.sock")))
    return start


def start_clamav_milter(start_engine):
    def start(s):
        path, root = s.peers.find("clamav-milter", "clamav-milter")
        start_engine(s)
        os.makedirs(s.path("tmp"), exist_ok=True)
        config = s.write("milter.conf", f"""Foreground yes
MilterSocket {s.address}
MilterSocketMode 666
ClamdSocket unix:{s.path("clamd.sock")}
OnInfected Reject
OnFail Defer
AddHeader Replace
MaxFileSize 200M
TemporaryDirectory {s.path("tmp")}
""")
        env = s.peers.environment() if root != "/" else None
        milter = s.start("clamav-milter", "filter", [path, "-c", config], env)
        s.wait_for(milter, lambda: s.can_connect(s.path("milter.sock")))
    return start


RSPAMD_CONFIG = """
options {{
	pidfile = "{folder}/pid";
	filters = "";
	tempdir = "{folder}";
	url_tld = "{share}/effective_tld_names.dat";
	hs_cache_dir = "{cache}";
	cache_file = "{folder}/symbols.cache";
	control_socket = "{folder}/control.sock mode=0600";
	dns {{ nameserver = ["127.0.0.1:53:1"]; timeout = 1s; retransmits = 1; }}
	max_message = 200mb;
	task_timeout = 120s;
	disable_monitoring = true;
}}
logging {{ type = "console"; level = "warning"; }}
lang_detection {{ languages = "{share}/languages"; }}
worker "rspamd_proxy" {{
	bind_socket = "{socket} mode=0666";
	count = {count};
	milter = yes;
	timeout = 120s;
	upstream "local" {{ default = yes; self_scan = yes; }}
}}
modules {{ path = "{share}/plugins/antivirus.lua"; }}
lua = "{folder}/rspamd.lua";
metric "default" {{ actions {{ reject = 1000; add_header = 900; greylist = 800; }} }}
antivirus {{
	clamav {{
		type = "clamav"; symbol = "CLAM_VIRUS"; servers = "{clamd}"; action = "reject";
		scan_mime_parts = true; scan_text_mime = true; scan_image_mime = true;
		max_size = 200000000; timeout = 60; log_clean = false;
	}}
}}
"""


def start_rspamd(start_engine):
    def start(s):
        path, root = s.peers.find("rspamd", "rspamd")
        start_engine(s)
        share = os.path.join(root, "usr/share/rspamd")
        cache = os.path.join(s.o.work, "rspamd-cache")
        os.makedirs(cache, exist_ok=True)
        config = s.write("rspamd.conf", RSPAMD_CONFIG.format(
            folder=s.folder, share=share, cache=cache, socket=s.path("milter.sock"),
            clamd=s.path("clamd.sock"), count=os.cpu_count()))
        s.write("rspamd.lua", 'require "global_functions" ()\n'
                "config['regexp'] = {}\nrspamd_maps = {}\n")
        user = ["-i", "-u", "root", "-g", "root"] if os.getuid() == 0 else []
        variables = {"PLUGINSDIR": share + "/plugins", "RULESDIR": s.folder,
                     "LUALIBDIR": share + "/lualib", "SHAREDIR": share, "DBDIR": s.folder,
                     "RUNDIR": s.folder, "CONFDIR": s.folder, "LOCAL_CONFDIR": s.folder}
        rspamd = s.start("rspamd", "filter", [path, "-f", *user, "-c", config] +
                         [f"--var={k}={v}" for k, v in variables.items()],
                         s.peers.environment() if root != "/" else None)
        s.wait_for(rspamd, lambda: s.can_connect(s.path("milter.sock")))
        # its helper compiles patterns after the start: not part of what is measured
        wait_until_quiet(s.daemons)
    return start


def start_cordon(clamav=False, start_engine=None):
    def start(s):
        listener = f'listener bench {{ protocol = "milter" address = "{s.address}" mode = "0666" }}'
        cordon_start(s, listener, lambda: s.can_connect(s.path("milter.sock")), clamav, start_engine)
    return start


# name, how to start it, what it is
FILTERS = [
    ("floor", start_floor(), "does nothing, answers every step"),
    ("floor-noreply", start_floor("--no-replies"), "does nothing, answers at the end only"),
    ("cordon-signatures", start_cordon(), "cordond, own signatures only"),
    ("cordon-clamav", start_cordon(clamav=True), "cordond with libclamav embedded"),
    ("cordon-stub", start_cordon(start_engine=start_stub), "cordond and the stub clamd"),
    ("cordon-clamd", start_cordon(start_engine=start_clamd), "cordond and clamd"),
    ("clamav-milter", start_clamav_milter(start_clamd), "clamav-milter and clamd"),
    ("clamav-milter-stub", start_clamav_milter(start_stub), "clamav-milter and the stub clamd"),
    ("rspamd", start_rspamd(start_clamd), "rspamd, antivirus only, and clamd"),
    ("rspamd-stub", start_rspamd(start_stub), "rspamd, antivirus only, and the stub clamd"),
]
