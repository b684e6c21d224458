"""The netlist of a synthesised board as Verilog that Verilator simulates: the cells, what yosys says they mean, and
block RAM as dp16kd.v has it."""

import re
from pathlib import Path

BLOCK_RAM = "DP16KD"
# Pins that a cell's parameters make it ignore are left open; yosys' cells compare strings of two lengths and set RAM
# with "<=" at the start.
PRAGMAS = "".join(f"/* verilator lint_off {rule} */\n" for rule in ["PINMISSING", "WIDTH", "INITIALDLY"])


class NetlistError(Exception):
    """The netlist has what this does not know."""


def expand(folder, name):
    """A Verilog file of yosys with what it includes."""
    text = (folder / name).read_text()
    return re.sub(r'`include "([^"]+)"', lambda found: expand(folder, found[1]), text)


def module(text, name):
    """A module out of `text`, without its timing."""
    found = re.search(rf"^module {name}\b.*?^endmodule", text, re.S | re.M)
    if not found:
        raise NetlistError(f"the netlist has a cell {name}, which yosys does not describe")
    return re.sub(r"\bspecify\b.*?\bendspecify", "", found[0], flags=re.S) + "\n"


def instances(text):
    return set(re.findall(r"^\s*(?:\(\*.*?\*\)\s*)?([A-Z]\w*) (?:#\(|\w+ ?\()", text, re.M))


def simulated(netlist, share):
    """The netlist and its cells. `share` is yosys' folder for the family."""
    if re.search(r"INITVAL_\w\w\(320'h[0-9a-f]*[1-9a-fx]", netlist):
        raise NetlistError("a block RAM starts with other contents than zeros")
    netlist = re.sub(r"^ *\.INITVAL_\w\w\(320'h0+\),?\n", "", netlist, flags=re.M)
    library = expand(share, "cells_sim.v")
    todo, done, cells = instances(netlist), {BLOCK_RAM}, ""
    while todo - done:
        name = min(todo - done)
        text = module(library, name)
        cells, todo = cells + text, todo | instances(text)
        done.add(name)
    return PRAGMAS + netlist + cells + Path(__file__).with_name("dp16kd.v").read_text()
