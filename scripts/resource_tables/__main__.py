"""Writes hdl/resources: what each kernel takes on Xilinx UltraScale+ and on an ECP5-85k.

Usage: scripts/resources [--check] [--only xilinx|ecp5] [-j JOBS] [GEOMETRY...]
       scripts/resources --vivado DIR [--part PART] [--clock-mhz F] GEOMETRY...

Without a geometry all are synthesised; with some, the other rows stay as they are. With --check nothing
is written: differences are printed, and the exit status is 1. A second run writes the same bytes. The 512-bit
kernels take minutes and some GB each. With --vivado nothing of that is done: kernels go through Vivado, out of context,
and the figures into DIR.
"""

import argparse
import csv
import difflib
import io
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ecp5
import readme
import vivado
import xilinx
from tools import Kernel, ToolError, geometries, nextpnr_version, say, yosys_version

FOLDER = Path("hdl/resources")
XILINX_FILE, ECP5_FILE, README_FILE = "xilinx-ultrascale-plus.csv", "ecp5-85k.csv", "README.md"
# The one kernel that is placed and routed: its wrapper leaves room on the device.
ECP5_GEOMETRY = "128-b2"


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/resources", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--only", choices=["xilinx", "ecp5"], help="one of the tables (default: both)")
    parser.add_argument("--vivado", metavar="DIR", type=Path, help="put kernels through Vivado, out of context")
    parser.add_argument("--part", default=vivado.PART, help="part for Vivado (default: %(default)s)")
    parser.add_argument("--clock-mhz", type=float, default=vivado.CLOCK_MHZ, help="clock for Vivado (default: %(default)g)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="tools that run at a time")
    parser.add_argument("geometry", nargs="*", help="kernels to synthesise (default: all)")
    return parser.parse_args()


def main():
    args = arguments()
    known = geometries()
    for name in args.geometry:
        if name not in known:
            raise ToolError(f"no kernel `{name}`; there are {', '.join(known)}")
    wanted = list(dict.fromkeys(args.geometry)) or known
    if args.vivado:
        if not args.geometry:
            raise ToolError("--vivado: name the kernels, such as 512-b3; each takes long")
        if not args.clock_mhz > 0:
            raise ToolError(f"--clock-mhz {args.clock_mhz}: expected more than 0")
        vivado.compare(wanted, args.part, args.clock_mhz, args.vivado, committed(XILINX_FILE))
        return 0
    with tempfile.TemporaryDirectory(prefix="tercet-resources-") as scratch:
        tables = [args.only] if args.only else ["xilinx", "ecp5"]
        xilinx_new, ecp5_new = measure(wanted, tables, Path(scratch), max(1, args.jobs))
    xilinx_rows = merged(XILINX_FILE, xilinx_new, known)
    ecp5_rows = merged(ECP5_FILE, ecp5_new, [ECP5_GEOMETRY])
    texts = {
        XILINX_FILE: csv_text(xilinx.COLUMNS, xilinx_rows),
        ECP5_FILE: csv_text(ecp5.COLUMNS, ecp5_rows),
        README_FILE: readme.page(xilinx_rows, ecp5_rows, ecp5.TARGET_MHZ),
    }
    return check(texts) if args.check else write(texts)


def measure(wanted, tables, scratch, jobs):
    """Rows of the wanted kernels: (Xilinx, ECP5)."""
    yosys, both = yosys_version(), f"{yosys_version()}, {nextpnr_version()}"
    on_xilinx_wanted = wanted if "xilinx" in tables else []
    on_ecp5_wanted = "ecp5" in tables and ECP5_GEOMETRY in wanted

    def on_xilinx(name):
        found = xilinx.row(Kernel(name, scratch / f"xilinx-{name}"), yosys)
        say(f"{name} on UltraScale+: {found['lut']} LUT, {found['ff']} FF")
        return found

    def on_ecp5(kernel, seed):
        found = ecp5.row(kernel, seed, ecp5.place_and_route(kernel, seed), both)
        say(f"{kernel.geometry} on ECP5, seed {seed}: {found['fmax_mhz']} MHz")
        return found

    with ThreadPoolExecutor(jobs) as pool:
        routed = []
        if on_ecp5_wanted:
            kernel = Kernel(ECP5_GEOMETRY, scratch / "ecp5")
            netlist = pool.submit(ecp5.synthesise, kernel)
        rows = [pool.submit(on_xilinx, name) for name in on_xilinx_wanted]
        try:
            if on_ecp5_wanted:
                netlist.result()
                routed = [pool.submit(on_ecp5, kernel, seed) for seed in ecp5.SEEDS]
            return [row.result() for row in rows], [row.result() for row in routed]
        except ToolError:
            pool.shutdown(cancel_futures=True)
            raise


def committed(file):
    """Rows of a table."""
    path = FOLDER / file
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []


def merged(file, new, known):
    """The committed rows with the new ones in their place, in the order of `known`."""
    done = {row["geometry"] for row in new}
    rows = new + [row for row in committed(file) if row["geometry"] in known and row["geometry"] not in done]
    return sorted(rows, key=lambda row: known.index(row["geometry"]))


def csv_text(columns, rows):
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def write(texts):
    FOLDER.mkdir(exist_ok=True)
    for file, text in texts.items():
        (FOLDER / file).write_text(text)
        say(f"wrote {FOLDER / file}")
    return 0


def check(texts):
    differs = False
    for file, text in texts.items():
        path = FOLDER / file
        old = path.read_text() if path.exists() else ""
        for line in difflib.unified_diff(
            old.splitlines(), text.splitlines(), f"{path} (committed)", f"{path} (now)", lineterm="", n=0
        ):
            differs = True
            print(line)
    say("the tables differ: run scripts/resources" if differs else "the tables are as committed")
    return 1 if differs else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToolError as error:
        say(f"error: {error}")
        sys.exit(2)
