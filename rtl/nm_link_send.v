// One reply as a frame: MARK, header, payload out of the reply buffer, CRC, MARK, escaped where needed.
// A refusal has no payload and leaves the buffer alone, so that the last reply can be sent again.
`default_nettype none
`include "nm_link.vh"

module nm_link_send #(
    parameter int BYTES = 512,  // of the reply buffer
    parameter int ADDR_W = $clog2(BYTES)
) (
    input  wire logic              clk_i,
    input  wire logic              rst_i,
    input  wire logic              start_i,
    output logic                   busy_o,
    input  wire logic [       7:0] sequence_i,  // these hold until done
    input  wire logic [       7:0] kind_i,
    input  wire logic [  ADDR_W:0] size_i,
    input  wire logic              empty_i,     // no payload, whatever its size
    input  wire logic              working_i,   // nothing to send yet: a heartbeat, one MARK, now and then
    // reply buffer: two clocks, for which the line takes longer than for a byte
    output logic      [ADDR_W-1:0] addr_o,
    input  wire logic [       7:0] byte_i,
    // line
    output logic                   valid_o,
    input  wire logic              ready_i,
    output logic      [       7:0] data_o
);
  localparam logic [3:0] IDLE = 4'd0, FIRST = 4'd1, SEQUENCE = 4'd2, KIND = 4'd3, LENGTH_HIGH = 4'd4,
                         LENGTH_LOW = 4'd5, PAYLOAD = 4'd6, CRC_HIGH = 4'd7, CRC_LOW = 4'd8, LAST = 4'd9, BEAT = 4'd10;
  function automatic logic [15:0] crc_step(input logic [15:0] crc, input logic [7:0] data);
    logic [15:0] c;
    c = crc ^ {data, 8'h00};
    for (int i = 0; i < 8; i++) c = {c[14:0], 1'b0} ^ (c[15] ? `NM_L_CRC_POLYNOMIAL : 16'h0000);
    crc_step = c;
  endfunction

  localparam int COUNT_W = `NM_L_HEARTBEAT_BITS;
  logic [3:0] state_q;
  logic [COUNT_W-1:0] index_q, index;  // of the payload; before, clocks since the last heartbeat
  logic [15:0] crc_q, length;
  logic beat, escape_q, mark, special, sent;
  logic [7:0] value;

  assign length = empty_i ? '0 : 16'(size_i);
  always_comb
    case (state_q)
      SEQUENCE: value = sequence_i;
      KIND: value = kind_i;
      LENGTH_HIGH: value = length[15:8];
      LENGTH_LOW: value = length[7:0];
      PAYLOAD: value = byte_i;
      CRC_HIGH, CRC_LOW: value = crc_q[15:8];  // a byte of CRC that is in the CRC, too, moves the next one up
      default: value = `NM_L_MARK;
    endcase
  assign mark = state_q == FIRST || state_q == LAST || state_q == BEAT;
  assign special = !mark && !escape_q && (value == `NM_L_MARK || value == `NM_L_ESCAPE);
  assign data_o = special ? `NM_L_ESCAPE : escape_q ? value ^ `NM_L_FLIP : value;
  assign valid_o = state_q != IDLE;
  assign sent = valid_o && ready_i;
  assign {beat, index} = (COUNT_W + 1)'(index_q) + 1'b1;
  assign busy_o = state_q != IDLE;
  assign addr_o = index_q[ADDR_W-1:0];

  always_ff @(posedge clk_i)
    if (rst_i) begin
      state_q  <= IDLE;
      escape_q <= 1'b0;
    end else begin
      if (!working_i || state_q == FIRST) index_q <= '0;
      else if (state_q == IDLE || (state_q == PAYLOAD && sent && !special)) index_q <= index;
      if (state_q == IDLE) begin
        crc_q   <= `NM_L_CRC_START;
        if (start_i) state_q <= FIRST;
        else if (beat) state_q <= BEAT;
      end else if (sent) begin
        escape_q <= special;
        if (!special) begin
          if (!mark) crc_q <= crc_step(crc_q, value);
          case (state_q)
            LENGTH_LOW: state_q <= empty_i ? CRC_HIGH : PAYLOAD;
            PAYLOAD: begin
              if (index[ADDR_W:0] == size_i) state_q <= CRC_HIGH;
            end
            LAST, BEAT: state_q <= IDLE;
            default: state_q <= state_q + 1'b1;
          endcase
        end
      end
    end
endmodule

`default_nettype wire
