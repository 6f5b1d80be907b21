// Frames from bytes: unescapes, checks length and CRC, and keeps good requests in a ring buffer, without their CRC.
//
// The bytes of a frame are written as they come; the reader sees them only when `end_q` moves behind them, after the
// frame was found right. Otherwise the write pointer goes back and `refuse_o` rises.
`default_nettype none
`include "nm_arith.vh"
`include "nm_link.vh"

module nm_link_receive #(
    parameter int BYTES = 512,  // a power of two
    parameter int ADDR_W = $clog2(BYTES)
) (
    input  wire logic       clk_i,
    input  wire logic       rst_i,
    // from the line
    input  wire logic       valid_i,
    input  wire logic       broken_i,
    input  wire logic [7:0] data_i,
    // requests, byte by byte
    output logic            any_o,     // something is there to be read
    output logic            valid_o,
    output logic      [7:0] data_o,
    input  wire logic       take_i,
    // refusals, kept until told to forget
    output logic            refuse_o,
    output logic            overrun_o,
    input  wire logic       forget_i
);
  function automatic logic [15:0] crc_step(input logic [15:0] crc, input logic [7:0] data);
    logic [15:0] c;
    c = crc ^ {data, 8'h00};
    for (int i = 0; i < 8; i++) c = {c[14:0], 1'b0} ^ (c[15] ? `NM_L_CRC_POLYNOMIAL : 16'h0000);
    crc_step = c;
  endfunction

  logic [ADDR_W-1:0] write_q, end_q, read_q, left_q;
  logic [15:0] crc_q;
  logic [2:0] head_q;  // header bytes so far
  logic [1:0] tail_q;  // CRC bytes so far
  logic escape_q, spoilt_q, full_q, refuse_q, overrun_q;
  logic mark, byte_v, in_tail, store, full, good;
  logic [7:0] value;

  assign mark = valid_i && data_i == `NM_L_MARK;
  assign byte_v = valid_i && data_i != `NM_L_MARK && data_i != `NM_L_ESCAPE;
  assign value = escape_q ? data_i ^ `NM_L_FLIP : data_i;
  assign in_tail = head_q == 3'd4 && left_q == '0;
  assign store = byte_v && !in_tail && !full;
  assign full = write_q + 1'b1 == read_q;
  assign good = in_tail && tail_q == 2'd2 && crc_q == 16'h0000 && !escape_q && !spoilt_q && !full_q;

  always_ff @(posedge clk_i)
    if (rst_i) begin
      {write_q, end_q} <= '0;
      {refuse_q, overrun_q, full_q, escape_q, spoilt_q} <= '0;
      head_q <= '0;
      tail_q <= '0;
      crc_q <= `NM_L_CRC_START;
    end else begin
      if (forget_i) {refuse_q, overrun_q} <= '0;
      if (broken_i) spoilt_q <= 1'b1;
      if (valid_i) escape_q <= data_i == `NM_L_ESCAPE;
      if (store || (mark && !good)) write_q <= `NM_UP(mark, end_q, write_q);
      if (valid_i && escape_q && data_i == `NM_L_ESCAPE) spoilt_q <= 1'b1;
      if (byte_v) begin
        crc_q <= crc_step(crc_q, value);
        if (head_q != 3'd4) head_q <= head_q + 1'b1;
        // the length: a frame longer than the buffer is spoilt here
        if (head_q == 3'd2 && (value >> (ADDR_W - 8)) != 8'h00) spoilt_q <= 1'b1;
        if (!in_tail) left_q <= `NM_DOWN(head_q != 3'd4, ({left_q[ADDR_W-9:0], value}), left_q);
        if (in_tail) begin
          tail_q <= tail_q + 1'b1;
          if (tail_q == 2'd2) spoilt_q <= 1'b1;
        end
        if (!in_tail && full) full_q <= 1'b1;
      end
      if (mark) begin
        if (good) end_q <= write_q;
        else begin
          if (head_q != 3'd0 || spoilt_q || escape_q) begin
            refuse_q  <= 1'b1;
            overrun_q <= full_q;
          end
        end
        head_q <= '0;
        tail_q <= '0;
        {escape_q, spoilt_q, full_q} <= '0;
        crc_q <= `NM_L_CRC_START;
      end
    end
  assign refuse_o = refuse_q;
  assign overrun_o = overrun_q;

  // ----------------------------------------------------------------------------------------------- reading
  logic [1:0] age_q;  // clocks that the memory had for the byte at read_q, if there is one
  assign any_o = read_q != end_q;
  assign valid_o = age_q[1];
  always_ff @(posedge clk_i) begin
    if (rst_i) read_q <= '0;
    else if (take_i) read_q <= read_q + 1'b1;
    age_q <= {2{any_o && !take_i && !rst_i}} & {age_q[0], 1'b1};
  end
  nm_ram #(.WORDS(BYTES), .WIDTH(8), .HELD(1)) i_ring (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(read_q), .rdata_o(data_o), .we_i(store), .waddr_i(write_q),
      .wdata_i(value));
endmodule

`default_nettype wire
