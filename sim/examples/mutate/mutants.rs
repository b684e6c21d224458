//! The faults: each a text of one module of the emitted kernel, found there exactly once, and what is put in
//! its place.

use crate::GEOMETRY;

/// One fault.
pub struct Mutant {
    pub name: &'static str,
    /// Instance path of the module, without the kernel's name.
    pub module: &'static str,
    pub find: &'static str,
    pub replace: &'static str,
    /// Is among the few of `--quick`.
    pub quick: bool,
}

const fn mutant(
    name: &'static str,
    module: &'static str,
    find: &'static str,
    replace: &'static str,
) -> Mutant {
    Mutant {
        name,
        module,
        find,
        replace,
        quick: false,
    }
}

const fn quick(m: Mutant) -> Mutant {
    Mutant { quick: true, ..m }
}

/// All faults, in the order of the data.
pub const MUTANTS: [Mutant; 37] = [
    mutant(
        "read burst one beat too long",
        "weight_reader",
        "burst_less_one = burst_q - 32'h1;",
        "burst_less_one = burst_q;",
    ),
    mutant(
        "read bursts not cut at a block",
        "weight_reader",
        "burst_d = to_boundary;",
        "burst_d = burst_beats;",
    ),
    mutant(
        "reads ahead of the room in the FIFO",
        "weight_reader",
        "(wanted <= room)",
        "(wanted <= (room << 1))",
    ),
    mutant(
        "read request withdrawn while stalled",
        "weight_reader",
        "if (arready) begin",
        "if (1'b1) begin",
    ),
    mutant(
        "idle while reads are outstanding",
        "data_reader",
        " & (in_flight_q == 32'h0);",
        ";",
    ),
    mutant(
        "beat shown before it is in the RAM",
        "weight_fifo",
        "visible_pointer_d = write_pointer_q;",
        "visible_pointer_d = write_pointer_d;",
    ),
    mutant(
        "FIFO pointer not advanced by a read",
        "result_fifo",
        "next_read = read_pointer_q + 32'h1;",
        "next_read = read_pointer_q + 32'h2;",
    ),
    quick(mutant(
        "credit never returned",
        "stream",
        "returned = 32'h1;",
        "returned = 32'h0;",
    )),
    mutant(
        "beats taken without a credit",
        "stream",
        "(credit_q | ~needs_credit)",
        "(1'b1 | ~needs_credit)",
    ),
    mutant(
        "error bit of a weight beat",
        "stream",
        "bad_beat_d = bad_beat_q | beat_error;",
        "bad_beat_d = bad_beat_q;",
    ),
    mutant(
        "starved counter",
        "stream",
        "starved = running_q & ~beat_valid;",
        "starved = ~beat_valid;",
    ),
    mutant(
        "blocked counter",
        "stream",
        "blocked = running_q & beat_valid & (needs_credit & ~credit_q);",
        "blocked = running_q & beat_valid & ~credit_q;",
    ),
    mutant(
        "credits not reset",
        "stream",
        "credits_d = all_credits;",
        "credits_d = next_credits;",
    ),
    quick(mutant(
        "table of one trit",
        "data_path_decode_b3_0",
        "(c6 & (c5 & (~c1 & c0)))",
        "(c6 & (c5 & (c1 & c0)))",
    )),
    mutant(
        "sign of one lane",
        "data_path_lanes_0_dot",
        "neg[29] ? ~",
        "neg[28] ? ~",
    ),
    mutant(
        "carry of one lane dropped",
        "data_path_lanes_0_dot",
        "{2'b0, k5_0_after1} + {2'b0, k5_1_after1};",
        "{2'b0, k5_0_after1};",
    ),
    mutant(
        "sign of one lane not counted",
        "data_path_skew",
        "{2'b0, neg5_0[2]} + {2'b0, neg5_0[3]};",
        "{2'b0, neg5_0[2]};",
    ),
    mutant(
        "row begins with the row before",
        "data_path_lanes_0_accumulator",
        "total_d = base + sum;",
        "total_d = total_q + sum;",
    ),
    quick(mutant(
        "digits combined as 2y",
        "data_path_lanes_0_accumulator",
        "tripled = combined_q + (combined_q << 32'h1);",
        "tripled = combined_q << 32'h1;",
    )),
    mutant(
        "row sum not sign-extended",
        "data_path_lanes_1_accumulator",
        " | high;",
        ";",
    ),
    mutant(
        "place in a beat of results",
        "data_path_packer",
        "words[127:96] <= results_1;",
        "words[127:96] <= results_0;",
    ),
    mutant(
        "place not begun again",
        "data_path_packer",
        "beat_end ? 1'd0 : place + 1'd1;",
        "place + 1'd1;",
    ),
    mutant(
        "strobes of a last beat",
        "writer",
        "whole = ~last_of_run;",
        "whole = 1'b1;",
    ),
    quick(mutant(
        "strobes of a vector that is not there",
        "writer",
        "vectors_d = entry_vectors;",
        "vectors_d = 3'h4;",
    )),
    mutant(
        "settled before the answers",
        "writer",
        "if (answers_due_q == 32'h0) begin",
        "if (1'b1) begin",
    ),
    mutant(
        "burst announced before its beats are there",
        "writer",
        "if (((level) & 16'hffff) >= burst_q) begin",
        "if (level != 32'h0) begin",
    ),
    mutant(
        "error bit of an activation beat",
        "data_path_loader",
        "error_d = error_q | beat_error;",
        "error_d = beat_error;",
    ),
    mutant(
        "second vector in the first one's place",
        "data_path_loader",
        "vector_count_d = vector_count_q + 32'h1;",
        "vector_count_d = vector_count_q;",
    ),
    mutant(
        "kept activations of another K",
        "front_end_command",
        "(command_k != loaded_k) | ",
        "",
    ),
    quick(mutant(
        "activation buffers not exchanged",
        "front_end",
        "buffer_d = ~buffer_q;",
        "buffer_d = buffer_q;",
    )),
    mutant(
        "load before the buffer is free",
        "front_end",
        "(read_ready & ~load_pending_q)",
        "read_ready",
    ),
    mutant(
        "ring overrun compared with >=",
        "front_end",
        "overrun_d = submitted > count;",
        "overrun_d = submitted >= count;",
    ),
    mutant(
        "ring does not go round",
        "front_end",
        "if (ring & ((slot_q + 32'h1) == count)) begin",
        "if (1'b0) begin",
    ),
    mutant(
        "error told before older commands end",
        "front_end",
        "(unsettled_q == 32'h0)",
        "1'b1",
    ),
    mutant(
        "fetch goes on after the last command",
        "front_end",
        "more_d = ~last_q;",
        "more_d = 1'b1;",
    ),
    mutant(
        "more in flight than the queues hold",
        "front_end",
        "if (in_flight_q != max_in_flight) begin",
        "if (1'b1) begin",
    ),
    mutant(
        "run begins at the matrix",
        "front_end",
        "weight_address = weights_at_q + entry_offset;",
        "weight_address = weights_at_q;",
    ),
];

/// The kernel with the fault. The error says that the fault's text is not there exactly once.
pub fn apply(verilog: &str, mutant: &Mutant) -> Result<String, String> {
    let head = format!("module ternary_gemv_{}(", mutant.module);
    let begin = verilog
        .find(&head)
        .ok_or_else(|| format!("{}: no module {} in {GEOMETRY}", mutant.name, mutant.module))?;
    let end = begin
        + verilog[begin..]
            .find("endmodule")
            .ok_or_else(|| format!("{}: module without an end", mutant.name))?;
    let module = &verilog[begin..end];
    let hits = module.matches(mutant.find).count();
    if hits != 1 {
        return Err(format!(
            "{}: `{}` stands {hits} times in module {}, expected once; \
             adapt sim/examples/mutate/mutants.rs to the emitted text",
            mutant.name, mutant.find, mutant.module
        ));
    }
    let changed = module.replacen(mutant.find, mutant.replace, 1);
    Ok([&verilog[..begin], &changed, &verilog[end..]].concat())
}
