"""Resources of a kernel on Xilinx UltraScale+, as yosys counts them after synthesis."""

import json
import re

from tools import ToolError, yosys

# LUT sites of a SLICEM that one cell of distributed RAM or shift register takes (UG974).
LUTRAM_SITES = {
    "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4,
    "RAM256X1S": 4, "RAM256X1D": 8, "RAM512X1S": 8, "RAM32M": 4, "RAM32M16": 8, "RAM64M": 4,
    "RAM64M8": 8, "RAM64X8SW": 8, "RAM32X16DR8": 8,
}
SHIFT_SITES = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
BRAM36 = {"RAMB36E2": 1.0, "RAMB18E2": 0.5}
CARRY4 = {"CARRY4": 1, "CARRY8": 2}
FLIP_FLOPS = {"FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1"}
# Buffers, slice multiplexers and yosys' own notes: no resource that a floorplan runs out of.
UNCOUNTED = {"IBUF", "OBUF", "OBUFT", "BUFG", "MUXF7", "MUXF8", "MUXF9", "VCC", "GND", "$scopeinfo"}

COLUMNS = [
    "geometry", "lanes", "batch", "lut", "lutram_cells", "lutram_lut", "shift_lut", "ff", "carry4",
    "bram36", "uram", "dsp", "latches", "tool",
]

SCRIPT = (
    "read_verilog {verilog}; synth_xilinx -family xcup -flatten -top {top}; check -assert; "
    "tee -q -o stat.json stat -json"
)


def synthesise(kernel):
    """Cells of the kernel by type."""
    yosys(SCRIPT.format(verilog=kernel.VERILOG, top=kernel.TOP), kernel.folder)
    with open(kernel.folder / "stat.json") as text:
        return json.load(text)["design"]["num_cells_by_type"]


def resources(cells):
    """Counts by column. A cell type that nobody classified is an error, so nothing goes uncounted."""
    total = dict.fromkeys(COLUMNS[3:-1], 0)
    total["bram36"] = 0.0
    for kind, count in cells.items():
        if re.fullmatch(r"LUT[1-6]|INV", kind):
            total["lut"] += count
        elif kind in LUTRAM_SITES:
            total["lutram_cells"] += count
            total["lutram_lut"] += count * LUTRAM_SITES[kind]
        elif kind in SHIFT_SITES:
            total["shift_lut"] += count * SHIFT_SITES[kind]
        elif kind in BRAM36:
            total["bram36"] += count * BRAM36[kind]
        elif kind in CARRY4:
            total["carry4"] += count * CARRY4[kind]
        elif kind in FLIP_FLOPS:
            total["ff"] += count
        elif kind.startswith("URAM288"):
            total["uram"] += count
        elif kind == "DSP48E2":
            total["dsp"] += count
        elif re.fullmatch(r"LD[CP]E(_1)?", kind) or "latch" in kind:
            total["latches"] += count
        elif kind not in UNCOUNTED and not kind.startswith("ternary_gemv_"):  # a module kept: its cells count
            raise ToolError(f"yosys wrote {count} cells of type {kind}, which no column counts")
    if total["latches"]:
        raise ToolError(f"{total['latches']} latches; a kernel has none")
    return total


def row(kernel, tool):
    counts = resources(synthesise(kernel))
    counts.update(geometry=kernel.geometry, lanes=kernel.lanes, batch=kernel.batch, tool=tool)
    counts["bram36"] = f"{counts['bram36']:g}"
    return {column: str(counts[column]) for column in COLUMNS}
