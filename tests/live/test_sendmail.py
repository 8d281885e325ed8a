#!/usr/bin/env python3
"""A real Sendmail, private and on loopback, with cordond as its milter: see lib/mta_cases.py."""

from lib import mta_cases, runner

runner.main(mta_cases.make_fixture("sendmail"))
