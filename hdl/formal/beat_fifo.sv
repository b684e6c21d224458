// Properties of beat_fifo, placed into the emitted module by scripts/formal.
//
// Assumed of the neighbours: reset first; nothing is written to a full FIFO; nothing is read while it is held, nor in
// the cycle after. The RAM is left free but for one cell, any one: as hold_ram.sv says, it reads in the next cycle
// what was written last before, and its output stays when it is held.

localparam F_P = $bits(level);
localparam F_DEPTH = 1 << (F_P - 1);

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// The item followed: that which is written when the write pointer is this.
(* anyconst *) reg [F_P-1:0] f_pointer;
reg f_inside = 0;
reg [$bits(data_in)-1:0] f_item;

// The cell of the RAM that it goes to, whether the output shows it, and what it was when it was read.
reg [$bits(data_in)-1:0] f_cell;
reg f_cell_read = 0;
reg [$bits(data_in)-1:0] f_cell_before;

wire f_read = read & valid;
reg f_was_held = 0;
// Written, read, inside.
reg [F_P-1:0] f_write_pointer = 0;
reg [F_P-1:0] f_read_pointer = 0;
reg [F_P-1:0] f_count = 0;

always @(posedge clock) begin
    f_was_held <= hold;
    f_write_pointer <= f_write_pointer + write;
    f_read_pointer <= f_read_pointer + f_read;
    f_count <= f_count + write - f_read;
    if (ram_write_enable && ram_write_address == f_pointer[F_P-2:0]) f_cell <= ram_write_data;
    if (!ram_hold) begin
        f_cell_read <= ram_read_address == f_pointer[F_P-2:0];
        f_cell_before <= f_cell;
    end
    if (write && f_write_pointer == f_pointer) begin
        f_inside <= 1;
        f_item <= data_in;
    end
    if (f_read && f_read_pointer == f_pointer) f_inside <= 0;
    if (reset) begin
        f_write_pointer <= 0;
        f_read_pointer <= 0;
        f_count <= 0;
        f_inside <= 0;
    end
end

always @(*) begin
    assume (!write || f_count < F_DEPTH);
    assume (!f_read || !(hold || f_was_held));
    if (f_cell_read) assume (ram_read_data == f_cell_before);
end
always @(posedge clock) if (f_past && $past(ram_hold)) assume ($stable(ram_read_data));

always @(*) if (f_past && !reset) begin
    // With any pointer, this is every item: it is there when its turn comes, and turns go round one by one.
    if (f_read && f_read_pointer == f_pointer) item_comes_out: assert (f_inside && data_out == f_item);
    if (valid && !f_was_held && f_read_pointer == f_pointer) item_is_shown: assert (f_inside && data_out == f_item);
    if (write && f_write_pointer == f_pointer) none_is_overwritten: assert (!f_inside);
    if (valid) valid_has_an_item: assert (f_count != 0);
    within_depth: assert (f_count <= F_DEPTH);
    pointers_step: assert (read_pointer_q == f_read_pointer && write_pointer_q == f_write_pointer);
    // Invariants that the induction needs.
    i_count: assert (f_count == ((f_write_pointer - f_read_pointer) & (2 * F_DEPTH - 1)));
    i_inside: assert (f_inside == (((f_pointer - f_read_pointer) & (2 * F_DEPTH - 1)) < f_count));
    if (f_inside) i_cell: assert (f_cell == f_item);
    if (valid && !f_was_held && f_read_pointer == f_pointer) i_shown: assert (f_cell_read && f_cell_before == f_item);
end

always @(posedge clock) if (f_past && !reset) begin
    // Whatever is written or empties meanwhile.
    if ($past(hold)) held: assert ($stable(data_out));
end
always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    level_counts_late: assert (level == $past(f_count));
    shows_in_time: assert (valid == ($past(f_count) != $past(f_read)));
    if ($past(valid && !read)) stays: assert (valid);
    if ($past(valid && !read && !f_was_held && f_read_pointer == f_pointer)) stays_shown: assert ($stable(data_out));
end

reg f_held_empty = 0, f_gone = 0;
always @(posedge clock) begin
    // The item came into an empty FIFO that was held.
    if (write && f_write_pointer == f_pointer && f_count == 0 && hold && f_was_held) f_held_empty <= 1;
    if (f_read && f_read_pointer == f_pointer) f_gone <= 1;
    if (reset) {f_held_empty, f_gone} <= 0;
    c_several: cover (f_past && !reset && f_count == 5 && f_inside && f_pointer == 7);
    c_written_while_held: cover (f_past && !reset && f_held_empty && f_gone && f_pointer == 3);
    c_stale_after_hold: cover (f_past && !reset && valid && f_was_held && f_inside && data_out != f_item && f_read_pointer == f_pointer);
end
