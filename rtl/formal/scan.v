// nm_scan names each bit of each word exactly once, in order, however long its consumer waits.
`default_nettype none

module scan #(
    parameter int WIDTH  = 4,
    parameter int ADDR_W = 1
) (
    input wire logic              clk_i,
    input wire logic              rst_i,
    input wire logic              start_i,
    input wire logic [ADDR_W-1:0] first_i,
    input wire logic [  ADDR_W:0] count_i,
    input wire logic              take_i
);
  localparam int WORDS = 1 << ADDR_W;
  logic [WORDS*WIDTH-1:0] memory;
  assign memory = $anyconst;
  logic busy, en, enter, valid, any, first, last;
  logic [ADDR_W-1:0] ram_addr, enter_addr, addr;
  logic [WIDTH-1:0] raw_q, data_q;
  logic [1:0] index;
  nm_scan #(.WIDTH(WIDTH), .ADDR_W(ADDR_W)) dut (
      .clk_i, .rst_i, .start_i, .first_i, .count_i, .busy_o(busy), .ram_en_o(en), .ram_addr_o(ram_addr),
      .ram_data_i(data_q), .enter_o(enter), .enter_addr_o(enter_addr), .valid_o(valid), .take_i, .addr_o(addr),
      .bit_o(index), .any_o(any), .first_o(first), .last_o(last));
  always_ff @(posedge clk_i)
    if (en) begin
      raw_q  <= memory[ram_addr*WIDTH+:WIDTH];
      data_q <= raw_q;
    end

  // what must come next: the word that is being named, and which of its bits were
  logic started_q, walking_q, walked_q;
  logic [ADDR_W-1:0] at_q, enter_q;
  logic [ADDR_W:0] left_q, unseen_q;
  logic [WIDTH-1:0] named_q, word, rest, bit_;
  logic [5:0] patience_q;
  initial started_q = 1'b0;
  assign word = memory[at_q*WIDTH+:WIDTH];
  assign bit_ = WIDTH'(1) << index;
  assign rest = word & ~named_q & ~(any ? bit_ : '0);
  always @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!started_q) assume (rst_i);
    else assume (!rst_i);
    if (start_i) assume (!busy && 32'(first_i) + 32'(count_i) <= WORDS);
    if (rst_i) begin
      {walking_q, walked_q, patience_q} <= '0;
    end else begin
      if (start_i) begin
        walking_q <= count_i != '0;
        walked_q <= 1'b1;
        at_q <= first_i;
        left_q <= count_i;
        enter_q <= first_i;
        unseen_q <= count_i;
        named_q <= '0;
      end
      if (enter) begin
        assert (walking_q && unseen_q != '0 && enter_addr == enter_q);
        enter_q <= enter_q + 1'b1;
        unseen_q <= unseen_q - 1'b1;
      end
      if (valid) begin
        assert (walking_q && addr == at_q);
        assert (first == (named_q == '0));
        assert (any == (word != '0));
        if (any) assert ((word & ~named_q & bit_) != '0 && (word & ~named_q & (bit_ - 1'b1)) == '0);
        assert (last == (rest == '0 && left_q == (ADDR_W + 1)'(1)));
      end
      if (valid && take_i) begin
        named_q <= any ? named_q | bit_ : '0;
        if (rest == '0) begin
          at_q <= at_q + 1'b1;
          left_q <= left_q - 1'b1;
          named_q <= '0;
          if (left_q == (ADDR_W + 1)'(1)) walking_q <= 1'b0;
        end
      end
      patience_q <= (busy && !start_i) ? patience_q + 6'(take_i || !valid) : 6'd0;
      assert (patience_q <= 6'(WORDS * WIDTH + 3));  // a token a cycle
      if (!busy && !start_i) assert (!walking_q);
      if (!busy && walked_q && !walking_q) assert (unseen_q == '0);
      cover (walked_q && !walking_q && named_q == '0);
    end
  end
endmodule

`default_nettype wire
