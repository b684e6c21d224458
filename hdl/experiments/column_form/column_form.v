// EXPERIMENT, not part of the kernel: y = sum over k of h[k] * W[:, k], weights column by column.
//
// A beat is one word (LANES rows) of one column: `nz` and `neg` are its trits, `h` the column's int8
// activation for all lanes. Accumulator `word` of every lane gets t * h added. Decoder, AXI and the search for
// columns with h != 0 are left out, so that only the accumulate part is counted.
//
//   cycle   1           2                       3
//   input   register    read acc[word] (or 0)   acc + ((h & nz) ^ neg) + neg, write
//
// II 1. A word may come again READ_TO_WRITE = 2 cycles later at the earliest, so a column needs at
// least 2 words. |y| <= 128 * K: BITS = 22 is enough for K <= 16,384.
//
// Drain: with `drain`, the accumulators of group `drain_group` of word `drain_word` leave after 3 cycles; the groups
// that are not read are reset to zero on the way and all are ORed, so the multiplexer costs no select.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
`default_nettype none
`ifndef RAM_STYLE
`define RAM_STYLE "distributed"
`endif

// LANES accumulators of one group. Groups keep their own copy of the broadcast, for its fan-out.
module column_group #(parameter LANES = 16, parameter WORDS = 32, parameter BITS = 22, parameter A = 5) (
    input wire clock,
    input wire valid,
    input wire first,
    input wire [A-1:0] word,
    input wire signed [7:0] h,
    input wire [LANES-1:0] nz,
    input wire [LANES-1:0] neg,
    input wire drain,
    input wire drain_this,
    input wire [A-1:0] drain_word,
    output reg [LANES*BITS-1:0] read
);
    (* keep *) reg valid1, clear1;
    (* keep *) reg [A-1:0] read_word1, word1;
    (* keep *) reg signed [7:0] h1, h2;
    reg valid2;
    reg [A-1:0] word2;
    reg [LANES-1:0] nz1, neg1, nz2, neg2;
    (* ram_style = `RAM_STYLE *) reg [LANES*BITS-1:0] acc [0:WORDS-1];
    wire [LANES*BITS-1:0] sums;

    always @(posedge clock) begin
        valid1 <= valid;
        clear1 <= drain ? !drain_this : first;
        word1 <= word;
        read_word1 <= drain ? drain_word : word;
        h1 <= h;
        nz1 <= nz;
        neg1 <= neg;

        valid2 <= valid1;
        word2 <= word1;
        h2 <= h1;
        nz2 <= nz1;
        neg2 <= neg1;
        if (clear1) read <= 0;
        else read <= acc[read_word1];

        if (valid2) acc[word2] <= sums;
    end

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            wire signed [7:0] product = (h2 & {8{nz2[l]}}) ^ {8{neg2[l]}};
            // One adder of BITS + 1 bits: its lowest bit carries the +1 of a negative lane in.
            wire [BITS:0] sum = {read[l*BITS +: BITS], 1'b1} + {{(BITS-8){product[7]}}, product, neg2[l]};
            assign sums[l*BITS +: BITS] = sum[BITS:1];
        end
    endgenerate
endmodule

module column_form #(
    parameter GROUPS = 20, parameter LANES = 16, parameter WORDS = 32, parameter BITS = 22, parameter A = 5
) (
    input wire clock,
    input wire valid,
    input wire first,
    input wire [A-1:0] word,
    input wire signed [7:0] h,
    input wire [GROUPS*LANES-1:0] nz,
    input wire [GROUPS*LANES-1:0] neg,
    input wire drain,
    input wire [4:0] drain_group,
    input wire [A-1:0] drain_word,
    output reg [LANES*BITS-1:0] result
);
    wire [LANES*BITS-1:0] read [0:GROUPS-1];
    genvar g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : group
            column_group #(.LANES(LANES), .WORDS(WORDS), .BITS(BITS), .A(A)) part (
                .clock(clock), .valid(valid), .first(first), .word(word), .h(h),
                .nz(nz[g*LANES +: LANES]), .neg(neg[g*LANES +: LANES]),
                .drain(drain), .drain_this(drain_group == g), .drain_word(drain_word), .read(read[g])
            );
        end
    endgenerate
    reg [LANES*BITS-1:0] any;
    integer i;
    always @(*) begin
        any = 0;
        for (i = 0; i < GROUPS; i = i + 1) any = any | read[i];
    end
    always @(posedge clock) result <= any;
endmodule
`default_nettype wire
