// nm_router never drops, doubles or misroutes a packet, and its queues never over- or underflow.
//
// One packet, any one, is marked by a bit of its data. It leaves once, by the port that its destination says; and what
// entered but did not leave is counted: a router that says it is empty is, one that is left to drain does.
`default_nettype none

module router (
    input wire logic        clk_i,
    input wire logic        rst_i,
    input wire logic [ 4:0] valid_i,
    input wire logic [ 4:0] ready_i,
    input wire logic [34:0] packet_i
);
  localparam int W = 7, NORTH = 0, EAST = 1, SOUTH = 2, WEST = 3, LOCAL = 4;  // {x, y, data}
  logic [4:0] ready, valid;
  logic [34:0] out;
  logic empty;
  nm_router #(.DATA_W(3), .X_W(2), .Y_W(2), .X(1), .Y(1)) dut (
      .clk_i, .rst_i, .valid_i, .ready_o(ready), .packet_i, .valid_o(valid), .ready_i, .packet_o(out),
      .empty_o(empty));

  logic [4:0] entered, left, marked_in, marked_out;
  logic [3:0] ins, outs;
  always_comb begin
    ins  = '0;
    outs = '0;
    for (int p = 0; p < 5; p++) begin
      entered[p] = valid_i[p] && ready[p];
      left[p] = valid[p] && ready_i[p];
      marked_in[p] = entered[p] && packet_i[p*W];
      marked_out[p] = valid[p] && out[p*W];
      ins = ins + 4'(entered[p]);
      outs = outs + 4'(left[p]);
    end
  end

  logic started_q, sent_q, inside_q;
  logic [3:0] total_q, quiet_q;
  logic [6:0] packet_q;

  // what the queues hold, for the induction: connected by the script
  logic [9:0] counts;
  logic [34:0] heads, tails;
  logic [3:0] held, marks;
  logic all_as_sent, none_too_many;
  always_comb begin
    held = '0;
    marks = '0;
    all_as_sent = 1'b1;
    none_too_many = 1'b1;
    for (int p = 0; p < 5; p++) begin
      held = held + 4'(counts[p*2+:2]);
      if (counts[p*2+:2] == 2'd3) none_too_many = 1'b0;
      if (counts[p*2+:2] != 2'd0 && heads[p*W]) begin
        marks = marks + 4'd1;
        if (heads[p*W+:W] != packet_q) all_as_sent = 1'b0;
      end
      if (counts[p*2+:2] == 2'd2 && tails[p*W]) begin
        marks = marks + 4'd1;
        if (tails[p*W+:W] != packet_q) all_as_sent = 1'b0;
      end
    end
  end

  initial started_q = 1'b0;
  always @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!started_q) assume (rst_i);
    else assume (!rst_i);
    // one marked packet ever
    assume ((marked_in & (marked_in - 5'd1)) == '0);
    if (sent_q && started_q) assume (marked_in == '0);
    if (rst_i) begin
      {sent_q, inside_q, total_q, quiet_q} <= '0;
    end else begin
      total_q <= total_q + ins - outs;
      quiet_q <= (valid_i == '0 && &ready_i) ? quiet_q + 4'(quiet_q != 4'd15) : 4'd0;
      for (int p = 0; p < 5; p++)
        if (marked_in[p]) begin
          {sent_q, inside_q} <= 2'b11;
          packet_q <= packet_i[p*W+:W];
        end
      if ((marked_out & ready_i) != '0) inside_q <= 1'b0;

      assert (none_too_many && held == total_q);  // five queues of two
      assert (marks == 4'(inside_q) && all_as_sent && (sent_q || !inside_q));
      assert (total_q <= 4'd10 && (quiet_q == '0 || total_q == '0 || 5'(total_q) + 5'(quiet_q) <= 5'd10));
      assert (empty == (total_q == '0));
      assert (ready != '0 || total_q == 4'd10);
      if (quiet_q >= 4'd10) assert (empty && !inside_q);
      for (int p = 0; p < 5; p++)
        if (marked_out[p]) begin
          assert (inside_q);
          assert (out[p*W+:W] == packet_q);
          assert ((marked_out & ~(5'd1 << p)) == '0);
          case (p)
            EAST: assert (packet_q[6:5] > 2'd1);
            WEST: assert (packet_q[6:5] == 2'd0);
            SOUTH: assert (packet_q[6:5] == 2'd1 && packet_q[4:3] > 2'd1);
            NORTH: assert (packet_q[6:5] == 2'd1 && packet_q[4:3] == 2'd0);
            default: assert (packet_q[6:5] == 2'd1 && packet_q[4:3] == 2'd1);
          endcase
        end
      cover (quiet_q == 4'd10 && sent_q);
      cover (total_q == 4'd10);
    end
  end
endmodule

`default_nettype wire
