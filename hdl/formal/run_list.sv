// Properties of run_list on a bus of 128 bits, placed into the emitted module by scripts/formal.
//
// Assumed of the neighbours: reset first; a list of at least one entry is opened when none is; beats come only for an
// open list, only as many as it has, and only if none is kept (`full`).

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// Of the list: its entries, those taken, the beats that came.
reg [33:0] f_entries = 0;
reg [33:0] f_taken = 0;
reg [33:0] f_beats = 0;
// The entry followed, by its number, any one.
(* anyconst *) reg [31:0] f_at;
reg [63:0] f_entry;

wire f_takes = valid & take;
wire [33:0] f_moved = f_taken + offered_q;
wire [33:0] f_come = 2 * f_beats < f_entries ? 2 * f_beats : f_entries;

always @(posedge clock) begin
    f_taken <= f_taken + f_takes;
    f_beats <= f_beats + beat_valid;
    if (beat_valid && f_beats == f_at[31:1]) f_entry <= f_at[0] ? beat[127:64] : beat[63:0];
    if (open) begin
        f_entries <= entries;
        f_taken <= 0;
        f_beats <= 0;
    end
    if (reset) begin
        f_entries <= 0;
        f_taken <= 0;
        f_beats <= 0;
    end
end

always @(*) begin
    assume (!open || (entries != 0 && !active && !beat_valid));
    assume (!beat_valid || (active && !full && 2 * f_beats < f_entries));
end

always @(*) if (f_past && !reset) begin
    // With any number, this is every entry: it is shown when its turn comes, and turns go one by one.
    if (valid && f_taken == f_at) entry_comes_out: assert ({beats, first_beat} == f_entry && reads == (beats != 0));
    if (valid) valid_has_come: assert (f_taken < f_come);
    active_until_last: assert (active == (f_taken != f_entries));
    // Invariants that the induction needs.
    i_bounds: assert (f_entries < 34'h100000000 && f_beats <= 34'h80000000 && f_moved <= f_entries && 2 * f_beats <= f_entries + 1);
    i_left: assert (!active || ~entries_left_q == f_entries[31:0] - f_moved[31:0]);
    if (offered_q) i_last: assert (is_last_q == (f_moved == f_entries));
    if (full) i_place: assert (f_beats != 0 && f_moved == 2 * (f_beats - 1) + place_q && place_q <= 1 && f_moved < f_entries);
    else i_moved: assert (f_moved == f_come && (place_q == 0 || f_moved == f_entries));
    if (full && f_at[31:1] == f_beats - 1) i_held: assert (held_q[64 * f_at[0] +: 64] == f_entry);
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    if ($past(valid && !take)) stays: assert (valid && $stable(first_beat) && $stable(beats) && $stable(reads));
    // An entry a cycle as long as a beat has some.
    if ($past(full)) shows_in_time: assert (valid);
end

always @(posedge clock) begin
    c_five: cover (f_past && !reset && f_entries == 5 && f_taken == 5 && f_at == 4);
    c_sustained: cover (f_past && !reset && f_takes && $past(f_takes));
end
