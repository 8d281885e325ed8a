#!/usr/bin/env python3
"""A real Postfix, private and on loopback, with cordond as its milter: see lib/mta_cases.py."""

from lib import mta_cases, runner

runner.main(mta_cases.make_fixture("postfix"))
