// The chip: width x height cores, their mesh, the barrier between timesteps, and the host port.
//
// A timestep: START | COMPUTE until every core has reached `end` | WAIT, while the emitters fill | FABRIC until all
// queues and emitters are empty. The barrier's four cycles are: START, the one in which the cores are seen to be done,
// WAIT, and the one in which the fabric is seen to be empty.
`default_nettype none
`include "nm_isa.vh"
`include "nm_arith.vh"

module nm_chip #(
    parameter int MESH_WIDTH = 2,
    parameter int MESH_HEIGHT = 2,
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int ACC_BITS = 24,
    parameter int COEF_BITS = 18,
    parameter int NEURONS = 512,
    parameter int REGISTERS = 8,
    parameter int AXONS = 2048,
    parameter int DELAY_SLOTS = 4,
    parameter int SYNAPSE_WORDS = 4096,
    parameter int PROGRAM_WORDS = 512,
    parameter int ROUTES = 2048,
    parameter int TRACES = 1,
    parameter bit GRADED = 1,
    parameter bit SHARED_AXONS = 0,
    parameter bit SCARCE = 0,
    parameter int COUNTER_BITS = 48,
    parameter int CORES = MESH_WIDTH * MESH_HEIGHT
) (
    input  wire logic        clk_i,
    input  wire logic        rst_i,
    input  wire logic        req_valid_i,
    output logic             req_ready_o,
    input  wire logic        req_write_i,
    input  wire logic [ 4:0] req_addr_i,
    input  wire logic [31:0] req_data_i,
    output logic             rsp_valid_o,
    input  wire logic        rsp_ready_i,
    output logic      [31:0] rsp_data_o,
    output logic             busy_o
`ifdef NM_RETIRE
    ,
    output logic [CORES-1:0] retire_op_o,
    output logic [CORES*16-1:0] retire_pc_o,
    output logic [CORES-1:0] retire_event_o,
    output logic [CORES*20-1:0] retire_axon_o,
    output logic [CORES*9-1:0] retire_factor_o,
    output logic [CORES*64-1:0] retire_entry_o,
    output logic [CORES-1:0] retire_row_o,
    output logic [CORES-1:0] retire_spike_o,
    output logic [CORES*16-1:0] retire_neuron_o,
    output logic [CORES*8-1:0] retire_payload_o,
    output logic [CORES-1:0] retire_packet_o,
    output logic [CORES*32-1:0] retire_route_o,
    output logic [CORES*8-1:0] retire_packet_payload_o
`endif
);
  `include "nm_host.vh"
  localparam int BLOCKS = NEURONS / LANES;
  localparam int AXON_W = $clog2(AXONS);
  localparam int SLOT_W = (DELAY_SLOTS > 1) ? $clog2(DELAY_SLOTS) : 1;
  localparam int CORE_W = (CORES > 1) ? $clog2(CORES) : 1;
  localparam int X_W = (MESH_WIDTH > 1) ? $clog2(MESH_WIDTH) : 1;
  localparam int Y_W = (MESH_HEIGHT > 1) ? $clog2(MESH_HEIGHT) : 1;
  localparam int DATA_W = SLOT_W + AXON_W + (GRADED ? 8 : 0);
  localparam int PACKET_W = X_W + Y_W + DATA_W;

  localparam logic [2:0] IDLE = 3'd0, START = 3'd1, COMPUTE = 3'd2, WAIT = 3'd3, FABRIC = 3'd4;

  // ---------------------------------------------------------------------------------------------- the host
  logic step, host_reset, clear_fault, any_fault, bad_inject, inject, inject_ready, mem_active, mem_we, mem_write, mem_turn;
  logic [23:0] steps, timesteps;
  logic [STATE_BITS-1:0] reward;
  logic [3:0] fault, mem_number, mem_part;
  logic [2:0] count_index;
  logic [63:0] count;
  logic [31:0] inject_route;
  logic [7:0] inject_payload, mem_core;
  logic [19:0] mem_addr;
  logic [31:0] mem_wdata, mem_rdata;
  logic [23:0] t_q;
  logic idle;
  nm_host #(.LANES(LANES), .STATE_BITS(STATE_BITS), .CORES(CORES), .AXONS(AXONS), .DELAY_SLOTS(DELAY_SLOTS),
            .WIDTH(MESH_WIDTH), .HEIGHT(MESH_HEIGHT)) i_host (
      .clk_i, .rst_i, .req_valid_i, .req_ready_o, .req_write_i, .req_addr_i, .req_data_i, .rsp_valid_o,
      .rsp_ready_i, .rsp_data_o, .idle_i(idle), .step_o(step), .steps_o(steps), .reset_o(host_reset),
      .clear_fault_o(clear_fault), .timesteps_o(timesteps), .reward_o(reward), .t_i(t_q), .any_fault_i(any_fault),
      .fault_i(fault), .count_index_o(count_index), .count_i(count), .inject_o(inject),
      .inject_ready_i(inject_ready), .inject_route_o(inject_route), .inject_payload_o(inject_payload),
      .bad_inject_o(bad_inject), .mem_active_o(mem_active), .mem_core_o(mem_core), .mem_number_o(mem_number),
      .mem_addr_o(mem_addr), .mem_we_o(mem_we), .mem_write_o(mem_write), .mem_part_o(mem_part), .mem_turn_o(mem_turn),
      .mem_data_o(mem_wdata), .mem_data_i(mem_rdata));

  // --------------------------------------------------------------------------------------- phases, barrier
  logic [2:0] phase_q;
  logic [1:0] wait_q;
  logic [23:0] left_q;
  logic resetting_q, begin_step, begin_reset, any_running, fabric_empty, mesh_empty, last_step;
  logic [CORES-1:0] running, emit_idle, sink_busy;
  assign any_running = |running;
  assign fabric_empty = &emit_idle && mesh_empty && !(|sink_busy);
  assign idle = phase_q == IDLE;
  assign busy_o = !idle;
  assign begin_step = phase_q == START && wait_q == 2'd0 && !resetting_q;
  assign begin_reset = phase_q == START && wait_q == 2'd0 && resetting_q;
  assign last_step = left_q <= 24'd1;

  always_ff @(posedge clk_i)
    if (rst_i) begin
      phase_q <= IDLE;
      t_q <= '0;
      wait_q <= '0;
      resetting_q <= 1'b0;
    end else
      case (phase_q)
        IDLE: begin
          wait_q <= 2'd3;  // a program that was just written is fetched meanwhile
          if (step || host_reset) begin
            phase_q <= START;
            resetting_q <= host_reset;
            if (host_reset) t_q <= '0;
          end
        end
        START: begin
          wait_q <= wait_q - 1'b1;
          if (wait_q == 2'd0) phase_q <= COMPUTE;
        end
        COMPUTE:
        if (!any_running) begin
          phase_q <= resetting_q ? IDLE : WAIT;
        end
        WAIT: phase_q <= FABRIC;
        FABRIC:
        if (fabric_empty) begin
          t_q <= t_q + 1'b1;
          wait_q <= 2'd0;
          phase_q <= last_step ? IDLE : START;
        end
        default: phase_q <= IDLE;
      endcase
  always_ff @(posedge clk_i)
    if (idle || (phase_q == FABRIC && fabric_empty)) left_q <= `NM_DOWN(phase_q != FABRIC, steps, left_q);

  // --------------------------------------------------------------------------------------- the chip's ledger
  if (COUNTER_BITS > 0) begin : gen_counters
    logic [COUNTER_BITS-1:0] timesteps_q, compute_q, fabric_q, barrier_q, reset_q;
    always_ff @(posedge clk_i)
      if (rst_i) {timesteps_q, compute_q, fabric_q, barrier_q, reset_q} <= '0;
      else begin
        if (phase_q == COMPUTE && any_running) begin
          if (resetting_q) reset_q <= reset_q + 1'b1;
          else compute_q <= compute_q + 1'b1;
        end
        if (phase_q == FABRIC && !fabric_empty) fabric_q <= fabric_q + 1'b1;
        if (begin_step || (phase_q == COMPUTE && !any_running && !resetting_q) || phase_q == WAIT ||
             (phase_q == FABRIC && fabric_empty))
          barrier_q <= barrier_q + 1'b1;
        if (phase_q == FABRIC && fabric_empty) timesteps_q <= timesteps_q + 1'b1;
      end
    always_comb
      case (count_index)
        3'd0: count = 64'(timesteps_q);
        3'd1: count = 64'(compute_q);
        3'd2: count = 64'(fabric_q);
        3'd3: count = 64'(barrier_q);
        default: count = 64'(reset_q);
      endcase
  end else begin : gen_no_counters
    assign count = '0;
    logic unused;
    assign unused = &{1'b0, count_index};
  end

  // ------------------------------------------------------------------------------------------ cores and mesh
  logic [CORES-1:0] out_valid, out_ready, in_valid, in_ready, mesh_valid, mesh_ready;
  logic [CORES*PACKET_W-1:0] out_packet;
  logic [CORES*DATA_W-1:0] mesh_data;
  logic [CORES*32-1:0] core_rdata;
  logic [CORES*4-1:0] faults;
  nm_mesh #(.WIDTH(MESH_WIDTH), .HEIGHT(MESH_HEIGHT), .DATA_W(DATA_W)) i_mesh (
      .clk_i, .rst_i, .in_valid_i(out_valid), .in_ready_o(out_ready), .in_packet_i(out_packet),
      .out_valid_o(mesh_valid), .out_ready_i(mesh_ready), .out_data_o(mesh_data), .empty_o(mesh_empty));

  for (genvar c = 0; c < CORES; c++) begin : gen_core
    localparam int X = c % MESH_WIDTH;
    localparam int Y = c / MESH_WIDTH;
    logic [CORE_W-1:0] to_core;
    logic [X_W-1:0] to_x;
    logic [Y_W-1:0] to_y;
    logic [4:0] hops;
    logic [SLOT_W-1:0] out_delay, in_delay, mesh_delay;
    logic [AXON_W-1:0] out_axon, in_axon, mesh_axon;
    logic [7:0] out_payload, in_payload, mesh_payload;
    logic here, inject_here;
    assign to_x = X_W'(32'(to_core) % MESH_WIDTH);
    assign to_y = Y_W'(32'(to_core) / MESH_WIDTH);
    assign hops = (32'(to_x) > X ? 5'(to_x) - 5'(X) : 5'(X) - 5'(to_x))
                  + (32'(to_y) > Y ? 5'(to_y) - 5'(Y) : 5'(Y) - 5'(to_y));
    if (GRADED) begin : gen_graded
      assign out_packet[c*PACKET_W+:PACKET_W] = {to_x, to_y, out_delay, out_axon, out_payload};
      assign {mesh_delay, mesh_axon, mesh_payload} = mesh_data[c*DATA_W+:DATA_W];
    end else begin : gen_plain
      assign out_packet[c*PACKET_W+:PACKET_W] = {to_x, to_y, out_delay, out_axon};
      assign {mesh_delay, mesh_axon} = mesh_data[c*DATA_W+:DATA_W];
      assign mesh_payload = 8'd1;
      logic unused;
      assign unused = &{1'b0, out_payload};
    end
    assign here = 32'(mem_core) == c;
    assign inject_here = inject && 32'(inject_route[`NM_ROUTE_CORE]) == c;
    assign in_valid[c] = inject_here || (mesh_valid[c] && phase_q == FABRIC);
    assign mesh_ready[c] = in_ready[c] && phase_q == FABRIC;
    assign in_delay = inject_here ? inject_route[20+:SLOT_W] : mesh_delay;
    assign in_axon = inject_here ? inject_route[0+:AXON_W] : mesh_axon;
    assign in_payload = inject_here ? inject_payload : mesh_payload;

    nm_core #(.LANES(LANES), .STATE_BITS(STATE_BITS), .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS), .BLOCKS(BLOCKS),
              .REGISTERS(REGISTERS), .AXONS(AXONS), .DELAY_SLOTS(DELAY_SLOTS), .SYNAPSE_WORDS(SYNAPSE_WORDS),
              .PROGRAM_WORDS(PROGRAM_WORDS), .ROUTES(ROUTES), .TRACES(TRACES), .GRADED(GRADED),
              .SHARED_AXONS(SHARED_AXONS), .SCARCE(SCARCE), .CORES(CORES), .COUNTER_BITS(COUNTER_BITS)) i_core (
        .clk_i, .rst_i, .step_i(begin_step), .reset_i(begin_reset), .fabric_i(phase_q == FABRIC), .t_i(t_q),
        .timesteps_i(timesteps), .reward_i(reward), .running_o(running[c]), .emit_idle_o(emit_idle[c]),
        .sink_busy_o(sink_busy[c]), .out_valid_o(out_valid[c]), .out_ready_i(out_ready[c]), .out_core_o(to_core),
        .out_delay_o(out_delay), .out_axon_o(out_axon), .out_payload_o(out_payload), .out_hops_i(hops),
        .in_valid_i(in_valid[c]), .in_ready_o(in_ready[c]), .in_host_i(inject_here), .in_delay_i(in_delay),
        .in_axon_i(in_axon), .in_payload_i(in_payload), .host_i(mem_active), .host_mem_i(mem_number),
        .host_we_i(mem_we && here), .host_write_i(mem_write && here), .host_turn_i(mem_turn && here && mem_number == `NM_MEM_RANDOM),
        .host_addr_i(mem_addr), .host_part_i(mem_part), .host_data_i(mem_wdata),
        .host_data_o(core_rdata[c*32+:32]), .clear_fault_i(clear_fault), .fault_o(faults[c*4+:4])
`ifdef NM_RETIRE
        , .retire_op_o(retire_op_o[c]), .retire_pc_o(retire_pc_o[c*16+:16]), .retire_event_o(retire_event_o[c]),
        .retire_axon_o(retire_axon_o[c*20+:20]), .retire_factor_o(retire_factor_o[c*9+:9]),
        .retire_entry_o(retire_entry_o[c*64+:64]), .retire_row_o(retire_row_o[c]), .retire_spike_o(retire_spike_o[c]),
        .retire_neuron_o(retire_neuron_o[c*16+:16]), .retire_payload_o(retire_payload_o[c*8+:8])
`endif
    );
`ifdef NM_RETIRE
    assign retire_packet_o[c] = out_valid[c] && out_ready[c];
    assign retire_route_o[c*32+:32] = {8'(to_core), 4'(out_delay), 20'(out_axon)};
    assign retire_packet_payload_o[c*8+:8] = out_payload;
`endif
  end
  logic [CORES-1:0] inject_select;
  assign inject_ready = inject && |(in_ready & inject_select);
  for (genvar c = 0; c < CORES; c++) begin : gen_select
    assign inject_select[c] = 32'(inject_route[`NM_ROUTE_CORE]) == c;
  end

  // ---------------------------------------------------------------------------- what the host reads, and faults
  logic [3:0] chip_fault_q, core_fault;
  always_comb begin
    mem_rdata  = '0;
    core_fault = '0;
    for (int c = 0; c < CORES; c++)
      if (32'(mem_core) == 32'(c)) begin
        mem_rdata  = core_rdata[c*32+:32];
        core_fault = faults[c*4+:4];
      end
  end
  always_ff @(posedge clk_i)
    if (rst_i || clear_fault) chip_fault_q <= `NM_FAULT_NONE;
    else if (bad_inject && chip_fault_q == `NM_FAULT_NONE) chip_fault_q <= `NM_FAULT_HOST;
  assign any_fault = |faults || chip_fault_q != `NM_FAULT_NONE;
  logic unused;
  assign unused = &{1'b0, inject_route};
  assign fault = (32'(mem_core) >= 32'(CORES)) ? chip_fault_q : core_fault;
endmodule

`default_nettype wire
