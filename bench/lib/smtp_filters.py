"""The SMTP filters that bench/run-smtp measures, and how each is started. Those of the
distribution are unpacked privately; what they would do beside looking for viruses is turned off."""
import glob
import os
import pwd
import shutil

from .process import Skip, wait_until_quiet
from .setup import cordon_start, start_stub
from .shared import debian


def unpack(s, name, packages):
    """Root of the unpacked packages. A daemon that gives up root's rights may not be allowed into
    root's cache folder: it gets a copy."""
    try:
        root = debian.unpack(name, packages)
    except debian.PackageError as why:
        raise Skip(str(why)) from None
    if os.getuid() != 0:
        return root
    shutil.copytree(root.path, s.path(name), symlinks=True)
    return debian.Root(s.path(name))


def daemon_user(s):
    """Whom a daemon shall become: nobody when started as root."""
    return "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def make_folder(s, name):
    os.mkdir(s.path(name))
    os.chmod(s.path(name), 0o755)
    if os.getuid() == 0:
        shutil.chown(s.path(name), daemon_user(s))
    return s.path(name)


def start_floor(s):
    floor = s.start("floor", "filter", [s.program("bench_smtp_floor"), f"inet:127.0.0.1:{s.port}",
                                        f"inet:127.0.0.1:{s.sink_port}"])
    s.wait_for(floor, lambda: s.is_greeted_at(s.port))


def start_cordon(start_engine=None):
    def start(s):
        listener = f'listener smtp_in {{ protocol = "smtp" way = "proxy" ' \
                   f'address = "inet:127.0.0.1:{s.port}" ' \
                   f'next_hop = "inet:127.0.0.1:{s.sink_port}" {s.o.cordon_listener} }}'
        cordon_start(s, listener, lambda: s.is_greeted_at(s.port), start_engine=start_engine)
    return start


def start_clamsmtp(s):
    root = unpack(s, "clamsmtp", ["clamsmtp"])
    start_stub(s)
    user = f"User: {daemon_user(s)}\n" if os.getuid() == 0 else ""
    config = s.write("clamsmtpd.conf", f"""OutAddress: 127.0.0.1:{s.sink_port}
Listen: 127.0.0.1:{s.port}
ClamAddress: {s.path("clamd.sock")}
TempDirectory: {make_folder(s, "tmp")}
Action: drop
{user}""")
    daemon = s.start("clamsmtpd", "filter",
                     [root.file("usr/sbin/clamsmtpd"), "-d", "1", "-f", config], root.env())
    s.wait_for(daemon, lambda: s.is_greeted_at(s.port))


AMAVIS_CONFIG = r"""use strict;
$path = $ENV{{PATH}} = "{root}/usr/bin:{root}/bin:/usr/bin:/bin";
$MYHOME = "{home}"; $TEMPBASE = "{home}/tmp"; $ENV{{TMPDIR}} = $TEMPBASE; $db_home = "{home}/db";
$pid_file = "{home}/pid"; $lock_file = "{home}/lock";
$daemon_user = "{user}"; $daemon_group = "{group}";
$mydomain = "bench.example"; $myhostname = "amavis.bench.example";
$max_servers = {servers}; $max_requests = 1000;
$DO_SYSLOG = 0; $LOGFILE = "{home}/log"; $log_level = 0;
$enable_db = 0; $enable_zmq = 0; $enable_dkim_verification = 0; $enable_dkim_signing = 0;
$inet_socket_port = {port}; $inet_socket_bind = "127.0.0.1"; @inet_acl = qw(127.0.0.0/8);
$forward_method = $notify_method = "smtp:[127.0.0.1]:{sink_port}";
@bypass_spam_checks_maps = @bypass_banned_checks_maps = @bypass_header_checks_maps = (1);
$virus_quarantine_method = undef; $QUARANTINEDIR = undef; $virus_admin = undef;
$final_virus_destiny = D_DISCARD; $warnvirussender = 0;
$MAXFILES = 1500; $MAX_EXPANSION_QUOTA = 300*1024*1024;
@av_scanners = (["ClamAV-clamd", \&ask_daemon, ["CONTSCAN {{}}\n", "{clamd}"],
	qr/\bOK$/m, qr/\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m]);
@av_scanners_backup = ();
1;
"""


def amavis_write_program(s, root):
    """It runs in taint mode, where PERL5LIB is not looked at, and starts its own file once more to
    test the configuration: the way to the modules has to stand in the file."""
    folders = " ".join(root.perl_path().split(":"))
    with open(root.file("usr/sbin/amavisd")) as f:
        first, rest = f.read().split("\n", 1)
    path = s.write("amavisd", f"{first}\nuse lib qw({folders});\n{rest}")
    os.chmod(path, 0o755)
    return path


def start_amavis(s):
    if not os.path.exists("/usr/bin/perl"):
        raise Skip("amavisd-new needs /usr/bin/perl")
    root = unpack(s, "amavisd-new", ["amavisd-new", "file", "pax"])
    start_stub(s)
    home = make_folder(s, "home")
    for name in ("tmp", "db"):
        make_folder(s, "home/" + name)
    user = daemon_user(s)
    config = s.write("amavisd.conf", AMAVIS_CONFIG.format(
        root=root.path, home=home, user=user, servers=s.o.connections, port=s.port,
        group="nogroup" if os.getuid() == 0 else user, sink_port=s.sink_port,
        clamd=s.path("clamd.sock")))
    env = root.env()
    magic = glob.glob(os.path.join(root.path, "usr/lib/file/magic.mgc"))
    if magic and not os.path.exists("/usr/share/misc/magic.mgc"):
        env["MAGIC"] = magic[0]
    daemon = s.start("amavisd", "filter",
                     [amavis_write_program(s, root), "-c",
                      root.file("etc/amavis/conf.d/01-debian"), "-c", config, "foreground"], env)
    s.wait_for(daemon, lambda: s.is_greeted_at(s.port))
    wait_until_quiet(s.daemons)


# name, how to start it, what it is
FILTERS = [
    ("floor", start_floor, "passes SMTP on, nothing else"),
    ("cordon-signatures", start_cordon(), "cordond as proxy, own signatures only"),
    ("cordon-stub", start_cordon(start_stub), "cordond as proxy, and the stub clamd"),
    ("clamsmtp", start_clamsmtp, "clamsmtpd and the stub clamd"),
    ("amavisd-new", start_amavis, "amavisd-new, virus checks only, and the stub clamd"),
]
