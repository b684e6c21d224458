// Properties of axi_read_master, placed into the emitted module by scripts/formal.
//
// Assumed of the neighbours: reset first; runs of whole beats; the memory answers what was asked for and
// nothing else; the consumer gives back room that it has, and is emptied only when nothing is on its way. A consumer
// that takes every beat as it comes (`at_once`) gives back nothing.

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// Beats promised by an accepted request and not yet received.
reg [16:0] f_outstanding = 0;
// Beats received and not yet given back; none if they are taken at once.
reg [16:0] f_held = 0;
// Beats of the runs that were taken, not yet covered by an accepted request.
reg [33:0] f_due = 0;

wire f_accepted = arvalid & arready;
wire f_received = rvalid & rready;
wire [8:0] f_beats = arlen + 9'd1;
wire [8:0] f_pending = arvalid ? f_beats : 9'd0;

always @(posedge clock) begin
    f_outstanding <= f_outstanding + (f_accepted ? f_beats : 0) - f_received;
    f_held <= (free_all || at_once) ? 0 : f_held + f_received - freed;
    f_due <= f_due + ((run & ready) ? beats : 0) - (f_accepted ? f_beats : 0);
    // What has not been asked for is dropped; a request that stands stays.
    if (abort) f_due <= (arvalid & !arready) ? f_beats : 0;
    if (reset) begin
        f_outstanding <= 0;
        f_held <= 0;
        f_due <= 0;
    end
end

always @(*) begin
    assume (!rvalid || f_outstanding != 0);
    assume (!freed || f_held != 0 || f_received);
    assume (!at_once || (!freed && !free_all));
    assume (!free_all || (f_outstanding == 0 && !arvalid && !can_issue));
    if (run) begin
        assume (beats != 0);
        assume ((address & ((48'd1 << beat_shift) - 1)) == 0);
        assume (!abort);
    end
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    // AR is held while it is stalled.
    if ($past(arvalid && !arready)) begin
        ar_held: assert (arvalid && $stable(araddr) && $stable(arlen));
    end
    // An abort ends what is not yet asked for; idle follows once the rest has arrived.
    if ($past(abort && !run) && $past(f_outstanding == 0 && !arvalid)) begin
        abort_asks_nothing: assert (!arvalid);
    end
end

reg [1:0] f_quiet = 0;
always @(posedge clock) begin
    f_quiet <= (abort && !arvalid && f_outstanding == 0 && !reset) ? f_quiet + (f_quiet != 3) : 0;
    if (f_past && !reset && abort) begin
        if (f_quiet != 0) i_quiet: assert (!waiting_q && !active_q && !planned_q && !arvalid && f_outstanding == 0);
        if (f_quiet == 3) abort_drains_to_idle: assert (idle);
    end
end

always @(*) if (f_past && !reset) begin
    // A burst ends at the latest with its block of 64 beats of 16 bytes, and a block divides 4 KiB.
    if (arvalid) begin
        burst_within_block: assert (araddr[9:4] + arlen <= 63);
        burst_of_beats: assert (araddr[3:0] == 0);
        asked_is_due: assert (f_beats <= f_due);
    end
    // Never more beats asked for than the consumer has room for.
    room_kept: assert (f_held + f_outstanding + f_pending <= room);
    if (idle) begin
        idle_is_idle: assert (f_outstanding == 0 && !arvalid && f_due == 0);
    end

    // Invariants that the induction needs.
    i_bounded: assert (f_held <= room && f_outstanding <= room);
    i_reserved: assert (room - room_left_q == f_held + f_outstanding + f_pending);
    i_in_flight: assert (in_flight_q == f_outstanding + f_pending);
    i_due: assert (f_due == f_pending + (waiting_q ? waiting_beats_q : 0) + (active_q ? left : 0));
    if (waiting_q) i_waiting: assert (waiting_beats_q != 0 && waiting_address_q[3:0] == 0);
    if (active_q) i_active: assert (left != 0 && next_address_q[3:0] == 0);
    if (planned_q) begin
        // The burst is the smaller of what remains of the run and of the block.
        i_planned: assert (active_q && burst_q == (is_rest_q ? left : 64 - next_address_q[9:4]));
        i_rest: assert (is_rest_q == (left <= 64 - next_address_q[9:4]));
    end
    if (idle_register_q) i_idle: assert (!active_q && !planned_q && !arvalid && f_outstanding == 0);
end

// The assumptions leave room for what matters.
reg f_cut = 0, f_overlap = 0, f_aborted = 0;
always @(posedge clock) begin
    if (f_accepted && f_outstanding != 0) f_overlap <= 1;
    if (f_accepted && araddr[9:4] + arlen == 63 && f_due > f_beats) f_cut <= 1;
    if (abort && f_outstanding > 2 && !reset) f_aborted <= 1;
    if (reset) {f_cut, f_overlap, f_aborted} <= 0;
    c_cut_run_ends: cover (f_past && f_cut && f_overlap && idle);
    c_abort_ends: cover (f_past && f_aborted && idle && !reset);
    c_waits_for_arready: cover (f_past && !reset && $past(arvalid && !arready && !reset, 2) && arvalid && waiting_q);
end
