"""Speed and size of a kernel placed and routed on an ECP5-85k.

No package has pins for the kernel's buses, so a wrapper stands around it: one shift register
drives all inputs, and the outputs go to registers of their own, whose exclusive-or chain leaves at
one pin. Every port is used, nothing is optimised away, and no logic stands between the wrapper's
registers and the kernel's ports.
"""

import json

from tools import ToolError, nextpnr_ecp5, yosys

WRAPPER = "wrapper"
CLOCK = "ap_clk"
# What the placer aims at, out of reach on purpose. Changing it changes the results.
TARGET_MHZ = 150
SEEDS = [1, 2, 3]

COLUMNS = [
    "geometry", "seed", "fmax_mhz", "trellis_comb", "trellis_ff", "dp16kd", "mult18x18d", "source", "sink",
    "tool",
]


def ports(kernel):
    """The kernel's ports: (name, direction, bits)."""
    yosys(f"read_verilog -lib {kernel.VERILOG}; write_json ports.json", kernel.folder)
    with open(kernel.folder / "ports.json") as text:
        found = json.load(text)["modules"][kernel.TOP]["ports"]
    return [(name, port["direction"], len(port["bits"])) for name, port in found.items()]


def wrapper(kernel, kernel_ports):
    """Verilog of the wrapper."""
    widths = {"input": 0, "output": 0}
    connections = [f".{CLOCK}(clock)"]
    for name, direction, bits in kernel_ports:
        if name == CLOCK:
            continue
        low = widths[direction]
        widths[direction] += bits
        connections.append(f".{name}({direction}s[{low} +: {bits}])")
    ins, outs = widths["input"], widths["output"]
    return f"""\
module {WRAPPER}(input clock, input scan_in, output scan_out);
    reg [{ins - 1}:0] inputs;
    wire [{outs - 1}:0] outputs;
    reg [{outs - 1}:0] caught;
    reg [{outs - 1}:0] chain;
    assign scan_out = chain[{outs - 1}];
    always @(posedge clock) begin
        inputs <= {{inputs[{ins - 2}:0], scan_in}};
        caught <= outputs;
        chain <= {{chain[{outs - 2}:0], 1'b0}} ^ caught;
    end
    {kernel.TOP} kernel({", ".join(connections)});
endmodule
"""


def synthesise(kernel):
    """Writes wrapper.json, the netlist for nextpnr."""
    (kernel.folder / "wrapper.v").write_text(wrapper(kernel, ports(kernel)))
    script = f"read_verilog {kernel.VERILOG} wrapper.v; synth_ecp5 -top {WRAPPER} -json wrapper.json"
    yosys(script, kernel.folder)


def place_and_route(kernel, seed):
    """nextpnr's report for one seed."""
    report = f"report-{seed}.json"
    nextpnr_ecp5(
        ["--85k", "--package", "CABGA756", "--speed", "6", "--json", "wrapper.json", "--seed", seed,
         "--freq", TARGET_MHZ, "--timing-allow-fail", "--lpf-allow-unconstrained", "--report", report],
        kernel.folder,
    )
    with open(kernel.folder / report) as text:
        return json.load(text)


def row(kernel, seed, report, tool):
    clocks = report["fmax"]
    if len(clocks) != 1:
        raise ToolError(f"one clock expected, nextpnr reports {sorted(clocks)}")
    (clock, speed), = clocks.items()
    inside = [p for p in report["critical_paths"] if clock in p["from"] and clock in p["to"]]
    if len(inside) != 1:
        raise ToolError(f"one critical path from clock to clock expected, found {len(inside)}")
    path = inside[0]["path"]
    used = {kind: count["used"] for kind, count in report["utilization"].items()}
    return {
        "geometry": kernel.geometry,
        "seed": str(seed),
        "fmax_mhz": f"{speed['achieved']:.1f}",
        "trellis_comb": str(used["TRELLIS_COMB"]),
        "trellis_ff": str(used["TRELLIS_FF"]),
        "dp16kd": str(used["DP16KD"]),
        "mult18x18d": str(used["MULT18X18D"]),
        "source": _end(path[0]["from"]),
        "sink": _end(path[-1]["to"]),
        "tool": tool,
    }


def _end(end):
    """Cell and port of one end of a path."""
    return f"{end['cell']}.{end['port']}"
