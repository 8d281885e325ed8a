"""A private rspamd that does one thing: asks a clamd-compatible socket about every part of a mail
(its antivirus module), behind the milter protocol. Unpacked from Debian's package."""

import os
import shutil

from . import debian
from .server import Server

_CONF = """\
options {{
	pidfile = "{base}/pid";
	filters = "";
	tempdir = "{base}";
	url_tld = "{share}/effective_tld_names.dat";
	hs_cache_dir = "{base}";
	cache_file = "{base}/symbols.cache";
	control_socket = "{base}/control.sock mode=0600";
	dns {{ nameserver = ["127.0.0.1:53:1"]; timeout = 1s; retransmits = 1; }}
	task_timeout = 60s;
	disable_monitoring = true;
}}
logging {{ type = "console"; level = "warning"; }}
lang_detection {{ languages = "{share}/languages"; }}
worker "rspamd_proxy" {{
	bind_socket = "{base}/milter.sock mode=0666";
	count = 1;
	milter = yes;
	timeout = 60s;
	upstream "local" {{ default = yes; self_scan = yes; }}
}}
modules {{ path = "{share}/plugins/antivirus.lua"; }}
lua = "{base}/rspamd.lua";
metric "default" {{ actions {{ reject = 1000; add_header = 900; greylist = 800; }} }}
antivirus {{
	clamav {{
		type = "clamav"; symbol = "CLAM_VIRUS"; servers = "{socket}"; action = "reject";
		scan_mime_parts = true; scan_text_mime = true; scan_image_mime = true; log_clean = true;
	}}
}}
"""


class Rspamd(Server):
	"""base is its folder; milter its address, as milter.deliver() wants it."""

	title = "rspamd"
	patience_s = 60

	def __init__(self, base, socket):
		super().__init__(os.path.join(base, "rspamd"))
		self.root = debian.unpack("rspamd", ["rspamd"])
		shutil.rmtree(self.base, ignore_errors=True)
		os.makedirs(self.base)
		self.milter = "unix:%s/milter.sock" % self.base
		self.share = self.root.file("usr/share/rspamd")
		with open(os.path.join(self.base, "rspamd.conf"), "w") as handle:
			handle.write(_CONF.format(base=self.base, share=self.share, socket=socket))
		with open(os.path.join(self.base, "rspamd.lua"), "w") as handle:
			handle.write('require "global_functions" ()\nconfig["regexp"] = {}\nrspamd_maps = {}\n')

	def start(self):
		variables = {"PLUGINSDIR": self.share + "/plugins", "RULESDIR": self.base,
			"LUALIBDIR": self.share + "/lualib", "SHAREDIR": self.share, "DBDIR": self.base,
			"RUNDIR": self.base, "CONFDIR": self.base, "LOCAL_CONFDIR": self.base}
		user = ["-i", "-u", "root", "-g", "root"] if os.getuid() == 0 else []
		private = self.root.file("usr/lib/rspamd")
		return self._launch([self.root.file("usr/bin/rspamd"), "-f", *user, "-c",
			os.path.join(self.base, "rspamd.conf")]
			+ ["--var=%s=%s" % pair for pair in variables.items()],
			self.root.env(LD_LIBRARY_PATH="%s:%s" % (self.root.library_path(), private)))

	def _addresses(self):
		return [self.milter[len("unix:"):]]

	def _last_words(self):
		return self.log(4000)
