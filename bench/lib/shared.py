"""Modules of the live tests that the benchmark uses, too: they stand in tests/live/lib."""
import importlib.util
import os

from .programs import ROOT


def load(name):
    path = os.path.join(ROOT, "tests", "live", "lib", name + ".py")
    spec = importlib.util.spec_from_file_location("cordon_tests_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


debian = load("debian")
smtp_load = load("smtp_load")
