"""The benchmark's own programs and corpora: compiled and made when they are not there."""
import os
import platform
import shutil
import subprocess
import sys

from .process import say

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)
LOAD = ["bench_latency.c", "bench_mails.c", "bench_net.c"]
SOURCES = {
    "bench_corpus": (["bench_corpus.c", "bench_data.c"], ["-larchive", "-lz", "-lm"]),
    "bench_milter_load": (["bench_milter_load.c", "bench_session.c", *LOAD], ["-lm"]),
    "bench_smtp_load": (["bench_smtp_load.c", "bench_smtp_session.c", *LOAD], ["-lm"]),
    "bench_smtp_sink": (["bench_smtp_sink.c", "bench_sink_session.c", "bench_sink_mail.c",
                         "bench_sink_fault.c", "bench_net.c"], []),
    "bench_smtp_floor": (["bench_smtp_floor.c", "bench_net.c"], []),
    "bench_clamd_stub": (["bench_clamd_stub.c", "bench_net.c"], []),
    "bench_floor_filter": (["bench_floor_filter.c"], ["-lmilter", "-lpthread"]),
}
HEADERS = ["bench_data.h", "bench_latency.h", "bench_mails.h", "bench_net.h", "bench_session.h",
           "bench_sink.h", "bench_smtp_session.h"]


def build_programs(o):
    """The folder that holds the bench_* programs; compiles them when no build has them."""
    if all(os.path.exists(os.path.join(o.bin, p)) for p in SOURCES):
        return o.bin
    folder = os.path.join(o.work, "bin")
    os.makedirs(folder, exist_ok=True)
    newest = max(os.path.getmtime(os.path.join(HERE, f))
                 for f in HEADERS + [c for s, _ in SOURCES.values() for c in s])
    for name, (files, libraries) in SOURCES.items():
        target = os.path.join(folder, name)
        if os.path.exists(target) and os.path.getmtime(target) > newest:
            continue
        say(f"compiling {name}")
        command = ["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-g", "-o", target]
        command += [os.path.join(HERE, f) for f in files] + libraries
        if subprocess.run(command).returncode != 0 and name != "bench_floor_filter":
            sys.exit(f"cannot compile {name}: are libarchive-dev and zlib1g-dev installed?")
    return folder


def make_corpora(o, programs):
    """{name: folder}. Kept between runs: the same options give the same bytes."""
    folders = {}

    def make(name, kind, count, seed):
        folder = os.path.join(o.work, "corpus", f"{kind}-{count}-{seed}")
        if not os.path.exists(os.path.join(folder, "list")):
            say(f"making corpus {name}: {count} mails")
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            shutil.rmtree(folder + ".new", ignore_errors=True)
            subprocess.run([os.path.join(programs, "bench_corpus"), "--kind", kind, "--count",
                            str(count), "--seed", str(seed), "--out", folder + ".new"], check=True)
            os.rename(folder + ".new", folder)
        folders[name] = folder

    make("warm-up", "mixed", 40, o.seed + 3)
    if "mixed" in o.corpus:
        make("mixed", "mixed", o.mails, o.seed)
    if "outbreak" in o.corpus:
        make("outbreak", "outbreak", o.mails, o.seed + 1)
    if o.open_loop:
        # other mails than those of the closed loop: caches must not know them
        make("open", "mixed", o.open_mails or o.mails, o.seed + 2)
    return folders


def machine():
    model = platform.processor()
    try:
        with open("/proc/cpuinfo") as f:
            model = next((x.split(":")[1].strip() for x in f if x.startswith("model name")), model)
        with open("/proc/meminfo") as f:
            memory = int(f.readline().split()[1]) // 1024
    except OSError:
        memory = 0
    return {"cpu": model, "processors": os.cpu_count(), "memory_mb": memory,
            "kernel": platform.release(), "load_average": os.getloadavg()[0]}
