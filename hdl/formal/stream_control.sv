// Properties of stream_control, placed into the emitted module by scripts/formal.
//
// Assumed of the neighbours: reset first; entries of at least one row, beat and digit; the result FIFO gives back
// only credits that are out; activations are reported loaded once for a command that loads them.

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

wire [31:0] f_entry_beats = entry[beats_at +: 32];
wire [19:0] f_entry_rows = entry[rows_at +: 20];
wire [10:0] f_entry_row_beats = entry[row_beats_at +: 11];
wire [2:0] f_entry_digits = entry[digits_at +: 3];

// Credits taken and not given back.
reg [8:0] f_out = 0;
// A command has been taken from the queue, has its activations and has not ended.
reg f_open = 0;
// Its last beat was taken in the cycle before; its beats were not those of its rows, one came with an error.
reg f_ends = 0;
reg f_end_wrong = 0;
reg f_end_bad = 0;
wire f_end_fails = f_ends && (f_end_wrong || f_end_bad);
// A beat of the open command came with an error.
reg f_bad = 0;
// The activations that were loaded last met an error; the command of the cycle before wanted them.
reg f_load_bad = 0;
reg f_refused = 0;
// Of the command: weight rows and beats that it still needs; beats it announced.
reg [31:0] f_beats_taken = 0;
reg [31:0] f_announced = 0;
reg [5:0] f_needed = 0;
// Of the command that ended in the cycle before.
reg [31:0] f_beats_ended = 0;
reg [31:0] f_announced_ended = 0;

wire f_spends = take && row_end && last_digit && beat_end;

always @(posedge clock) begin
    f_out <= f_out + f_spends - credit_back;
    f_ends <= ends;
    f_beats_ended <= f_beats_taken + 1;
    f_announced_ended <= f_announced;
    f_end_wrong <= !(ends_matrix && f_beats_taken + 1 == f_announced);
    f_end_bad <= f_bad || beat_error;
    f_bad <= !entry_taken && (f_bad || (take && beat_error));
    if (loaded) f_load_bad <= load_failed;
    f_refused <= load_taken && f_load_bad;
    if (entry_taken) begin
        f_open <= !(load_taken && f_load_bad);
        f_beats_taken <= 0;
        f_announced <= f_entry_beats;
        f_needed <= f_entry_rows[1:0] * f_entry_digits[1:0] * f_entry_row_beats[1:0];
    end else if (ends) begin
        f_open <= 0;
    end
    if (take && !entry_taken) f_beats_taken <= f_beats_taken + 1;
    if (reset) begin
        f_out <= 0;
        f_open <= 0;
        f_ends <= 0;
        f_refused <= 0;
    end
end

// A halt lasts until the reset that follows it.
reg f_halted = 0;
always @(posedge clock) f_halted <= (f_halted || halt) && !reset;
always @(*) assume (!f_halted || halt || reset);

always @(*) begin
    assume (!credit_back || f_out != 0);
    if (entry_valid) begin
        assume (f_entry_beats != 0 && f_entry_rows != 0 && f_entry_row_beats != 0);
        assume (f_entry_digits != 0 && f_entry_digits <= 5);
    end
end
always @(posedge clock) if (f_past && $past(entry_valid && !entry_taken)) begin
    assume (entry_valid && $stable(entry));
end

always @(*) if (f_past && !reset) begin
    // Credits are neither made nor lost, and a beat that needs one gets one.
    credits_conserved: assert (credits_q <= all_credits && f_out == all_credits - credits_q);
    if (f_spends) credit_there: assert (credits_q != 0);
    if (take) take_of_a_beat: assert (beat_valid && f_open);
    waits_for_one_thing: assert (!(starved && blocked) && !(take && (starved || blocked)));
    if (running_q) one_of_three: assert (take || starved || blocked);
    // One command at a time; its end is told once, a cycle after its last beat, if it was good and all before it.
    if (entry_taken) one_at_a_time: assert (!f_open || ends);
    ended_once: assert (ended == (f_ends && !f_end_fails && failed == 0));
    if (ends) ends_what_is_open: assert (f_open);
    if (failed != 0) failed_takes_nothing: assert (!entry_taken);
    // Invariants that the induction needs.
    i_credit: assert (credit_q == (credits_q != 0));
    if (running_q) i_running: assert (f_open);
    if (running_q) i_needs: assert (needs_credit_q == (row_end && last_digit && beat_end));
    if (running_q) i_is_end: assert (is_end_q == (ends_matrix || is_last_beat_q));
    if (f_open) i_open: assert (running_q || f_halted);
    if (f_halted) i_halted: assert (!running_q);
    i_ended: assert (ended_register_q == f_ends && bad_load_q == f_refused);
    if (f_ends) i_end: assert (wrong_end_q == f_end_wrong && bad_end_q == f_end_bad);
    if (f_open) i_bad: assert (bad_beat_q == f_bad);
    if (f_ends && !f_end_wrong) i_announced: assert (f_beats_ended == f_announced_ended);
    if (loads_waiting_q) i_load: assert (load_error_q == f_load_bad);
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    if ($past(failed != 0)) failed_stays: assert (failed == $past(failed));
    // A command that began before the failure was seen may take beats until the halt; nobody hears of it.
    if ($past(failed != 0)) failed_is_silent: assert (!ended && !entry_taken);
    if ($past(failed != 0 && !running_q)) failed_rests: assert (!take);
    // A failure is told in the second cycle after its cause, the oldest if there are several; nothing else is one.
    if ($past(failed == 0)) begin
        failed_for_cause: assert (failed == (
            $past(f_ends && f_end_wrong) ? bad_length :
            $past(f_ends && f_end_bad) ? weight_read :
            $past(f_refused) ? activation_read : 8'd0));
    end
end

// A command ends with exactly the beats that it announced. The counter holds the complement of what is left.
wire [31:0] f_beats_left = ~beats_left_q;
always @(*) if (f_past && !reset) begin
    if (f_open && running_q) i_beats_left: assert (f_beats_left == f_announced - f_beats_taken);
    if (f_open && running_q) i_last_beat: assert (is_last_beat_q == (f_beats_left == 1) && f_beats_left != 0);
    if (ended) beats_as_announced: assert (f_beats_ended == f_announced_ended);
end

reg f_was_blocked = 0;
reg [2:0] f_ended = 0;
always @(posedge clock) begin
    if (blocked) f_was_blocked <= 1;
    if (ended) f_ended <= f_ended + (f_ended != 7);
    if (reset) begin
        f_was_blocked <= 0;
        f_ended <= 0;
    end
    c_two_without_a_gap: cover (f_past && !reset && f_ended == 2 && take && $past(take, 1) && $past(take, 2));
    c_length_is_wrong: cover (f_past && !reset && failed == bad_length);
    c_bus_error: cover (f_past && !reset && failed == weight_read);
    c_digits: cover (f_past && !reset && ended && $past(f_needed) == 8 && $past(digits_q) == 2);
    c_load_then_stream: cover (f_past && !reset && $past(load_taken) && take);
end
