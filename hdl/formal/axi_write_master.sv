// Properties of axi_write_master, placed into the emitted module by scripts/formal.
//
// Assumed of the neighbours: reset first; entries of the command queue as the front end makes them; the FIFO keeps its
// oldest beat until it is taken, shows the same while it is held, and may show anything in the cycle after; its level
// counts one cycle late; the memory answers whole bursts only.

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// The FIFO of results: beats that can be taken, at most 128.
reg [7:0] f_visible = 0;
reg f_was_read = 0;
reg f_was_held = 0;
(* anyseq *) reg f_arrives;
// Beats that an accepted address has promised and that have not been sent.
reg [8:0] f_to_send = 0;
// Bursts announced and not answered; bursts sent in whole and not answered.
reg [15:0] f_unanswered = 0;
reg [15:0] f_complete = 0;
// Of the command: words and beats that have not been sent, its vectors.
reg [23:0] f_words = 0;
reg [23:0] f_beats = 0;
// Commands settled since the rewind; an error response since then.
reg [31:0] f_settled = 0;
reg f_error = 0;
reg [47:0] f_address = 0;
reg [2:0] f_vectors = 0;
// An abort since the command was taken.
reg f_aborted = 0;

wire f_announced = awvalid & awready;
wire f_sent = wvalid & wready;
wire f_answered = bvalid & bready;
wire f_is_completion = state_q == WriteState_Complete || state_q == WriteState_CompleteData;

always @(posedge clock) begin
    f_visible <= f_visible + f_arrives - beat_read;
    f_was_read <= beat_read;
    f_was_held <= beat_hold;
    f_to_send <= f_to_send + (f_announced ? awlen + 9'd1 : 9'd0) - f_sent;
    f_unanswered <= f_unanswered + f_announced - f_answered;
    f_complete <= f_complete + (f_sent & wlast) - f_answered;
    if (entry_taken) begin
        f_words <= entry[48 +: 24];
        f_beats <= (entry[48 +: 24] + 24'd3) >> 2;
        f_address <= entry[47:0];
        f_vectors <= entry[72 +: 3];
    end else if (f_sent && !f_is_completion) begin
        f_words <= f_words - 24'd4;
        f_beats <= f_beats - 24'd1;
        f_address <= f_address + 48'd16;
    end
    f_aborted <= abort || (f_aborted && !entry_taken);
    f_settled <= f_settled + settled;
    if (f_answered && bresp[1]) f_error <= 1;
    if (rewind || reset) begin
        f_settled <= 0;
        f_error <= 0;
    end
    if (reset) begin
        f_visible <= 0;
        f_beats <= 0;
        f_aborted <= 0;
        f_was_read <= 0;
        f_to_send <= 0;
        f_unanswered <= 0;
        f_complete <= 0;
    end
end

always @(*) begin
    assume (beat_valid == (f_visible != 0));
    assume (level == f_visible + f_was_read);
    assume (!f_arrives || f_visible < 127);
    assume (!bvalid || f_complete != 0);
    assume (completion[5:0] == 0);
    assume (entry[5:0] == 0);
    assume (entry[48 +: 24] < 24'hfffff0);
    // The bound of the counters: at most 2^14 bursts in a command, few commands behind.
    assume (f_unanswered < 16'h7fff);
    // The kernel rewinds at a start only, when nothing is under way.
    assume (!rewind || (idle && !entry_valid));
end
always @(posedge clock) if (f_past) begin
    assume ($stable(completes) && $stable(completion));
    if ($past(beat_valid && !beat_read && !f_was_held)) assume ($stable(beat));
    if ($past(beat_hold)) assume ($stable(beat));
    // An abort lasts until the writer is idle.
    if ($past(abort && !idle && !reset)) assume (abort);
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    if ($past(awvalid && !awready)) begin
        aw_held: assert (awvalid && $stable(awaddr) && $stable(awlen));
    end
    if ($past(wvalid && !wready)) begin
        w_held: assert (wvalid && $stable(wstrb) && $stable(wlast));
        // The words beside a completion too, which are those of the FIFO.
        w_held_whole: assert ($stable(wdata));
    end
end

// Word n of a beat belongs to vector n modulo the batch.
wire [15:0] f_bytes = {{4{f_words > 3}}, {4{f_words > 2}}, {4{f_words > 1}}, {4{f_words > 0}}};
localparam f_batch = word_vector_1 == 0 ? 1 : word_vector_2 == 0 ? 2 : 4;
wire [15:0] f_vector_bytes = {{4{f_vectors > 3 % f_batch}}, {4{f_vectors > 2 % f_batch}},
    {4{f_vectors > 1 % f_batch}}, {4{f_vectors > 0}}};
always @(*) if (f_past && !reset) begin
    b_never_waits: assert (bready);
    // The FIFO is held for a completion only, and not read then nor in the cycle after.
    held_for_completion: assert (beat_hold == (f_is_completion && wvalid));
    not_read_while_held: assert (!beat_read || !(beat_hold || f_was_held));
    if (awvalid) begin
        burst_within_block: assert (awaddr[9:4] + awlen <= 63 && awaddr[3:0] == 0);
        one_burst_at_a_time: assert (f_to_send == 0 && !wvalid);
        if (!f_is_completion) address_follows: assert (awaddr == f_address && awlen < f_beats);
    end
    if (wvalid) begin
        data_after_address: assert (f_to_send != 0);
        last_is_last: assert (wlast == (f_to_send == 1));
        if (!f_is_completion) strobes_of_words: assert (wstrb == (f_vector_bytes & f_bytes));
    end
    // A burst is announced only when its beats are there, so data never wait.
    if (f_to_send != 0) data_never_wait: assert (wvalid);
    if (settled || failed) begin
        settled_after_answers: assert (f_unanswered == 0 && f_to_send == 0);
        settled_or_failed: assert (settled != failed && failed == f_error);
        all_beats_sent: assert (!abort && (f_beats == 0 || (f_aborted && idle)));
    end
    if (f_is_completion && awvalid) begin
        completed_after_answers: assert (f_unanswered == 0 && completes);
        completion_word: assert (awaddr == completion && awlen == 0);
    end
    if (f_is_completion && wvalid) begin
        completion_counts: assert (wdata[31:0] == f_settled && wstrb == 16'h000f);
    end
    if (idle) idle_is_idle: assert (f_unanswered == 0 && f_to_send == 0 && !awvalid && !wvalid);

    // Invariants that the induction needs.
    i_count: assert (settled_count_q == f_settled && error_register_q == f_error);
    i_answers: assert (answers_due_q == f_unanswered);
    i_fifo: assert (f_visible < 128);
    i_held: assert (!f_was_held || state_q == WriteState_CompleteData || state_q == WriteState_Idle);
    if (f_beats != 0) i_last_words: assert (last_words_q == f_words[1:0]);
    i_complete: assert (f_complete + (f_to_send != 0) == f_unanswered);
    if (state_q == WriteState_Stream) begin
        i_stream: assert (f_to_send == burst_left_q && burst_left_q != 0 && burst_left_q <= 64);
        i_there: assert (f_visible >= burst_left_q);
        i_rest: assert (f_beats == left + burst_left_q && is_rest_q == (left == 0));
        i_words: assert (f_words < 24'hfffff0 && left < 24'h3ffffc);
        i_rounded: assert (f_beats == (f_words + 24'd3) >> 2);
        i_next: assert (next_address_q == f_address + 16 * burst_left_q && next_address_q[3:0] == 0);
    end else if (state_q == WriteState_CompleteData) begin
        i_completion_data: assert (f_to_send == 1);
    end else begin
        i_nothing_to_send: assert (f_to_send == 0);
    end
    if (state_q == WriteState_Plan || state_q == WriteState_Gather || state_q == WriteState_Announce) begin
        i_rest_between: assert (f_beats == left && next_address_q == f_address && next_address_q[3:0] == 0);
        i_rounded_between: assert (f_beats == 0 || f_beats == (f_words + 24'd3) >> 2);
        i_beats_bounded: assert (f_beats <= 24'h3ffffc && (f_beats == 0 || f_words < 24'hfffff0));
    end
    if (state_q == WriteState_Gather || state_q == WriteState_Announce) begin
        i_planned: assert (burst_q != 0 && burst_q == (is_rest_q ? f_beats : 64 - next_address_q[9:4]));
        i_rest_planned: assert (is_rest_q == (f_beats <= 64 - next_address_q[9:4]));
    end
    if (state_q == WriteState_Announce) i_gathered: assert (f_visible >= burst_q);
    if (state_q == WriteState_Settle && !abort) i_all_sent: assert (f_beats == 0);
    if (f_is_completion) i_completion: assert (burst_q == 1 && next_address_q == completion && completes);
    if (state_q == WriteState_Complete) i_before_completion: assert (f_unanswered == 0);
    if (state_q == WriteState_CompleteData) i_within_completion: assert (f_unanswered == 1);
    if (f_is_completion) i_sent_before_completion: assert (f_beats == 0);
    if (state_q == WriteState_Idle) i_sent_or_aborted: assert (f_beats == 0 || f_aborted);
    if (state_q != WriteState_Idle && !f_is_completion) i_vectors: assert (vectors_q == f_vectors);
    i_state: assert (state_q <= WriteState_CompleteData);
    if (state_q != WriteState_Stream && state_q != WriteState_Announce) i_not_read: assert (!beat_read);
end

// The assumptions leave room for what matters.
reg f_cut = 0, f_two = 0;
always @(posedge clock) begin
    if (f_announced && awaddr[9:4] + awlen == 63 && awlen + 1 < f_beats) f_cut <= 1;
    if (f_announced && f_unanswered != 0) f_two <= 1;
    if (reset) {f_cut, f_two} <= 0;
    c_cut_settles: cover (f_past && !reset && f_cut && f_two && settled);
    c_completes: cover (f_past && !reset && f_is_completion && wvalid && wready && wdata[31:0] == 2);
    c_fails: cover (f_past && !reset && failed);
    c_fails_at_last_completion: cover (f_past && !reset && failed && state_q == WriteState_Idle);
    c_partial: cover (f_past && !reset && wvalid && wlast && wstrb == 16'h00ff);
    c_aborted: cover (f_past && !reset && abort && idle && $past(state_q == WriteState_Settle));
end
