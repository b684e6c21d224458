// Block RAM of the ECP5 for gate-level simulation: what yosys' own cells leave as a black box.
//
// Lattice TN-02204, "ECP5 and ECP5-5G Memory Usage Guide": 16,384 bits and 2,048 parity bits, as 2,048 bytes of nine
// bits. Written for the forms that yosys makes of this project's memories: no output registers, no resets, one clock, always
// selected, a port that writes reads the old word, contents that start at zero. scripts/bitstream/netlist.py checks
// that the netlist has no other.
module DP16KD #(
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL",
    parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB",
    parameter GSR = "ENABLED"
) (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
    reg [8:0] bytes [0:2047];
    reg [35:0] read_a, read_b;

    wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] in_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] in_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    // A word of 36 bits comes in through both ports.
    wire [35:0] word_a = {in_b, in_a};
    wire [35:0] word_b = {18'b0, in_b};

    // Bits of a byte that a write changes, and their values: widths 1 and 9 write one byte, 18 two, 36 four.
    function [8:0] merged(input integer width, input [8:0] old, input [8:0] value, input [2:0] bit_of_byte);
        merged = width == 1 ? ((old & ~(9'd1 << bit_of_byte)) | ({8'b0, value[0]} << bit_of_byte)) : value;
    endfunction

    integer lane;
    initial begin
        if (DATA_WIDTH_A != 1 && DATA_WIDTH_A != 9 && DATA_WIDTH_A != 18 && DATA_WIDTH_A != 36) $stop;
        if (DATA_WIDTH_B != 1 && DATA_WIDTH_B != 9 && DATA_WIDTH_B != 18 && DATA_WIDTH_B != 36) $stop;
        for (lane = 0; lane < 2048; lane = lane + 1) bytes[lane] = 0;
        read_a = 0;
        read_b = 0;
    end

    always @(posedge CLKA) begin
        if (CEA) begin
            for (lane = 0; lane < 4; lane = lane + 1)
                read_a[9 * lane +: 9] <= bytes[{address_a[13:5], 2'b0} + lane[10:0] + first(DATA_WIDTH_A, address_a)];
            if (WEA) write(DATA_WIDTH_A, address_a, word_a);
        end
        if (CEB) begin
            for (lane = 0; lane < 4; lane = lane + 1)
                read_b[9 * lane +: 9] <= bytes[{address_b[13:5], 2'b0} + lane[10:0] + first(DATA_WIDTH_B, address_b)];
            if (WEB) write(DATA_WIDTH_B, address_b, word_b);
        end
    end

    // Which byte of four a word begins with.
    function [10:0] first(input integer width, input [13:0] address);
        first = width == 36 ? 11'd0 : width == 18 ? {9'b0, address[4], 1'b0} : {9'b0, address[4:3]};
    endfunction

    task write(input integer width, input [13:0] address, input [35:0] value);
        integer i;
        reg [10:0] at;
        for (i = 0; i < 4; i = i + 1) begin
            at = {address[13:5], 2'b0} + i[10:0] + first(width, address);
            if (i == 0 ? width <= 9 || address[0] : i == 1 ? width >= 18 && address[1] : width == 36 && address[i])
                bytes[at] <= merged(width, bytes[at], value[9 * i +: 9], address[2:0]);
        end
    endtask

    // A single bit is chosen by the address of the read.
    reg [2:0] bit_a, bit_b;
    always @(posedge CLKA) begin
        if (CEA) bit_a <= address_a[2:0];
        if (CEB) bit_b <= address_b[2:0];
    end
    wire [35:0] out_a = DATA_WIDTH_A == 1 ? {35'b0, read_a[{3'b0, bit_a}]} : read_a;
    wire [35:0] out_b = DATA_WIDTH_B == 1 ? {35'b0, read_b[{3'b0, bit_b}]} : read_b;
    // Port B reads words of 36 bits, the low half at the pins of port A.
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} =
        DATA_WIDTH_B == 36 ? out_b[17:0] : out_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} =
        DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
endmodule
