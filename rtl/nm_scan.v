// Walks the words of a bitmap in a RAM and names its bits, lowest first: one token a cycle, without bubbles.
//
// Pipeline: address -> array -> output register (the candidates) -> token. An empty word gives one token without a
// bit; a word of k bits gives k tokens, the first of them marked. The pipeline stands still while the consumer does.
`default_nettype none
`include "nm_arith.vh"

module nm_scan #(
    parameter int WIDTH  = 16,
    parameter int ADDR_W = 8,
    parameter int BIT_W  = (WIDTH > 1) ? $clog2(WIDTH) : 1
) (
    input  wire logic              clk_i,
    input  wire logic              rst_i,
    input  wire logic              start_i,  // begin at word first_i, count_i words; only when idle
    input  wire logic [ADDR_W-1:0] first_i,
    input  wire logic [  ADDR_W:0] count_i,
    output logic                   busy_o,
    output logic                   ram_en_o,  // array and output register advance
    output logic      [ADDR_W-1:0] ram_addr_o,
    input  wire logic [ WIDTH-1:0] ram_data_i,
    output logic                   enter_o,  // a word is looked at for the first time
    output logic      [ADDR_W-1:0] enter_addr_o,
    output logic                   valid_o,
    input  wire logic              take_i,
    output logic      [ADDR_W-1:0] addr_o,
    output logic      [ BIT_W-1:0] bit_o,
    output logic                   any_o,  // the token names a bit
    output logic                   first_o,  // first token of its word
    output logic                   last_o  // last token of the walk
);
  logic addr_v_q, raw_v_q, word_v_q, tok_v_q;
  logic [ADDR_W-1:0] addr_q, raw_addr_q, word_addr_q;
  logic [ADDR_W:0] left_q;
  logic raw_last_q, word_last_q;
  logic [WIDTH-1:0] done_q, cand, low, rest;
  logic fresh_q, advance, tok_free, more;
  logic [BIT_W-1:0] index;

  assign cand = ram_data_i & ~done_q;
  assign low = cand & (~cand + 1'b1);
  assign rest = cand & ~low;
  assign more = |rest;
  assign tok_free = !tok_v_q || take_i;
  assign advance = !word_v_q || (tok_free && !more);

  always_comb begin
    index = '0;
    for (int i = 0; i < WIDTH; i++) if (low[i]) index = index | BIT_W'(i);
  end

  assign busy_o = addr_v_q || raw_v_q || word_v_q || tok_v_q;
  assign ram_en_o = advance;
  assign ram_addr_o = addr_q;
  assign enter_o = word_v_q && fresh_q && tok_free;
  assign enter_addr_o = word_addr_q;
  assign valid_o = tok_v_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      addr_v_q <= 1'b0;
      raw_v_q  <= 1'b0;
      word_v_q <= 1'b0;
      tok_v_q  <= 1'b0;
    end else begin
      if (start_i) addr_v_q <= count_i != '0;
      else if (advance && left_q == (ADDR_W + 1)'(1)) addr_v_q <= 1'b0;
      if (start_i || advance) begin
        addr_q <= `NM_UP(start_i, first_i, addr_q);
        left_q <= `NM_DOWN(start_i, count_i, left_q);
      end
      if (advance) begin
        raw_v_q     <= addr_v_q;
        raw_addr_q  <= addr_q;
        raw_last_q  <= left_q == (ADDR_W + 1)'(1);
        word_v_q    <= raw_v_q;
        word_addr_q <= raw_addr_q;
        word_last_q <= raw_last_q;
      end
      if (tok_free) tok_v_q <= word_v_q;
    end
    if (tok_free) begin
      addr_o  <= word_addr_q;
      bit_o   <= index;
      any_o   <= |cand;
      first_o <= fresh_q;
      last_o  <= word_last_q && !more;
    end
    if (advance) begin
      done_q  <= '0;
      fresh_q <= 1'b1;
    end else if (tok_free) begin
      done_q  <= done_q | low;
      fresh_q <= 1'b0;
    end
  end
endmodule

`default_nettype wire
