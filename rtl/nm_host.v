// The host's registers: 32-bit words in and out, one request at a time, each read answered.
//
// Memories are reached through SELECT {core, memory, word} and DATA: 32-bit parts of a word, lowest first; after the
// last part the address advances. A part of what lanes hold apart (registers, accumulators, traces, random states) is
// one lane; the random states are one word, to be read or written as a whole, as every part turns them by one lane.
// The chip is idle whenever a memory is touched: a request that needs it waits until then. A request stays as it is until
// it is taken, which is when it is done; the answer to a read follows.
`default_nettype none
`include "nm_isa.vh"
`include "nm_arith.vh"

module nm_host #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int CORES = 4,
    parameter int AXONS = 2048,
    parameter int DELAY_SLOTS = 4,
    parameter int WIDTH = 2,
    parameter int HEIGHT = 2
) (
    input  wire logic                  clk_i,
    input  wire logic                  rst_i,
    // bus
    input  wire logic                  req_valid_i,
    output logic                       req_ready_o,
    input  wire logic                  req_write_i,
    input  wire logic [           4:0] req_addr_i,
    input  wire logic [          31:0] req_data_i,
    output logic                       rsp_valid_o,
    input  wire logic                  rsp_ready_i,
    output logic      [          31:0] rsp_data_o,
    // chip
    input  wire logic                  idle_i,
    output logic                       step_o,       // run steps_o timesteps
    output logic      [          23:0] steps_o,
    output logic                       reset_o,
    output logic                       clear_fault_o,
    output logic      [          23:0] timesteps_o,
    output logic      [STATE_BITS-1:0] reward_o,
    input  wire logic [          23:0] t_i,
    input  wire logic                  any_fault_i,
    input  wire logic [           3:0] fault_i,      // of the selected core
    output logic      [           2:0] count_index_o,
    input  wire logic [          63:0] count_i,
    // injection
    output logic                       inject_o,
    input  wire logic                  inject_ready_i,
    output logic      [          31:0] inject_route_o,
    output logic      [           7:0] inject_payload_o,
    output logic                       bad_inject_o,
    // memories
    output logic                       mem_active_o,
    output logic      [           7:0] mem_core_o,
    output logic      [           3:0] mem_number_o,
    output logic      [          19:0] mem_addr_o,
    output logic                       mem_we_o,     // in the last cycle of a write
    output logic                       mem_write_o,
    output logic      [           3:0] mem_part_o,
    output logic                       mem_turn_o,   // a part was read or is written
    output logic      [          31:0] mem_data_o,
    input  wire logic [          31:0] mem_data_i
);
  `include "nm_host.vh"
  // address, array, output register, three stages of a lane, two multiplexers; a write goes through the lane, too
  localparam logic [2:0] CYCLES = 3'd7;

  localparam int CORE_W = $clog2(CORES + 1);
  logic [CORE_W-1:0] core_q;  // CORES: none
  logic [3:0] memory_q;
  logic [19:0] word_q;
  logic [3:0] part_q, last_part;
  logic [2:0] wait_q;
  logic busy_q, rsp_valid_q;  // a memory is read or written; an answer waits
  logic seen_q, bad_route_q;  // any other request is seen, and judged, a cycle before it is taken
  logic [31:0] rsp_data_q;
  logic [23:0] timesteps_q;
  logic [STATE_BITS-1:0] reward_q;
  logic [7:0] payload_q;
  logic request, is_data, is_inject, is_command, is_select, done, answer, bad_route, bad_q;

  function automatic logic [3:0] parts(input int bits);
    parts = 4'((bits + 31) / 32 - 1);
  endfunction
  assign mem_number_o = memory_q;
  always_comb
    case (mem_number_o)
      `NM_MEM_PROGRAM, `NM_MEM_AXONS, `NM_MEM_CONTROL: last_part = parts(64);
      `NM_MEM_REGISTERS, `NM_MEM_TRACES, `NM_MEM_ACCUMULATORS, `NM_MEM_RANDOM: last_part = 4'(LANES - 1);
      `NM_MEM_PREDICATES: last_part = parts(LANES * 4);
      `NM_MEM_SYNAPSES: last_part = parts(LANES * 16);
      `NM_MEM_SPIKE_PAYLOADS: last_part = parts(LANES * 8);
      default: last_part = parts(32);
    endcase

  assign is_data = req_addr_i == `NM_H_DATA;
  assign is_inject = req_write_i && req_addr_i == `NM_H_INJECT;
  assign is_command = req_write_i && req_addr_i == `NM_H_COMMAND;
  assign is_select = seen_q && req_write_i && req_addr_i == `NM_H_SELECT;
  assign request = req_valid_i && !rsp_valid_q && (idle_i || !(is_data || is_inject || is_command));
  assign done = is_data ? mem_turn_o : seen_q && (!is_inject || bad_route_q || inject_ready_i);
  assign answer = !req_write_i && (is_data ? mem_turn_o : seen_q);
  assign req_ready_o = done;
  assign bad_route = `NM_REACHES(req_data_i[`NM_ROUTE_CORE], CORES) || `NM_REACHES(req_data_i[`NM_ROUTE_AXON], AXONS)
                     || `NM_REACHES(req_data_i[`NM_ROUTE_DELAY], DELAY_SLOTS);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      {busy_q, seen_q, rsp_valid_q, bad_q} <= '0;
      part_q <= '0;
      {core_q, memory_q, word_q} <= '0;
      timesteps_q <= '0;
      reward_q <= '0;
      payload_q <= 8'd1;
    end else begin
      bad_q <= done && is_inject && bad_route_q;
      seen_q <= request && !is_data && !done;
      busy_q <= busy_q ? !mem_turn_o : request && is_data;
      if (mem_turn_o) part_q <= (part_q == last_part) ? '0 : part_q + 1'b1;
      if (is_select || (mem_turn_o && part_q == last_part))
        word_q <= `NM_UP(is_select, req_data_i[19:0], word_q);
      if (is_select) begin
        core_q <= `NM_REACHES(req_data_i[31:24], CORES) ? CORE_W'(CORES) : req_data_i[24+:CORE_W];
        memory_q <= req_data_i[23:20];
        part_q <= '0;
      end
      if (done && req_write_i)
        case (req_addr_i)
          `NM_H_PAYLOAD: payload_q <= req_data_i[7:0];
          `NM_H_TIMESTEPS: timesteps_q <= req_data_i[23:0];
          `NM_H_REWARD: reward_q <= req_data_i[STATE_BITS-1:0];
          default: ;
        endcase
      if (rsp_ready_i) rsp_valid_q <= 1'b0;
      if (answer) begin
        rsp_valid_q <= 1'b1;
        case (req_addr_i)
          `NM_H_DATA: rsp_data_q <= mem_data_i;
          `NM_H_VERSION: rsp_data_q <= {16'h4e4d, 16'(`NM_ISA_VERSION)};
          `NM_H_SHAPE: rsp_data_q <= {8'(WIDTH), 8'(HEIGHT), 8'(LANES), 8'(STATE_BITS)};
          `NM_H_STATUS: rsp_data_q <= {30'd0, any_fault_i, !idle_i};
          `NM_H_TIME: rsp_data_q <= 32'(t_i);
          `NM_H_FAULT: rsp_data_q <= 32'(fault_i);
          default: rsp_data_q <= req_addr_i[0] ? count_i[63:32] : count_i[31:0];
        endcase
      end
    end
    bad_route_q <= bad_route;
    wait_q <= busy_q ? wait_q - 1'b1 : CYCLES;
  end

  assign rsp_valid_o = rsp_valid_q;
  assign rsp_data_o = rsp_data_q;
  assign step_o = done && is_command && req_data_i[1:0] == `NM_CMD_STEP;
  assign steps_o = req_data_i[31:8];
  assign reset_o = done && is_command && req_data_i[1:0] == `NM_CMD_RESET;
  assign clear_fault_o = done && is_command && req_data_i[1:0] == `NM_CMD_CLEAR_FAULT;
  assign timesteps_o = timesteps_q;
  assign reward_o = reward_q;
  assign count_index_o = req_addr_i[3:1];
  assign inject_o = seen_q && is_inject && !bad_route_q;
  assign inject_route_o = req_data_i;
  assign inject_payload_o = payload_q;
  assign bad_inject_o = bad_q;
  assign mem_active_o = busy_q;
  assign mem_core_o = 8'(core_q);
  assign mem_addr_o = word_q;
  assign mem_write_o = req_write_i;
  assign mem_we_o = mem_turn_o && req_write_i;
  assign mem_part_o = part_q;
  assign mem_turn_o = busy_q && wait_q == 3'd0;
  assign mem_data_o = req_data_i;
endmodule

`default_nettype wire
