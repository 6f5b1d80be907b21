// The routers of a width x height mesh and the links between them; core c is at x = c mod width, y = c div width.
`default_nettype none
`include "nm_isa.vh"

module nm_mesh #(
    parameter int WIDTH = 2,
    parameter int HEIGHT = 2,
    parameter int DATA_W = 32,
    parameter int CORES = WIDTH * HEIGHT,
    parameter int X_W = (WIDTH > 1) ? $clog2(WIDTH) : 1,
    parameter int Y_W = (HEIGHT > 1) ? $clog2(HEIGHT) : 1,
    parameter int PACKET_W = X_W + Y_W + DATA_W
) (
    input  wire logic                       clk_i,
    input  wire logic                       rst_i,
    input  wire logic [          CORES-1:0] in_valid_i,
    output logic      [          CORES-1:0] in_ready_o,
    input  wire logic [ CORES*PACKET_W-1:0] in_packet_i,
    output logic      [          CORES-1:0] out_valid_o,
    input  wire logic [          CORES-1:0] out_ready_i,
    output logic      [   CORES*DATA_W-1:0] out_data_o,
    output logic                            empty_o
);
  localparam int NORTH = 0, EAST = 1, SOUTH = 2, WEST = 3, LOCAL = 4;
  logic [CORES*5-1:0] to_valid, to_ready, from_valid, from_ready;  // of each router's inputs and outputs
  logic [CORES*5*PACKET_W-1:0] to_packet, from_packet;
  logic [CORES-1:0] empty;
  assign empty_o = &empty;
  logic unused;  // a packet that leaves the mesh drops its destination, and nothing leaves at the edges
  assign unused = &{1'b0, from_packet, from_valid};

  for (genvar c = 0; c < CORES; c++) begin : gen_router
    localparam int X = c % WIDTH;
    localparam int Y = c / WIDTH;
    nm_router #(.DATA_W(DATA_W), .X_W(X_W), .Y_W(Y_W), .X(X), .Y(Y)) i_router (
        .clk_i, .rst_i, .valid_i(to_valid[c*5+:5]), .ready_o(to_ready[c*5+:5]),
        .packet_i(to_packet[c*5*PACKET_W+:5*PACKET_W]), .valid_o(from_valid[c*5+:5]),
        .ready_i(from_ready[c*5+:5]), .packet_o(from_packet[c*5*PACKET_W+:5*PACKET_W]), .empty_o(empty[c]));

    assign to_valid[c*5+LOCAL] = in_valid_i[c];
    assign to_packet[(c*5+LOCAL)*PACKET_W+:PACKET_W] = in_packet_i[c*PACKET_W+:PACKET_W];
    assign in_ready_o[c] = to_ready[c*5+LOCAL];
    assign out_valid_o[c] = from_valid[c*5+LOCAL];
    assign out_data_o[c*DATA_W+:DATA_W] = from_packet[(c*5+LOCAL)*PACKET_W+:DATA_W];
    assign from_ready[c*5+LOCAL] = out_ready_i[c];

    if (Y > 0) begin : gen_north
      assign to_valid[c*5+NORTH] = from_valid[(c-WIDTH)*5+SOUTH];
      assign to_packet[(c*5+NORTH)*PACKET_W+:PACKET_W] = from_packet[((c-WIDTH)*5+SOUTH)*PACKET_W+:PACKET_W];
      assign from_ready[c*5+NORTH] = to_ready[(c-WIDTH)*5+SOUTH];
    end else begin : gen_no_north
      assign to_valid[c*5+NORTH] = 1'b0;
      assign to_packet[(c*5+NORTH)*PACKET_W+:PACKET_W] = '0;
      assign from_ready[c*5+NORTH] = 1'b0;
    end
    if (Y + 1 < HEIGHT) begin : gen_south
      assign to_valid[c*5+SOUTH] = from_valid[(c+WIDTH)*5+NORTH];
      assign to_packet[(c*5+SOUTH)*PACKET_W+:PACKET_W] = from_packet[((c+WIDTH)*5+NORTH)*PACKET_W+:PACKET_W];
      assign from_ready[c*5+SOUTH] = to_ready[(c+WIDTH)*5+NORTH];
    end else begin : gen_no_south
      assign to_valid[c*5+SOUTH] = 1'b0;
      assign to_packet[(c*5+SOUTH)*PACKET_W+:PACKET_W] = '0;
      assign from_ready[c*5+SOUTH] = 1'b0;
    end
    if (X > 0) begin : gen_west
      assign to_valid[c*5+WEST] = from_valid[(c-1)*5+EAST];
      assign to_packet[(c*5+WEST)*PACKET_W+:PACKET_W] = from_packet[((c-1)*5+EAST)*PACKET_W+:PACKET_W];
      assign from_ready[c*5+WEST] = to_ready[(c-1)*5+EAST];
    end else begin : gen_no_west
      assign to_valid[c*5+WEST] = 1'b0;
      assign to_packet[(c*5+WEST)*PACKET_W+:PACKET_W] = '0;
      assign from_ready[c*5+WEST] = 1'b0;
    end
    if (X + 1 < WIDTH) begin : gen_east
      assign to_valid[c*5+EAST] = from_valid[(c+1)*5+WEST];
      assign to_packet[(c*5+EAST)*PACKET_W+:PACKET_W] = from_packet[((c+1)*5+WEST)*PACKET_W+:PACKET_W];
      assign from_ready[c*5+EAST] = to_ready[(c+1)*5+WEST];
    end else begin : gen_no_east
      assign to_valid[c*5+EAST] = 1'b0;
      assign to_packet[(c*5+EAST)*PACKET_W+:PACKET_W] = '0;
      assign from_ready[c*5+EAST] = 1'b0;
    end
  end
endmodule

`default_nettype wire
