// Properties of beat_fifo, placed into the emitted module by scripts/formal; the queue of 8 commands is meant.
//
// Assumed of the neighbours: reset first; nothing is written to a full queue. The RAM is left free but for one cell,
// any one: it reads in the next cycle what was written last before.

localparam F_DEPTH = 8;

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// The item followed: that which is written when the write pointer is this.
(* anyconst *) reg [3:0] f_pointer;
reg f_inside = 0;
reg [71:0] f_item;

// The cell of the RAM that it goes to.
reg [71:0] f_cell;
reg f_cell_read = 0;
reg [71:0] f_cell_before;

wire f_read = read & valid;
reg [3:0] f_count = 0;

always @(posedge clock) begin
    f_count <= f_count + write - f_read;
    if (ram_write_enable && ram_write_address == f_pointer[2:0]) f_cell <= ram_write_data;
    f_cell_read <= ram_read_address == f_pointer[2:0];
    f_cell_before <= f_cell;
    if (write && write_pointer_q == f_pointer) begin
        f_inside <= 1;
        f_item <= data_in;
    end
    if (f_read && read_pointer_q == f_pointer) f_inside <= 0;
    if (reset) begin
        f_count <= 0;
        f_inside <= 0;
    end
end

always @(*) begin
    assume (!write || f_count < F_DEPTH);
    if (f_cell_read) assume (ram_read_data == f_cell_before);
end

always @(*) if (f_past && !reset) begin
    // With any pointer, this is every item: it is there when its turn comes, and turns go round one by one.
    if (valid && read_pointer_q == f_pointer) item_comes_out: assert (f_inside && data_out == f_item);
    if (write && write_pointer_q == f_pointer) none_is_overwritten: assert (!f_inside);
    if (valid) valid_has_an_item: assert (f_count != 0);
    within_depth: assert (f_count <= F_DEPTH);
    // Invariants that the induction needs.
    i_count: assert (f_count == ((write_pointer_q - read_pointer_q) & 4'hf));
    i_inside: assert (f_inside == (((f_pointer - read_pointer_q) & 4'hf) < f_count));
    if (f_inside) i_cell: assert (f_cell == f_item);
    i_visible: assert (((visible_pointer_q - read_pointer_q) & 4'hf) <= f_count);
    if (valid && read_pointer_q == f_pointer) i_shown: assert (f_cell_read && f_cell_before == f_item);
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    level_counts_late: assert (level == $past(f_count));
    if ($past(f_count) > $past(f_read)) shows_in_time: assert (valid);
    if ($past(valid && !read)) stays: assert (valid);
    i_late: assert (visible_pointer_q == $past(write_pointer_q));
    pointers_step: assert (read_pointer_q == (($past(read_pointer_q) + $past(f_read)) & 4'hf) && write_pointer_q == (($past(write_pointer_q) + $past(write)) & 4'hf));
end

always @(posedge clock) begin
    c_full: cover (f_past && f_count == F_DEPTH && f_inside);
    c_goes_round: cover (f_past && !reset && $past(f_inside && !reset) && !f_inside && write_pointer_q > 9 && f_pointer == 9);
end
