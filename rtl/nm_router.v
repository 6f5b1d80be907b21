// One router of the mesh: five input queues of two packets, XY routing, fixed priority north, east, south, west, local.
//
// A cycle decides on what was there at its start: a queue that holds fewer than two packets takes one; an output takes
// the head of the first queue in order that wants it, if what lies behind can take it.
`default_nettype none
`include "nm_isa.vh"

module nm_router #(
    parameter int DATA_W = 32,  // a packet without its destination
    parameter int X_W = 4,
    parameter int Y_W = 4,
    parameter int X = 0,
    parameter int Y = 0,
    parameter int PACKET_W = X_W + Y_W + DATA_W  // {x, y, data}
) (
    input  wire logic                  clk_i,
    input  wire logic                  rst_i,
    input  wire logic [           4:0] valid_i,
    output logic      [           4:0] ready_o,
    input  wire logic [5*PACKET_W-1:0] packet_i,
    output logic      [           4:0] valid_o,
    input  wire logic [           4:0] ready_i,
    output logic      [5*PACKET_W-1:0] packet_o,
    output logic                       empty_o
);
  localparam int NORTH = 0, EAST = 1, SOUTH = 2, WEST = 3, LOCAL = 4;
  logic [4:0] has, full, pop;
  logic [5*PACKET_W-1:0] head;
  logic [24:0] want;  // five outputs of each input
  logic [24:0] grant;  // five inputs of each output

  assign ready_o = ~full;
  assign empty_o = has == '0;

  for (genvar p = 0; p < 5; p++) begin : gen_queue
    logic [PACKET_W-1:0] head_q, tail_q;
    logic [1:0] count_q;
    logic push;
    assign push = valid_i[p] && count_q != 2'd2;
    assign has[p] = count_q != 2'd0;
    assign full[p] = count_q == 2'd2;
    assign head[p*PACKET_W+:PACKET_W] = head_q;
    always_ff @(posedge clk_i) begin
      if (rst_i) count_q <= 2'd0;
      else count_q <= count_q + {1'b0, push} - {1'b0, pop[p]};
      if (pop[p] || count_q == 2'd0) head_q <= (count_q == 2'd2) ? tail_q : packet_i[p*PACKET_W+:PACKET_W];
      if (push) tail_q <= packet_i[p*PACKET_W+:PACKET_W];
    end

    logic [X_W-1:0] to_x;
    logic [Y_W-1:0] to_y;
    logic [4:0] wants;
    assign {to_x, to_y} = head_q[PACKET_W-1-:X_W+Y_W];
    logic east, west, south, north;
    assign east = 32'(to_x) > 32'(X);
    assign west = 32'(to_x) != 32'(X) && !east;
    assign south = 32'(to_y) > 32'(Y);
    assign north = 32'(to_y) != 32'(Y) && !south;
    assign wants[NORTH] = has[p] && !east && !west && north;
    assign wants[EAST] = has[p] && east;
    assign wants[SOUTH] = has[p] && !east && !west && south;
    assign wants[WEST] = has[p] && west;
    assign wants[LOCAL] = has[p] && !(east || west || south || north);
    assign want[p*5+:5] = wants;
  end

  for (genvar o = 0; o < 5; o++) begin : gen_output
    logic [4:0] asks, granted;
    logic [PACKET_W-1:0] chosen;
    logic [5*PACKET_W-1:0] masked;
    for (genvar p = 0; p < 5; p++) begin : gen_ask
      assign asks[p] = want[p*5+o];
    end
    assign granted = asks & (~asks + 5'd1);
    for (genvar p = 0; p < 5; p++) begin : gen_chosen
      assign masked[p*PACKET_W+:PACKET_W] = head[p*PACKET_W+:PACKET_W] & {PACKET_W{granted[p]}};
    end
    assign chosen = masked[0+:PACKET_W] | masked[PACKET_W+:PACKET_W] | masked[2*PACKET_W+:PACKET_W]
                    | masked[3*PACKET_W+:PACKET_W] | masked[4*PACKET_W+:PACKET_W];
    assign grant[o*5+:5] = granted;
    assign packet_o[o*PACKET_W+:PACKET_W] = chosen;
    assign valid_o[o] = |asks;
  end

  for (genvar p = 0; p < 5; p++) begin : gen_pop
    logic [4:0] taken;
    for (genvar o = 0; o < 5; o++) begin : gen_taken
      assign taken[o] = grant[o*5+p] && ready_i[o];
    end
    assign pop[p] = |taken;
  end
endmodule

`default_nettype wire
