// A kernel that answers its registers as it should and then breaks one rule, chosen by COUNT, when it
// is started. 128-bit buses. The test defines where registers are (`_AT`) and what those
// that name the kernel read (`_WORD`).

module ternary_gemv (
    input wire ap_clk, input wire ap_rst_n, output wire interrupt,
    input wire [11:0] s_axi_control_awaddr, input wire s_axi_control_awvalid, output wire s_axi_control_awready,
    input wire [31:0] s_axi_control_wdata, input wire [3:0] s_axi_control_wstrb,
    input wire s_axi_control_wvalid, output wire s_axi_control_wready,
    output wire [1:0] s_axi_control_bresp, output wire s_axi_control_bvalid, input wire s_axi_control_bready,
    input wire [11:0] s_axi_control_araddr, input wire s_axi_control_arvalid, output wire s_axi_control_arready,
    output reg [31:0] s_axi_control_rdata, output wire [1:0] s_axi_control_rresp,
    output reg s_axi_control_rvalid, input wire s_axi_control_rready,

    output wire m_axi_weights_arid, output wire [63:0] m_axi_weights_araddr, output wire [7:0] m_axi_weights_arlen,
    output wire [2:0] m_axi_weights_arsize, output wire [1:0] m_axi_weights_arburst, output wire m_axi_weights_arlock,
    output wire [3:0] m_axi_weights_arcache, output wire [2:0] m_axi_weights_arprot, output wire [3:0] m_axi_weights_arqos,
    output wire m_axi_weights_arvalid, input wire m_axi_weights_arready, input wire m_axi_weights_rid,
    input wire [127:0] m_axi_weights_rdata, input wire [1:0] m_axi_weights_rresp, input wire m_axi_weights_rlast,
    input wire m_axi_weights_rvalid, output wire m_axi_weights_rready,

    output wire m_axi_data_arid, output wire [63:0] m_axi_data_araddr, output wire [7:0] m_axi_data_arlen,
    output wire [2:0] m_axi_data_arsize, output wire [1:0] m_axi_data_arburst, output wire m_axi_data_arlock,
    output wire [3:0] m_axi_data_arcache, output wire [2:0] m_axi_data_arprot, output wire [3:0] m_axi_data_arqos,
    output wire m_axi_data_arvalid, input wire m_axi_data_arready, input wire m_axi_data_rid,
    input wire [127:0] m_axi_data_rdata, input wire [1:0] m_axi_data_rresp, input wire m_axi_data_rlast,
    input wire m_axi_data_rvalid, output wire m_axi_data_rready,
    output wire m_axi_data_awid, output wire [63:0] m_axi_data_awaddr, output wire [7:0] m_axi_data_awlen,
    output wire [2:0] m_axi_data_awsize, output wire [1:0] m_axi_data_awburst, output wire m_axi_data_awlock,
    output wire [3:0] m_axi_data_awcache, output wire [2:0] m_axi_data_awprot, output wire [3:0] m_axi_data_awqos,
    output wire m_axi_data_awvalid, input wire m_axi_data_awready,
    output wire [127:0] m_axi_data_wdata, output wire [15:0] m_axi_data_wstrb, output wire m_axi_data_wlast,
    output wire m_axi_data_wvalid, input wire m_axi_data_wready,
    input wire m_axi_data_bid, input wire [1:0] m_axi_data_bresp, input wire m_axi_data_bvalid, output wire m_axi_data_bready
);
    // What COUNT chooses. 0 is a kernel that is never done.
    localparam CROSSES_4K = 1, CHANGES = 2, DROPS = 3, NO_LAST = 4, DONE_TOO_EARLY = 5, NARROW = 6,
               FIXED = 7, STOPS = 8, UNKNOWN_ERROR = 9, ANSWERS_UNASKED = 10, DEAF = 11,
               ASKS_IN_RESET = 12, UNALIGNED = 13;

    reg [31:0] mode = 0;
    reg [31:0] age = 0;         // cycles since the start, 0 before it
    reg taken = 0;              // the one read burst has been accepted
    reg bvalid = 0;
    wire running = age != 0;
    wire write = s_axi_control_awvalid & s_axi_control_wvalid & ~bvalid;

    assign s_axi_control_awready = write;
    assign s_axi_control_wready = write;
    assign s_axi_control_bresp = 0;
    assign s_axi_control_bvalid = bvalid | (running & mode == ANSWERS_UNASKED & age > 20);
    assign s_axi_control_arready = ~s_axi_control_rvalid & ~(running & mode == DEAF);
    assign s_axi_control_rresp = 0;
    assign interrupt = 0;

    always @(posedge ap_clk) begin
        bvalid <= ap_rst_n & (write | (bvalid & ~s_axi_control_bready));
        if (running) age <= age + 1;
        if (m_axi_weights_arvalid & m_axi_weights_arready) taken <= 1;
        if (write & s_axi_control_awaddr == `COUNT_AT) mode <= s_axi_control_wdata;
        if (write & s_axi_control_awaddr == `CTRL_AT) age <= 1;
        if (running & mode == STOPS) $stop;
        s_axi_control_rvalid <= ap_rst_n & ((s_axi_control_arvalid & s_axi_control_arready)
                                | (s_axi_control_rvalid & ~s_axi_control_rready));
        if (s_axi_control_arvalid & s_axi_control_arready)
            case (s_axi_control_araddr)
                `CTRL_AT: s_axi_control_rdata <= (mode == UNKNOWN_ERROR | (mode == DONE_TOO_EARLY & taken)) ? 2 : 0;
                `MAGIC_AT: s_axi_control_rdata <= `MAGIC_WORD;
                `VERSION_AT: s_axi_control_rdata <= `VERSION_WORD;
                `GEOMETRY_AT: s_axi_control_rdata <= `GEOMETRY_WORD;
                `MAX_K_AT: s_axi_control_rdata <= `MAX_K_WORD;
                `ERROR_AT: s_axi_control_rdata <= 32'h77;
                default: s_axi_control_rdata <= 0;
            endcase
        if (~ap_rst_n) begin
            age <= 0;
            taken <= 0;
        end
    end

    wire reads = mode == CROSSES_4K | mode == CHANGES | mode == DROPS | mode == DONE_TOO_EARLY
               | mode == NARROW | mode == FIXED | mode == UNALIGNED;
    assign m_axi_weights_arvalid = (running & reads & ~taken & ~(mode == DROPS & age[0]))
                                 | (mode == ASKS_IN_RESET & ~ap_rst_n);
    assign m_axi_weights_araddr = mode == CROSSES_4K ? 64'h1_0000_0ff0
                                : mode == CHANGES ? {32'h1, age[27:0], 4'h0}
                                : mode == UNALIGNED ? 64'h1_0000_0008 : 64'h1_0000_0000;
    assign m_axi_weights_arlen = 1;
    assign m_axi_weights_arsize = mode == NARROW ? 2 : 4;
    assign m_axi_weights_arburst = mode == FIXED ? 0 : 1;
    assign {m_axi_weights_arid, m_axi_weights_arlock, m_axi_weights_arcache, m_axi_weights_arprot, m_axi_weights_arqos} = 0;
    assign m_axi_weights_rready = 0;

    assign m_axi_data_awvalid = running & mode == NO_LAST;
    assign m_axi_data_awaddr = 64'h2_0000_0000;
    assign {m_axi_data_awlen, m_axi_data_awsize, m_axi_data_awburst} = {8'd0, 3'd4, 2'd1};
    assign m_axi_data_wvalid = running & mode == NO_LAST;
    assign {m_axi_data_wlast, m_axi_data_wstrb, m_axi_data_wdata} = 0;
    assign {m_axi_data_awid, m_axi_data_awlock, m_axi_data_awcache, m_axi_data_awprot, m_axi_data_awqos} = 0;
    assign m_axi_data_bready = 1;
    assign {m_axi_data_arid, m_axi_data_araddr, m_axi_data_arlen, m_axi_data_arsize, m_axi_data_arburst,
            m_axi_data_arlock, m_axi_data_arcache, m_axi_data_arprot, m_axi_data_arqos} = 0;
    assign {m_axi_data_arvalid, m_axi_data_rready} = 0;
endmodule
