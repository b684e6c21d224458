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


# What dp16kd.v takes for granted.
BLOCK_RAM_PINS = {
    **dict.fromkeys(["RSTA", "RSTB", *(f"CS{port}{bit}" for port in "AB" for bit in "012")], "1'h0"),
    "REGMODE_A": '"NOREG"', "REGMODE_B": '"NOREG"', "CLKAMUX": '"CLKA"', "CLKBMUX": '"CLKB"',
    "CSDECODE_A": '"0b000"', "CSDECODE_B": '"0b000"',
}


def check_block_rams(netlist):
    """That every block RAM is of the form that the model has."""
    for text in re.findall(rf"^ *{BLOCK_RAM} #\(.*?^ *\);", netlist, re.S | re.M):
        pins = dict(re.findall(r"\.(\w+)\(((?:[^()]|\([^()]*\))*)\)", text))
        wrong = [pin for pin, value in BLOCK_RAM_PINS.items() if pins.get(pin, value) != value]
        wrong += [pin for pin, value in pins.items() if pin.startswith("INITVAL") and int(value.split("h")[1], 16)]
        wrong += [mode for mode in ["WRITEMODE_A", "WRITEMODE_B"]
                  if pins.get(mode, '"READBEFOREWRITE"') != '"READBEFOREWRITE"']
        # A port without a clock does nothing.
        if pins["CLKA"] != pins["CLKB"] and not (pins["CLKB"] == "1'h0" and pins["CEB"] == "1'h0"):
            wrong.append("CLKB")
        if wrong:
            raise NetlistError(f"a block RAM of another form than dp16kd.v has: {wrong[0]} is {pins[wrong[0]]}")


def simulated(netlist, share):
    """The netlist and its cells. `share` is yosys' folder for the family."""
    check_block_rams(netlist)
    netlist = re.sub(r"^ *\.INITVAL_\w\w\(320'h0+\),?\n", "", netlist, flags=re.M)
    library = expand(share, "cells_sim.v")
    todo, done, cells = instances(netlist), {BLOCK_RAM}, ""
    while todo - done:
        name = min(todo - done)
        text = module(library, name)
        cells, todo = cells + text, todo | instances(text)
        done.add(name)
    return PRAGMAS + netlist + cells + Path(__file__).with_name("dp16kd.v").read_text()
