"""Options that every benchmark has."""
import os

from .programs import ROOT


def add_options(p, filters):
    p.add_argument("--mails", type=int, default=1000, help="mails of each corpus (1000)")
    p.add_argument("--connections", type=int, default=8, help="connections of the closed loop (8)")
    p.add_argument("--per-connection", type=int, default=1, help="mails on one connection (1)")
    p.add_argument("--corpus", default="mixed,outbreak", help="mixed, outbreak, or both (both)")
    p.add_argument("--open-loop", type=float, default=0, metavar="RATE",
                   help="also send a mixed corpus at RATE mails a second")
    p.add_argument("--open-mails", type=int, default=0, help="mails of the open loop (--mails)")
    p.add_argument("--open-connections", type=int, default=100, help="most at once there (100)")
    p.add_argument("--only", default="", help="filters to run, by comma: " +
                   ", ".join(f[0] for f in filters))
    p.add_argument("--floor-rounds", type=int, default=5, help="rounds of the floor filters (5)")
    p.add_argument("--cordon", default=os.path.join(ROOT, "build/release/bin/cordond"),
                   help="cordond to measure (build/release/bin/cordond)")
    p.add_argument("--cordon-user", default="nobody", help="its user when started as root (nobody)")
    p.add_argument("--cordon-extra", default="", help="more lines for its configuration")
    p.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"),
                   help="where the bench_* programs are; compiled if they are not there")
    p.add_argument("--work", default=os.path.join(ROOT, "build/bench"),
                   help="folder for corpora, fetched packages and logs (build/bench)")
    p.add_argument("--timeout", type=int, default=60, help="seconds for one mail (60)")
    p.add_argument("--seed", type=int, default=1, help="of the corpora (1)")
    p.add_argument("--json", default="", metavar="FILE", help="write all figures there")


def finish_options(p, filters):
    """The options, with lists where lists are meant, and filters: those to run."""
    o = p.parse_args()
    o.work = os.path.abspath(o.work)
    o.corpus = o.corpus.split(",")
    names = o.only.split(",") if o.only else [f[0] for f in filters]
    o.filters = [f for f in filters if f[0] in names]
    unknown = set(names) - {f[0] for f in filters} | set(o.corpus) - {"mixed", "outbreak"}
    if unknown:
        p.error("unknown: " + ", ".join(sorted(unknown)))
    return o
