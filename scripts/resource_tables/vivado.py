"""What Vivado makes of a kernel out of context, beside what yosys counts: for people who have Vivado."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

from tools import Kernel, ToolError, say

SCRIPT = Path(__file__).with_name("out_of_context.tcl")
# The U55C; others: xcu50-fsvh2104-2-e, xcu280-fsvh2892-2L-e, xcu250-figd2104-2L-e.
PART = "xcu55c-fsvh2892-2L-e"
CLOCK_MHZ = 250.0
# Rows of report_utilization, by column.
SITES = {"lut": "CLB LUTs", "ff": "CLB Registers", "bram36": "Block RAM Tile", "uram": "URAM", "dsp": "DSPs"}
COLUMNS = ["geometry", "part", "clock_mhz", *SITES, "slack_ns", "fmax_mhz", "tool"]
FILE = "vivado.csv"


def used(report):
    """Counts by column out of a report of utilisation."""
    found = {}
    for column, site in SITES.items():
        row = re.search(rf"^\|\s*{site}\*?\s*\|\s*([\d.]+)\s*\|", report, re.M)
        if not row:
            raise ToolError(f"no row `{site}` in Vivado's report of utilisation")
        found[column] = row[1]
    return found


def fmax(clock_mhz, slack_ns):
    """Clock at which the slowest path just fits."""
    return 1000 / (1000 / clock_mhz - slack_ns)


def row(geometry, part, clock_mhz, folder):
    """Runs Vivado for a kernel in `folder`."""
    kernel = Kernel(geometry, folder)
    command = [
        "vivado", "-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", SCRIPT.resolve(),
        "-tclargs", kernel.VERILOG, part, clock_mhz, ".",
    ]
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ToolError(f"vivado ended with status {done.returncode}, log in {folder / 'vivado.log'}:\n{tail}")
    facts = dict(line.split(" ", 1) for line in (folder / "slack.txt").read_text().splitlines())
    slack = float(facts["slack_ns"])
    counts = used((folder / "utilization.rpt").read_text())
    return {
        "geometry": geometry, "part": part, "clock_mhz": f"{clock_mhz:g}", **counts,
        "slack_ns": f"{slack:g}", "fmax_mhz": f"{fmax(clock_mhz, slack):.1f}", "tool": facts["tool"],
    }


def compare(wanted, part, clock_mhz, out, yosys_rows):
    """Kernels through Vivado into `out`; prints each beside yosys' count."""
    if not shutil.which("vivado"):
        raise ToolError("vivado is not on the PATH: source settings64.sh of Vivado first")
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in wanted:
        say(f"{name}: synthesis, placing and routing with Vivado")
        rows.append(row(name, part, clock_mhz, out / name))
        made = rows[-1]
        timing = "met" if float(made["slack_ns"]) >= 0 else "NOT met"
        say(f"{name}: {made['fmax_mhz']} MHz, timing at {clock_mhz:g} MHz {timing}")
        for yosys in (r for r in yosys_rows if r["geometry"] == name):
            luts = sum(int(yosys[c]) for c in ["lut", "lutram_lut", "shift_lut"])
            say(f"  LUT {made['lut']} (yosys {luts}), FF {made['ff']} (yosys {yosys['ff']}), "
                f"BRAM36 {made['bram36']} (yosys {yosys['bram36']})")
    with open(out / FILE, "w", newline="") as text:
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    say(f"wrote {out / FILE}")
