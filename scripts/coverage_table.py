"""Makes the page of hdl/coverage.md from a merged coverage file of Verilator.

    coverage_table.py GEOMETRY VERILOG_PROGRAM MERGED
"""

import re
import subprocess
import sys
from collections import defaultdict

KERNEL = "ternary_gemv"

# Modules that are one register, RAM or constant; they count with the block around them.
SMALL = 30


def main(geometry, program, merged):
    verilog = subprocess.run([program, geometry], check=True, capture_output=True, text=True)
    lines = verilog.stdout.splitlines()
    block_of_line, block = [], ""
    bodies = re.finditer(r"^module (\w+)\(.*?^endmodule", verilog.stdout, re.S | re.M)
    size = {found[1]: found[0].count("\n") for found in bodies}
    for line in lines:
        found = re.match(r"module (\w+)\(", line)
        block = found[1] if found else block
        block_of_line.append(block)
    big = {name for name, count in size.items() if count > SMALL}

    def owner(module):
        while module not in big and "_" in module:
            module = module.rsplit("_", 1)[0]
        return module

    # (module, kind, point) -> count, over all instances.
    points = defaultdict(int)
    with open(merged, encoding="latin-1") as file:
        for text in file:
            found = re.match(r"C '(.*)' (\d+)$", text)
            if not found:
                continue
            field = dict(part.split("\x02", 1) for part in found[1].split("\x01") if "\x02" in part)
            kind = "toggle" if "toggle" in field.get("page", "") else "line"
            line = int(field["l"])
            points[block_of_line[line - 1], kind, line, field.get("o", "")] += int(found[2])

    table = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    missed = defaultdict(list)
    for (module, kind, line, what), count in sorted(points.items()):
        covered = table[owner(module)][kind]
        covered[0] += count > 0
        covered[1] += 1
        if kind == "line" and count == 0:
            missed[module].append((line, what))

    print(f"# Coverage of the {geometry} kernel\n")
    print(
        "Measured by Verilator while the checks of `scripts/mutate` run on the kernel without a fault; written by\n"
        "`scripts/coverage`. *Lines* are blocks of statements that ran at least once, *toggles* bits of signals that went\n"
        "both ways. Registers and RAMs count with the block that they are in. High bits of addresses and counters\n"
        "never toggle in runs of this length.\n"
    )
    print("| block | lines | toggles |\n|---|---|---|")
    total = defaultdict(lambda: [0, 0])
    for module in sorted(table):
        cells = []
        for kind in ("line", "toggle"):
            hit, of = table[module][kind]
            total[kind][0] += hit
            total[kind][1] += of
            cells.append(f"{hit}/{of} ({100 * hit / of:.0f} %)" if of else "-")
        name = module.removeprefix(KERNEL).lstrip("_") or "kernel"
        print(f"| `{name}` | {' | '.join(cells)} |")
    cells = [f"{100 * total[k][0] / max(1, total[k][1]):.1f} %" for k in ("line", "toggle")]
    print(f"| all | {' | '.join(cells)} |\n")
    print("Lines that did not run:\n\n| block | condition |\n|---|---|")
    for module, places in missed.items():
        name = module.removeprefix(KERNEL).lstrip("_") or "kernel"
        for line, what in places:
            text = lines[line - 1].strip().replace("|", "\\|")
            print(f"| `{name}` | `{text}` ({what}) |")


if __name__ == "__main__":
    main(*sys.argv[1:])
