// Properties of front_end, placed into the emitted module by scripts/formal; ring, order and ends of commands.
//
// Assumed of the neighbours: reset first; a start only of an idle kernel, whose arguments stay from then on; TAIL
// is 0 at the start of a ring and only grows then, by any amount at any time, without wrapping past what was begun; the writer settles commands that it was given, in order.

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// Commands given to the writer and not settled; commands since the start, fetched and settled.
reg [7:0] f_in_flight = 0;
reg [31:0] f_begun = 0;
reg [31:0] f_settled = 0;
// Commands given to the stream that it has not ended, and ended ones that have not settled.
reg [3:0] f_to_stream = 0;
reg [3:0] f_to_settle = 0;
// Place of the next record in the list or ring.
reg [31:0] f_slot = 0;
// A STOP has been given to the writer; it has settled, which the stream never saw.
reg f_stop = 0;
reg f_stopped = 0;
wire f_settles = settled && f_to_settle != 0;

always @(posedge clock) begin
    f_in_flight <= rewind ? 0 : f_in_flight + push - settled;
    f_slot <= (rewind || (ring && push_stream && f_slot + 1 == count)) ? 0 : f_slot + push_stream;
    f_begun <= rewind ? 0 : f_begun + push_stream;
    f_settled <= rewind ? 0 : f_settled + settled;
    f_to_stream <= rewind ? 0 : f_to_stream + push_stream - stream_ended;
    f_to_settle <= rewind ? 0 : f_to_settle + stream_ended - f_settles;
    if (push && !push_stream) f_stop <= 1;
    if (settled && !f_settles) {f_stop, f_stopped} <= 2'b01;
    if (rewind) {f_stop, f_stopped} <= 0;
    if (reset) begin
        f_in_flight <= 0;
        f_begun <= 0;
        f_settled <= 0;
        f_to_stream <= 0;
        f_to_settle <= 0;
        {f_stop, f_stopped} <= 0;
    end
end

always @(*) begin
    assume (!start || state_q == FrontState_Idle);
    assume (!settled || (f_in_flight != 0 && !abort && !clear && !idle));
    assume (!write_failed || (f_in_flight != 0 && !settled && !abort && !clear && !idle));
    assume (!stream_ended || (f_to_stream != 0 && !rewind && !idle));
    // Proved of the run list in run_list.sv.
    assume (!run_list_valid || run_list_active);
    // Results come after the stream; a STOP has none.
    assume (!settled || f_to_settle != 0 || (f_stop && f_in_flight == 1));
    assume (commands_done == f_settled);
    assume (count != 0 || !ring);
    assume (!start || !ring || limit == 0);
    // `limit` follows `count` a cycle later; both stand still by the start.
    assume (ring || limit == count || (state_q == FrontState_Idle && !start));
end
wire [353:0] f_arguments = {ring, immediate, count, list, data_base, weights_base, completion_address};
reg [353:0] f_arguments_before;
reg f_was_busy = 0;
always @(posedge clock) begin
    f_arguments_before <= f_arguments;
    f_was_busy <= start || state_q != FrontState_Idle;
end
always @(*) if (f_was_busy) assume (f_arguments == f_arguments_before);

// Records that were submitted and not begun, as a start or the index of the cycle before sees them.
reg [31:0] f_index_before = 0;
reg [31:0] f_limit_was = 0;
reg f_started = 0;
always @(posedge clock) begin
    f_index_before <= rewind ? 0 : index_q;
    f_limit_was <= limit;
    f_started <= rewind;
end
always @(*) if (f_past && ring && state_q != FrontState_Idle) begin
    assume (limit - f_index_before >= f_limit_was - f_index_before);
end
// What the registers of this cycle were worked out from.
wire f_has_record = state_q == FrontState_Record || state_q == FrontState_Decode || state_q == FrontState_Check
    || state_q == FrontState_Begin;

wire f_runs = f_has_record || state_q == FrontState_Fetch || state_q == FrontState_Runs;
wire f_fetches = state_q == FrontState_Fetch && read_run;

always @(*) if (f_past && !reset) begin
    if (f_fetches && ring) begin
        // A record is fetched only once it has been submitted, and while the ring still holds it: as TAIL was in
        // the cycle before.
        before_tail: assert (index_q != limit && index_q != f_limit_was);
        not_overrun: assert (f_limit_was - index_q <= count);
    end
    if (f_fetches && !ring) before_end: assert (index_q != count);
    // Records follow each other, and the last of a ring is followed by its first.
    if (f_fetches) record_follows: assert (read_address == data_base[47:0] + list[47:0] + (48'd0 + f_slot << 6) && read_beats == record_beats);
    // The queues hold 8.
    at_most_eight: assert (in_flight_q <= 8 && (!push || in_flight_q < 8 || rewind));
    in_flight_counted: assert (in_flight_q == f_in_flight);
    // Done means that nothing is on its way.
    if (state_q == FrontState_Finish && error_register_q == 0) done_when_settled: assert (in_flight_q == 0);
    if (clear) clears_when_quiet: assert (abort);
    if (waits) waits_when_settled: assert (ring && in_flight_q == 0 && write_idle && !busy);
    // Nothing begins once an error has been told.
    if (error_register_q != 0 && state_q != FrontState_Idle) silent_after_error: assert (!push && !push_stream && !(f_fetches));
    if (push_stream) pushed_together: assert (push && fail == 0);
    // An error of the stream is told when every command before has settled, one that ends in this cycle too.
    if (state_q != FrontState_Fail && stop_now != 0 && !write_failed) stream_error_in_turn: assert (f_to_settle == 0 && !stream_ended);
    // Invariants that the induction needs.
    i_unsettled: assert (unsettled_q == ((f_to_settle - f_stopped) & 4'hf));
    i_stopped: assert (!f_stopped || (f_to_settle == 0 && f_to_stream == 0 && f_in_flight == 0 && !f_stop));
    i_parts: assert (f_to_stream <= 8 && f_to_settle <= 8 && f_to_stream + 8'd0 + f_to_settle + f_stop == f_in_flight);
    if (f_stop || f_stopped) i_stop: assert (state_q == FrontState_Drain || state_q >= FrontState_Abort || state_q == FrontState_Idle);
    if (f_has_record) i_has_record: assert (index_q != limit && index_q == f_index_before);
    if (f_has_record && !f_started) i_limit_before: assert (index_q != f_limit_was);
    if (state_q == FrontState_Begin) i_last: assert (!f_started && last_q == (index_q + 1 == f_limit_was));
    if ((state_q == FrontState_Fetch || state_q == FrontState_Runs) && more_q) i_more: assert (index_q != f_limit_was);
    if (state_q == FrontState_Fetch && more_q && ring && !overrun_q) i_overrun: assert (f_limit_was - index_q <= count);
    if ((state_q == FrontState_Fetch || state_q == FrontState_Runs) && index_q == f_index_before && !f_started) begin
        i_seen: assert (more_q == (index_q != f_limit_was) && overrun_q == (ring && f_limit_was - index_q > count));
    end
    if (f_started && ring) i_start: assert (f_limit_was == 0 && index_q == 0 && !more_q);
    if (f_runs) i_bases: assert (bad_base_q == ((low & (misaligned | too_high)) != 0));
    if (f_runs) i_slot: assert (slot_q == f_slot && record_offset_q == (list[47:0] & aligned) + (48'd0 + f_slot << 6));
    if (f_runs) i_within: assert (ring ? f_slot < count : f_slot == index_q && index_q <= count);
    if (f_has_record) i_wraps: assert (wraps_q == (ring && f_slot + 1 == count));
    i_state: assert (state_q <= FrontState_Finish);
    if (was_too_long_q) i_too_long: assert (state_q == FrontState_Runs || state_q == FrontState_Fail || state_q == FrontState_Abort);
    i_abort: assert ((state_q != FrontState_Abort && state_q != FrontState_Clear) || error_register_q != 0);
    i_error: assert (error_register_q == 0 || state_q == FrontState_Idle || state_q == FrontState_Abort
        || state_q == FrontState_Clear || state_q == FrontState_Finish);
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    // An overrun ring is refused, in the cycle after the one that shows it.
    if ($past(state_q == FrontState_Fetch && ring && !bad_base_q && index_q == f_index_before && f_limit_was - index_q > count && stop_now == 0)) begin
        overrun_fails: assert (state_q == FrontState_Fail && fail_register_q == bad_ring);
    end
    // An error names the command at the front, and stays until the next start.
    if ($past(error_register_q == 0) && error_register_q != 0) error_index_is_front: assert (error_index_register_q == $past(commands_done));
    if ($past(error_register_q != 0 && !start)) error_stays: assert (error_register_q == $past(error_register_q));
    // Its own errors wait for older commands.
    if ($past(state_q == FrontState_Fail && in_flight_q > 1 && stream_failed == 0 && !write_failed)) own_error_waits: assert (state_q == FrontState_Fail);
    if ($past(state_q == FrontState_Drain && (in_flight_q != 0 || !write_idle)) && error_register_q == 0) drain_waits: assert (state_q == FrontState_Drain);
    if ($past(state_q == FrontState_Abort && !(read_idle && weight_idle && write_idle && !pipe_busy))) abort_waits: assert (state_q == FrontState_Abort);
    if ($past(state_q == FrontState_Clear)) clear_ends: assert (state_q == FrontState_Finish);
end

always @(posedge clock) begin
    c_ring_begins_two: cover (f_past && !reset && ring && f_begun == 2);
    c_overrun: cover (f_past && !reset && done && error == bad_ring);
    c_done: cover (f_past && !reset && done && error == 0 && f_settled == 1);
    c_aborts_with_two: cover (f_past && !reset && done && error == result_write && f_begun == 2);
end
