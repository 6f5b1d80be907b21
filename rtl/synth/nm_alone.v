// The chip alone for `nmc synth --no-link`: its host port has more signals than a small part has pins, so here they are
// shifted in and out. It is there to be placed and timed, not to be used.
`default_nettype none

module nm_alone #(
    parameter int MESH_WIDTH = 1,
    parameter int MESH_HEIGHT = 1,
    parameter int LANES = 4,
    parameter int STATE_BITS = 16,
    parameter int ACC_BITS = 24,
    parameter int COEF_BITS = 16,
    parameter int NEURONS = 256,
    parameter int REGISTERS = 4,
    parameter int AXONS = 1024,
    parameter int DELAY_SLOTS = 2,
    parameter int SYNAPSE_WORDS = 8192,
    parameter int PROGRAM_WORDS = 256,
    parameter int ROUTES = 512,
    parameter int TRACES = 1,
    parameter bit GRADED = 0,
    parameter bit SHARED_AXONS = 0,
    parameter bit SCARCE = 0,
    parameter int COUNTER_BITS = 48
) (
    input  wire logic clk_i,
    input  wire logic rst_i,
    input  wire logic in_i,
    input  wire logic valid_i,
    output logic      out_o,
    output logic      busy_o
);
  logic [38:0] in_q;
  logic [33:0] out_q;
  logic valid_q, req_ready, rsp_valid;
  logic [31:0] rsp_data;
  always_ff @(posedge clk_i) begin
    valid_q <= valid_i;
    in_q <= {in_q[37:0], in_i};
    out_q <= valid_q ? {req_ready, rsp_valid, rsp_data} : {out_q[32:0], 1'b0};
  end
  assign out_o = out_q[33];

  nm_chip #(.MESH_WIDTH(MESH_WIDTH), .MESH_HEIGHT(MESH_HEIGHT), .LANES(LANES), .STATE_BITS(STATE_BITS),
            .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS), .NEURONS(NEURONS), .REGISTERS(REGISTERS), .AXONS(AXONS),
            .DELAY_SLOTS(DELAY_SLOTS), .SYNAPSE_WORDS(SYNAPSE_WORDS), .PROGRAM_WORDS(PROGRAM_WORDS), .ROUTES(ROUTES),
            .TRACES(TRACES), .GRADED(GRADED), .SHARED_AXONS(SHARED_AXONS), .SCARCE(SCARCE),
            .COUNTER_BITS(COUNTER_BITS)) i_chip (
      .clk_i, .rst_i, .req_valid_i(valid_q), .req_ready_o(req_ready), .req_write_i(in_q[38]), .req_addr_i(in_q[37:33]),
      .req_data_i(in_q[32:1]), .rsp_valid_o(rsp_valid), .rsp_ready_i(in_q[0]), .rsp_data_o(rsp_data), .busy_o);
endmodule

`default_nettype wire
