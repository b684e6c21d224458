"""The page beside the tables, written from their rows."""

# MerlijnW70/bitnet-kv260, docs/measurements.md: one engine, 16 bytes of base-3 weights a cycle, batch up to 4.
PUBLISHED = {"lanes": 80, "batch": 4, "lut": 4179, "ff": 1829, "bram36": 10, "uram": 10, "dsp": 0}


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _xilinx_rows(rows):
    for r in rows:
        lut = int(r["lut"]) + int(r["lutram_lut"]) + int(r["shift_lut"])
        lanes, batch = int(r["lanes"]), int(r["batch"])
        yield [
            r["geometry"], lanes, batch, lut, r["lutram_lut"], r["ff"], r["carry4"], r["bram36"], r["uram"],
            r["dsp"], f"{lut / lanes:.2f}", f"{lut / (lanes * batch):.2f}", f"synthesised ({r['tool']})",
        ]
    p = PUBLISHED
    yield [
        "bitnet-kv260 engine", p["lanes"], p["batch"], p["lut"], "", p["ff"], "", p["bram36"], p["uram"], p["dsp"],
        f"{p['lut'] / p['lanes']:.2f}", f"{p['lut'] / (p['lanes'] * p['batch']):.2f}",
        "published (MerlijnW70/bitnet-kv260, docs/measurements.md)",
    ]


def _ecp5_rows(rows):
    best = max(rows, key=lambda r: float(r["fmax_mhz"]), default=None)
    for r in rows:
        mark = " (best)" if r is best else ""
        yield [
            r["geometry"], r["seed"] + mark, r["fmax_mhz"], r["trellis_comb"], r["trellis_ff"], r["dp16kd"],
            f"`{r['source']}`", f"`{r['sink']}`", f"placed and routed ({r['tool']})",
        ]


def page(xilinx_rows, ecp5_rows, target_mhz):
    """Markdown of the page."""
    xilinx_head = [
        "kernel", "lanes", "batch", "LUT", "of these LUTRAM", "FF", "CARRY4", "BRAM36", "URAM", "DSP",
        "LUT per lane", "LUT per lane-vector", "tier",
    ]
    ecp5_head = ["kernel", "seed", "Fmax MHz", "COMB", "FF", "DP16KD", "from", "to", "tier"]
    return f"""\
# What a kernel takes

Written by `scripts/resources`; do not edit. `scripts/resources --check` compares. The figures are in
[xilinx-ultrascale-plus.csv](xilinx-ultrascale-plus.csv) and [ecp5-85k.csv](ecp5-85k.csv).

## Xilinx UltraScale+

{_table(xilinx_head, _xilinx_rows(xilinx_rows))}

yosys `synth_xilinx -family xcup -flatten` of the whole kernel, AXI ports and control included. Nothing is placed or
routed, so no clock is claimed, and Vivado may need fewer LUT: it packs two small tables into one and moves
inverters into their neighbours. LUT is LUT1 to LUT6, plus INV as yosys counts it, plus the LUT sites that
distributed RAM (RAM32M 4, RAM32M16 and RAM64M8 8, RAM32X1D 2) and shift registers (1 each) take. CARRY8 counts as two
CARRY4, BRAM36 is RAMB36E2 plus half of RAMB18E2. A lane-vector is one lane times one vector of the batch: what is
multiplied in a cycle. No kernel has a latch. The published engine is counted by Vivado after routing and takes
its weights as a stream, with the DMA outside.

## ECP5-85k

{_table(ecp5_head, _ecp5_rows(ecp5_rows))}

LFE5U-85F, CABGA756, speed grade 6, yosys `synth_ecp5`, placer target {target_mhz} MHz, one row a seed. The buses are
wider than any package, so registers stand at every port of the kernel (a shift register at the inputs, one register
at each output and an exclusive-or chain behind it); they are included in COMB and FF. From and to are the ends
of the slowest path. The figure is nextpnr's timing analysis, not a run on a board.
"""
