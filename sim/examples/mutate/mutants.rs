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
pub const MUTANTS: [Mutant; 52] = [
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
        "(room_left_q >= ((burst_q) & 9'h1ff))",
        "1'b1",
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
        "run that ends at a block goes on",
        "weight_reader",
        "rest = left <= ",
        "rest = left < ",
    ),
    mutant(
        "room not given back",
        "weight_reader",
        "room_left_q + returned - asked;",
        "room_left_q - asked;",
    ),
    mutant(
        "room not given back after an error",
        "weight_reader",
        "if (free_all) begin",
        "if (1'b0) begin",
    ),
    mutant(
        "room of what is passed on not given back",
        "data_reader",
        "if (at_once) begin",
        "if (1'b0) begin",
    ),
    mutant(
        "beat shown before it is in the RAM",
        "weight_fifo",
        "not_empty_d = read_pointer_q != write_pointer_q;",
        "not_empty_d = read_pointer_q != write_pointer_d;",
    ),
    mutant(
        "FIFO pointer not advanced by a read",
        "result_fifo",
        "after_read = read_pointer_q + 32'h1;",
        "after_read = read_pointer_q + 32'h2;",
    ),
    mutant(
        "FIFO not held beside a completion",
        "result_fifo",
        "ram_hold = hold;",
        "ram_hold = 1'b0;",
    ),
    mutant(
        "FIFO held beside results",
        "writer",
        "beat_hold = completing;",
        "beat_hold = completing | streaming;",
    ),
    mutant(
        "command taken twice from a queue",
        "stream_queue",
        "shown <= waiting;",
        "shown <= waiting | shown;",
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
        "(credit_q | ~needs_credit_q)",
        "(1'b1 | ~needs_credit_q)",
    ),
    mutant(
        "no credit for a last beat that is not full",
        "stream",
        "needs_credit_d = ends_weight_after & (fills_beat_after | is_last_row_after);",
        "needs_credit_d = ends_weight_after & fills_beat_after;",
    ),
    mutant(
        "command ends by its rows only",
        "stream",
        "(ends_weight_after & is_last_row_after) | (beats_left_q == two_beats_left);",
        "ends_weight_after & is_last_row_after;",
    ),
    mutant(
        "command ends by its beats only",
        "stream",
        "is_end_d = (ends_weight_after & is_last_row_after) | ",
        "is_end_d = ",
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
        "blocked = running_q & beat_valid & (needs_credit_q & ~credit_q);",
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
        "negative lane not carried in",
        "data_path_lanes_0_dot",
        " + {8'b0, neg[29]};",
        ";",
    ),
    mutant(
        "carry owed to a lane of stage 0 dropped",
        "data_path_lanes_0_dot",
        " + {8'b0, owed1_after19};",
        ";",
    ),
    mutant(
        "carry owed to a lane of stage 0 a cycle early",
        "data_path_lanes_0_dot",
        "{9'b0, owed2_after20};",
        "{9'b0, owed2_after19};",
    ),
    mutant(
        "row begins with the row before",
        "data_path_lanes_0_accumulator",
        "total_d = base + wide;",
        "total_d = total_q + wide;",
    ),
    quick(mutant(
        "digits combined as 2y",
        "data_path_lanes_0_accumulator",
        "base = total_q + (total_q << 32'h1);",
        "base = total_q << 32'h1;",
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
        "whole = ~(is_rest_q & last_of_burst) | (last_words_q == 32'h0);",
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
        "if (((level) & 8'hff) >= ((burst_q) & 8'hff)) begin",
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
        "overrun_d = ring & (submitted > count);",
        "overrun_d = ring & (submitted >= count);",
    ),
    mutant(
        "ring does not go round",
        "front_end",
        "wraps_d = ring & ((slot_q + 32'h1) == count);",
        "wraps_d = 1'b0;",
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
    mutant(
        "entry of a run list overwritten before it is taken",
        "front_end_run_list",
        "full_register_q & (~offered_q | take);",
        "full_register_q;",
    ),
    mutant(
        "last entry of a run list not known",
        "front_end_run_list",
        "is_last_d = entries_left_q == one_left;",
        "is_last_d = 1'b0;",
    ),
    mutant(
        "end of a matrix in a run list not seen",
        "front_end",
        "none_to_go_d = run_list_beats == to_go;",
        "none_to_go_d = 1'b0;",
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
