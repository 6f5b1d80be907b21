// The emitter: scans the spike bitmap, looks up pointers and routes, and offers packets to the router.
//
// It is a pipeline of tokens that starts while `end` drains and then waits, full, for the fabric phase:
//   scan -> pointer array, output -> routes, one a cycle -> route array, output -> the token that is being timed
// A token's time: one cycle for its block if it is the block's first, EMIT_SPIKE_CYCLES if it is a neuron's first;
// then its packet is offered until it is taken.
`default_nettype none
`include "nm_isa.vh"
`include "nm_arith.vh"

module nm_emit #(
    parameter int LANES = 8,
    parameter int BLOCKS = 64,
    parameter int ROUTES = 2048,
    parameter int AXONS = 2048,
    parameter int DELAY_SLOTS = 4,
    parameter int CORES = 4,
    parameter int BLOCK_W = (BLOCKS > 1) ? $clog2(BLOCKS) : 1,
    parameter int LANE_W = (LANES > 1) ? $clog2(LANES) : 1,
    parameter int ROUTE_W = (ROUTES > 1) ? $clog2(ROUTES) : 1,
    parameter int AXON_W = $clog2(AXONS),
    parameter int SLOT_W = (DELAY_SLOTS > 1) ? $clog2(DELAY_SLOTS) : 1,
    parameter int CORE_W = (CORES > 1) ? $clog2(CORES) : 1
) (
    input  wire logic               clk_i,
    input  wire logic               rst_i,
    input  wire logic               start_i,   // `end` of a timestep was issued
    input  wire logic [  BLOCK_W:0] blocks_i,
    input  wire logic               fabric_i,  // the fabric phase runs
    output logic                    idle_o,
    output logic                    busy_o,    // the spike bitmap is being read
    output logic                    ram_en_o,
    output logic      [BLOCK_W-1:0] ram_block_o,
    input  wire logic [  LANES-1:0] spikes_i,
    input  wire logic [LANES*8-1:0] payloads_i,
    output logic                    wipe_o,    // a block is done: its other half can be cleared
    output logic      [BLOCK_W-1:0] wipe_block_o,
    output logic                    valid_o,
    input  wire logic               ready_i,
    output logic      [ CORE_W-1:0] core_o,
    output logic      [ SLOT_W-1:0] delay_o,
    output logic      [ AXON_W-1:0] axon_o,
    output logic      [        7:0] payload_o,
    // events
    output logic                    spike_o,
    output logic      [BLOCK_W+$clog2(LANES)-1:0] spike_neuron_o,
    output logic      [        7:0] spike_payload_o,
    // host
    input  wire logic               host_i,
    input  wire logic               host_we_pointers_i,
    input  wire logic               host_we_routes_i,
    input  wire logic [       19:0] host_addr_i,
    input  wire logic [       31:0] host_data_i,
    output logic      [       31:0] host_pointers_o,
    output logic      [       31:0] host_routes_o,
    output logic                    bad_route_o  // the host wrote a pointer or a route that leads nowhere
);
  localparam int NEURON_W = BLOCK_W + $clog2(LANES);
  localparam int COUNT_W = (ROUTE_W + 1 < 12) ? ROUTE_W + 1 : 12;
  localparam int PTR_W = COUNT_W + ROUTE_W;
  localparam int DEST_W = CORE_W + SLOT_W + AXON_W;

  // what the host may write
  logic bad_pointer, bad_route;
  logic [31:0] pointer_end;
  assign pointer_end = 32'(host_data_i[`NM_PTR_COUNT]) + 32'(host_data_i[`NM_PTR_FIRST]);
  assign bad_pointer = host_data_i[`NM_PTR_COUNT] != '0 && `NM_EXCEEDS(pointer_end, ROUTES);
  assign bad_route = `NM_REACHES(host_data_i[`NM_ROUTE_CORE], CORES) || `NM_REACHES(host_data_i[`NM_ROUTE_AXON], AXONS)
                     || `NM_REACHES(host_data_i[`NM_ROUTE_DELAY], DELAY_SLOTS);
  assign bad_route_o = (host_we_pointers_i && bad_pointer) || (host_we_routes_i && bad_route);

  // ---------------------------------------------------------------------------------------- scan: a token
  logic tok_v, tok_any, tok_first, tok_last, scan_busy, en_front, enter;
  logic [BLOCK_W-1:0] tok_block, enter_block;
  logic [LANE_W-1:0] tok_lane;
  logic [NEURON_W-1:0] tok_neuron;
  logic [7:0] payload_mux, payload0_q;

  nm_scan #(.WIDTH(LANES), .ADDR_W(BLOCK_W)) i_scan (
      .clk_i, .rst_i, .start_i, .first_i({BLOCK_W{1'b0}}), .count_i(blocks_i), .busy_o(scan_busy), .ram_en_o(ram_en_o),
      .ram_addr_o(ram_block_o), .ram_data_i(spikes_i), .enter_o(enter), .enter_addr_o(enter_block),
      .valid_o(tok_v), .take_i(en_front), .addr_o(tok_block), .bit_o(tok_lane), .any_o(tok_any),
      .first_o(tok_first), .last_o(tok_last));
  if (LANES > 1) begin : gen_neuron
    assign tok_neuron = {tok_block, tok_lane};
  end else begin : gen_neuron1
    assign tok_neuron = tok_block;
  end

  // the payloads of the scanned word: kept for its tokens, which lag one stage behind the word
  logic [LANES*8-1:0] payloads_q;
  always_ff @(posedge clk_i) if (!tok_v || en_front) payloads_q <= payloads_i;
  always_comb begin
    payload_mux = 8'h00;
    for (int l = 0; l < LANES; l++) if (tok_lane == LANE_W'(l)) payload_mux = payload_mux | payloads_q[l*8+:8];
  end

  // ------------------------------------------------------------------------- pointer: array, output register
  logic p1_v_q, p2_v_q, p1_any_q, p2_any_q, p1_first_q, p2_first_q;
  logic [NEURON_W-1:0] p1_neuron_q, p2_neuron_q;
  logic [7:0] p1_payload_q, p2_payload_q;
  logic [PTR_W-1:0] pointer;
  assign payload0_q = payload_mux;
  nm_ram #(.WORDS(LANES << BLOCK_W), .WIDTH(PTR_W), .ADDR_W(NEURON_W)) i_pointers (
      .clk_i, .ren_i(host_i || en_front), .oen_i(host_i || en_front),
      .raddr_i(host_i ? host_addr_i[NEURON_W-1:0] : tok_neuron), .rdata_o(pointer),
      .we_i(host_we_pointers_i && !bad_pointer), .waddr_i(host_addr_i[NEURON_W-1:0]),
      .wdata_i({host_data_i[20+:COUNT_W], host_data_i[0+:ROUTE_W]}));
  assign host_pointers_o = {12'(pointer[PTR_W-1:ROUTE_W]), 20'(pointer[ROUTE_W-1:0])};

  // ----------------------------------------------------------------------------------- routes: one a cycle
  logic x_v_q, x_any_q, x_first_q, x_head_q, x_packet_q, x_last, en_back;
  logic [COUNT_W-1:0] x_left_q;
  logic [ROUTE_W-1:0] x_route_q;
  logic [NEURON_W-1:0] x_neuron_q;
  logic [7:0] x_payload_q;
  assign x_last = !x_any_q || x_left_q <= COUNT_W'(1);
  assign en_front = !x_v_q || (en_back && x_last);

  always_ff @(posedge clk_i) begin
    if (rst_i) {p1_v_q, p2_v_q, x_v_q} <= '0;
    else if (en_front) {p1_v_q, p2_v_q, x_v_q} <= {tok_v, p1_v_q, p2_v_q};
    if (en_front) begin
      {p1_any_q, p2_any_q, x_any_q} <= {tok_any, p1_any_q, p2_any_q};
      {p1_first_q, p2_first_q, x_first_q} <= {tok_first, p1_first_q, p2_first_q};
      {p1_neuron_q, p2_neuron_q, x_neuron_q} <= {tok_neuron, p1_neuron_q, p2_neuron_q};
      {p1_payload_q, p2_payload_q, x_payload_q} <= {payload0_q, p1_payload_q, p2_payload_q};
      x_head_q   <= 1'b1;
      x_packet_q <= p2_any_q && pointer[ROUTE_W+:COUNT_W] != '0;
    end else if (en_back) x_head_q <= 1'b0;
    if (en_front || en_back) begin
      x_left_q  <= `NM_DOWN(en_front, pointer[ROUTE_W+:COUNT_W], x_left_q);
      x_route_q <= `NM_UP(en_front, pointer[ROUTE_W-1:0], x_route_q);
    end
  end

  // --------------------------------------------------------- route: array, output register = the timed token
  logic y1_v_q, y2_v_q, y1_packet_q, y2_packet_q, y1_spike_q, y2_spike_q, y1_first_q, y2_first_q, y2_fresh_q;
  logic [NEURON_W-1:0] y1_neuron_q, y2_neuron_q;
  logic [BLOCK_W-1:0] wipe_block_q;  // every block comes, in order
  logic [7:0] y1_payload_q, y2_payload_q;
  logic [1:0] y1_gap_q, gap_q;
  logic [DEST_W-1:0] route;
  logic finish;
  assign en_back = !y2_v_q || finish;
  nm_ram #(.WORDS(ROUTES), .WIDTH(DEST_W), .ADDR_W(ROUTE_W)) i_routes (
      .clk_i, .ren_i(host_i || en_back), .oen_i(host_i || en_back),
      .raddr_i(host_i ? host_addr_i[ROUTE_W-1:0] : x_route_q), .rdata_o(route),
      .we_i(host_we_routes_i && !bad_route), .waddr_i(host_addr_i[ROUTE_W-1:0]),
      .wdata_i({host_data_i[24+:CORE_W], host_data_i[20+:SLOT_W], host_data_i[0+:AXON_W]}));
  assign host_routes_o = {8'(route[DEST_W-1-:CORE_W]), 4'(route[AXON_W+:SLOT_W]), 20'(route[AXON_W-1:0])};

  // a gap counts down to the cycle in which the packet is offered
  assign valid_o = fabric_i && y2_v_q && gap_q == 2'd0;
  assign finish = fabric_i && y2_v_q && (y2_packet_q ? gap_q == 2'd0 && ready_i : gap_q == 2'd1);
  always_ff @(posedge clk_i) begin
    if (rst_i) {y1_v_q, y2_v_q} <= '0;
    else if (en_back) {y1_v_q, y2_v_q} <= {x_v_q, y1_v_q};
    if (en_back) begin
      y1_packet_q <= x_packet_q;
      y1_spike_q <= x_any_q && x_head_q;
      y1_first_q <= x_first_q && x_head_q;
      y1_neuron_q <= x_neuron_q;
      y1_payload_q <= x_payload_q;
      // one for the block, two for the spike
      y1_gap_q <= {x_any_q && x_head_q, x_first_q && x_head_q};
      y2_packet_q <= y1_packet_q;
      y2_spike_q <= y1_spike_q;
      y2_first_q <= y1_first_q;
      y2_neuron_q <= y1_neuron_q;
      y2_payload_q <= y1_payload_q;
      gap_q <= y1_gap_q;
      y2_fresh_q <= 1'b1;
    end else if (fabric_i) begin
      y2_fresh_q <= 1'b0;
      if (gap_q != 2'd0) gap_q <= gap_q - 1'b1;
    end
  end

  assign core_o = route[DEST_W-1-:CORE_W];
  assign delay_o = route[AXON_W+:SLOT_W];
  assign axon_o = route[AXON_W-1:0];
  assign payload_o = y2_payload_q;
  assign spike_o = fabric_i && y2_v_q && y2_fresh_q && y2_spike_q;
  assign spike_neuron_o = y2_neuron_q;
  assign spike_payload_o = y2_payload_q;
  assign wipe_o = fabric_i && y2_v_q && y2_fresh_q && y2_first_q;
  assign wipe_block_o = wipe_block_q;
  always_ff @(posedge clk_i)
    if (start_i) wipe_block_q <= '0;
    else if (wipe_o) wipe_block_q <= wipe_block_q + 1'b1;
  assign busy_o = scan_busy;
  assign idle_o = !(scan_busy || p1_v_q || p2_v_q || x_v_q || y1_v_q || y2_v_q);

  logic unused;
  assign unused = &{1'b0, tok_last, enter, enter_block, host_addr_i, pointer_end};
endmodule

`default_nettype wire
