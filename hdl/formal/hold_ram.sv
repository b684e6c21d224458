// Properties of hold_ram, placed into the emitted module by scripts/formal: what beat_fifo.sv assumes of it.

// One cell, any one, what was written to it last, and that when it was read last.
(* anyconst *) reg [$bits(read_address)-1:0] f_address;
reg [$bits(read_data)-1:0] f_cell;
reg [$bits(read_data)-1:0] f_cell_before;
reg f_cell_read = 0;
reg f_past = 0;
initial assume (f_cell == mem[f_address]);

always @(posedge clock) begin
    f_past <= 1;
    if (write_enable && write_address == f_address) f_cell <= write_data;
    if (!hold) begin
        f_cell_read <= read_address == f_address;
        f_cell_before <= f_cell;
    end
end

always @(*) begin
    if (f_cell_read) reads_what_was_written: assert (read_data == f_cell_before);
    // An invariant that the induction needs.
    i_cell: assert (f_cell == mem[f_address]);
end
always @(posedge clock) if (f_past && $past(hold)) held: assert ($stable(read_data));

always @(posedge clock) c_old_word: cover (f_past && f_cell_read && read_data != f_cell);
