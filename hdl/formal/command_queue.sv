// Properties of command_queue, placed into the emitted module by scripts/formal.
//
// Assumed of the neighbours: reset first; the front end lets no more than 8 commands under way (front_end.sv).

localparam F_DEPTH = 8;

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) if (!f_past) assume (reset);

// The entry followed: that which is written when so many were written before it, modulo 16.
(* anyconst *) reg [3:0] f_pointer;
reg f_inside = 0;
reg [$bits(data_in)-1:0] f_item;

wire f_taken = take & valid;
// Written, taken, inside.
reg [3:0] f_write_pointer = 0;
reg [3:0] f_take_pointer = 0;
reg [3:0] f_count = 0;

always @(posedge clock) begin
    f_write_pointer <= f_write_pointer + write;
    f_take_pointer <= f_take_pointer + f_taken;
    f_count <= f_count + write - f_taken;
    if (write && f_write_pointer == f_pointer) begin
        f_inside <= 1;
        f_item <= data_in;
    end
    if (f_taken && f_take_pointer == f_pointer) f_inside <= 0;
    if (reset) begin
        f_write_pointer <= 0;
        f_take_pointer <= 0;
        f_count <= 0;
        f_inside <= 0;
    end
end

always @(*) assume (!write || f_count < F_DEPTH);

always @(*) if (f_past && !reset) begin
    // With any pointer, this is every entry: it is there when its turn comes, and turns go round one by one.
    if (valid && f_take_pointer == f_pointer) item_comes_out: assert (f_inside && entry == f_item);
    if (write && f_write_pointer == f_pointer) none_is_overwritten: assert (!f_inside);
    if (valid) valid_has_an_item: assert (f_count != 0);
    within_depth: assert (f_count <= F_DEPTH);
    // Invariants that the induction needs.
    i_pointers: assert (write_pointer == f_write_pointer && read_pointer == ((f_take_pointer + shown) & 4'hf));
    i_count: assert (f_count == ((f_write_pointer - f_take_pointer) & 4'hf));
    i_inside: assert (f_inside == (((f_pointer - f_take_pointer) & 4'hf) < f_count));
    if (f_inside && !(shown && f_take_pointer == f_pointer)) i_cell: assert (mem[f_pointer[2:0]] == f_item);
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    // Two cycles after it was written, or in the cycle after the one before it was taken.
    shows_in_time: assert (valid == ($past(f_count) != $past(f_taken)));
    if ($past(valid && !take)) stays: assert (valid && $stable(entry));
end

always @(posedge clock) begin
    c_full: cover (f_past && !reset && f_count == F_DEPTH && f_inside);
    c_goes_round: cover (f_past && !reset && $past(f_inside && !reset) && !f_inside && write_pointer > 9 && f_pointer == 9);
    c_sustained: cover (f_past && !reset && f_taken && write && $past(f_taken && write) && $past(f_taken && write, 2));
end
