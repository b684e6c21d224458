"""Proves properties of single blocks of the emitted kernel, and prints a table of what was proved.

    formal_proofs [--quick] [--mode MODE] [--jobs N] [BLOCK...]

Each block has a file of properties in hdl/formal, which is placed at the end of the emitted module, so that it sees
the registers inside; the module and those below it are then given to SymbiYosys. A block is tried by

    prove   k-induction: the properties hold in every cycle, however long the kernel runs
    bmc     no counterexample within so many cycles after the reset
    cover   what the properties talk about can happen at all within the assumptions

Exit status 1 if a property fails or a cover is not reached, 2 if something is missing.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = ROOT / "hdl" / "formal"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
GEOMETRY = "128-b2"
KERNEL = "ternary_gemv"


class ProofError(Exception):
    """A file, module or program is not as expected."""


@dataclass(frozen=True)
class Task:
    """One run of SymbiYosys."""

    mode: str
    depth: int
    quick_depth: int = 0
    """Depth with --quick; in either, 0 leaves the task out."""


@dataclass(frozen=True)
class Block:
    """Modules of the kernel, alike but for their widths, and what is tried on each."""

    name: str
    modules: tuple
    tasks: tuple
    what: str
    abstract: tuple = ()
    """Blocks inside whose outputs are left free; the properties say what is known of them."""


BLOCKS = (
    Block(
        "axi_read_master",
        ("weight_reader", "data_reader"),
        (Task("prove", 3, 0), Task("bmc", 0, 6), Task("cover", 40, 0)),
        "AR held, bursts within a block, no more than the room, all of a run asked for, idle and abort",
    ),
    Block(
        "axi_write_master",
        ("writer",),
        (Task("prove", 2, 2), Task("cover", 22, 0)),
        "AW and W held, WLAST and strobes, W after its AW, settled and completed after all answers",
    ),
    Block(
        "stream_control",
        ("stream",),
        (Task("prove", 2, 2), Task("cover", 16, 0)),
        "credits conserved, none taken that is not there, each command ends once",
    ),
    Block(
        "beat_fifo",
        ("result_fifo", "weight_fifo"),
        (Task("prove", 2, 2), Task("cover", 20, 0)),
        "each item comes out once and in order, within the depth; valid and level; the output while it is held",
        abstract=("ram",),
    ),
    Block(
        "hold_ram",
        ("result_fifo_ram",),
        (Task("prove", 2, 2), Task("cover", 6, 0)),
        "the RAM of the FIFOs is as `beat_fifo.sv` assumes it",
    ),
    Block(
        "command_queue",
        ("stream_queue", "write_queue"),
        (Task("prove", 2, 2), Task("cover", 20, 0)),
        "each entry comes out once and in order, within 8; valid",
    ),
    Block(
        "run_list",
        ("front_end_run_list",),
        (Task("prove", 2, 2), Task("cover", 20, 0)),
        "each entry comes out once and in order; open until the last was taken",
    ),
    Block(
        "front_end",
        ("front_end",),
        (Task("prove", 2, 2), Task("cover", 26, 0)),
        "ring records before TAIL only, overrun refused, in flight at most 8, done when none is",
    ),
)


def main():
    parser = argparse.ArgumentParser(prog="scripts/formal", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="lower depths, for CI")
    parser.add_argument("--mode", choices=("prove", "bmc", "cover"), help="only these runs")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (2)")
    parser.add_argument("blocks", nargs="*", metavar="BLOCK", help="only these blocks")
    arguments = parser.parse_args()
    known = {block.name: block for block in BLOCKS}
    for name in arguments.blocks:
        if name not in known:
            raise ProofError(f"no block {name}; there are: {', '.join(known)}")
    blocks = [known[name] for name in arguments.blocks] or BLOCKS

    modules = emitted_modules()
    runs = []
    for block in blocks:
        for task in block.tasks:
            depth = task.quick_depth if arguments.quick else task.depth
            if depth and arguments.mode in (None, task.mode):
                for module in block.modules:
                    runs.append((block, module, task, depth, with_properties(block, module, modules)))
    with ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        rows = list(pool.map(lambda run: prove(*run), runs))
    table = table_of(rows)
    print(table)
    if all(row[-1] for row in rows) and not (arguments.quick or arguments.mode or arguments.blocks):
        write_table(PROPERTIES / "README.md", table)
    return 0 if all(row[-1] for row in rows) else 1


def emitted_modules():
    """The text of every module of the kernel, by name."""
    program = TARGET / "debug" / "examples" / "verilog"
    done = subprocess.run([program, GEOMETRY], capture_output=True, text=True)
    if done.returncode != 0:
        raise ProofError(f"{program} failed: {done.stderr.strip()}")
    pattern = re.compile(r"^module (\w+)\(.*?^endmodule", re.S | re.M)
    return {found[1]: found[0] for found in pattern.finditer(done.stdout)}


def with_properties(block, module, modules):
    """The module with the properties of `block`, and the modules below it."""
    top = f"{KERNEL}_{module}"
    if top not in modules:
        raise ProofError(f"the {GEOMETRY} kernel has no module {top}: adapt {__file__}")
    properties = (PROPERTIES / f"{block.name}.sv").read_text()
    body = modules[top].removesuffix("endmodule")
    below = {name: text for name, text in modules.items() if name.startswith(top + "_")}
    for name in block.abstract:
        below[f"{top}_{name}"] = left_free(below.get(f"{top}_{name}"), f"{top}_{name}")
    below = below.values()
    return "\n".join([body + properties + "endmodule", *below, ""])


def left_free(module, name):
    """The module with nothing inside: its outputs are whatever they like in every cycle."""
    if module is None:
        raise ProofError(f"the {GEOMETRY} kernel has no module {name}: adapt {__file__}")
    ports = re.match(r"module .*?\);.*?(?=\n\s*// (?:Update|Stub|Local))", module, re.S)
    outputs = re.findall(r"output reg\s+(\[\d+:\d+\])?\s*(\w+);", module)
    if not ports or not outputs:
        raise ProofError(f"module {name} is not of the form that is known: adapt {__file__}")
    free = [f"(* anyseq *) reg {w} f_{o}; always @(*) {o} = f_{o};" for w, o in outputs]
    return "\n".join([ports[0], *free, "endmodule"])


def prove(block, module, task, depth, text):
    """Runs SymbiYosys. Returns a row of the table, whose last column says whether it passed."""
    folder = TARGET / "formal" / f"{block.name}-{module}-{task.mode}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "block.sv").write_text(text)
    (folder / "task.sby").write_text(
        f"""[options]
mode {task.mode}
depth {depth}

[engines]
smtbmc z3

[script]
read_verilog -formal -sv block.sv
prep -flatten -top {KERNEL}_{module}

[files]
block.sv
"""
    )
    begin = time.monotonic()
    sby = Path(sys.executable).with_name("sby")
    paths = os.pathsep.join([str(sby.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sby, "-f", "task.sby"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": paths},
    )
    seconds = time.monotonic() - begin
    log = done.stdout + done.stderr
    counted = len(re.findall(r"\b%s \(" % ("cover" if task.mode == "cover" else "assert"), text))
    result = re.search(r"DONE \((\w+)", log)
    result = result[1] if result else "ERROR"
    passed = result == "PASS"
    say(f"{block.name} on {module}, {task.mode} depth {depth}: {result} ({seconds:.0f} s)")
    if not passed:
        wanted = re.compile(r"fail|unreached|rror|Unreached|Assert|counterexample", re.I)
        for line in [line for line in log.splitlines() if wanted.search(line)][-25:]:
            say(f"    {line}")
        say(f"    log and trace: {folder / 'task'}")
    meaning = {
        "prove": f"proved ({depth}-induction)",
        "bmc": f"no counterexample in {depth} cycles",
        "cover": f"all reached within {depth} cycles",
    }
    said = meaning[task.mode] if passed else f"**{result}**"
    return (block.name, module, block.what, counted, task.mode, "smtbmc z3", said, passed)


def table_of(rows):
    lines = ["| block | module | what | properties | mode | engine | result |", "|---|---|---|---|---|---|---|"]
    for name, module, what, counted, mode, engine, said, _ in rows:
        what = "the assumptions leave room" if mode == "cover" else what
        lines.append(f"| `{name}.sv` | `{module}` | {what} | {counted} | {mode} | {engine} | {said} |")
    return "\n".join(lines) + "\n"


def write_table(file, table):
    """Replaces what stands between the markers of `file`."""
    begin, end = "<!-- proofs: written by scripts/formal -->\n", "<!-- end of proofs -->"
    text = file.read_text()
    if begin not in text or end not in text:
        raise ProofError(f"{file}: no lines `{begin.strip()}` and `{end}`")
    before, rest = text.split(begin, 1)
    file.write_text(before + begin + table + end + rest.split(end, 1)[1])


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ProofError, OSError) as error:
        say(f"error: {error}")
        sys.exit(2)
