// One core: sequencer, vector unit, accumulators, integration, pending bitmap, emitter, ledger; see README.md.
`default_nettype none
`include "nm_isa.vh"

module nm_core #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int ACC_BITS = 24,
    parameter int COEF_BITS = 18,
    parameter int BLOCKS = 64,
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
    parameter int CORES = 4,
    parameter int COUNTER_BITS = 48,
    // derived
    parameter int AXON_W = $clog2(AXONS),
    parameter int SLOT_W = (DELAY_SLOTS > 1) ? $clog2(DELAY_SLOTS) : 1,
    parameter int CORE_W = (CORES > 1) ? $clog2(CORES) : 1,
    parameter int BLOCK_W = (BLOCKS > 1) ? $clog2(BLOCKS) : 1,
    parameter int NEURON_W = BLOCK_W + $clog2(LANES)
) (
    input  wire logic                  clk_i,
    input  wire logic                  rst_i,
    // the chip's sequence
    input  wire logic                  step_i,       // a timestep begins in the next cycle
    input  wire logic                  reset_i,      // a sample reset begins in the next cycle
    input  wire logic                  fabric_i,     // the fabric phase
    input  wire logic [          23:0] t_i,
    input  wire logic [          23:0] timesteps_i,
    input  wire logic [STATE_BITS-1:0] reward_i,
    output logic                       running_o,    // not at `end` yet
    output logic                       emit_idle_o,
    output logic                       sink_busy_o,
    // packets
    output logic                       out_valid_o,
    input  wire logic                  out_ready_i,
    output logic      [    CORE_W-1:0] out_core_o,
    output logic      [    SLOT_W-1:0] out_delay_o,
    output logic      [    AXON_W-1:0] out_axon_o,
    output logic      [           7:0] out_payload_o,
    input  wire logic [           4:0] out_hops_i,   // of the packet on offer, for the ledger
    input  wire logic                  in_valid_i,
    output logic                       in_ready_o,
    input  wire logic                  in_host_i,    // an injection, not a packet
    input  wire logic [    SLOT_W-1:0] in_delay_i,
    input  wire logic [    AXON_W-1:0] in_axon_i,
    input  wire logic [           7:0] in_payload_i,
    // host: memories, while the chip is idle
    input  wire logic                  host_i,
    input  wire logic [           3:0] host_mem_i,
    input  wire logic                  host_we_i,
    input  wire logic                  host_write_i, // long before host_we_i
    input  wire logic                  host_turn_i,  // a part of `random` was read or is written
    input  wire logic [          19:0] host_addr_i,
    input  wire logic [           3:0] host_part_i,  // which 32 bits of the word, or which lane
    input  wire logic [          31:0] host_data_i,
    output logic      [          31:0] host_data_o,
    input  wire logic                  clear_fault_i,
    output logic      [           3:0] fault_o
`ifdef NM_RETIRE
    ,
    output logic                       retire_op_o,
    output logic      [          15:0] retire_pc_o,
    output logic                       retire_event_o,
    output logic      [          19:0] retire_axon_o,
    output logic      [           8:0] retire_factor_o,
    output logic      [          63:0] retire_entry_o,
    output logic                       retire_row_o,
    output logic                       retire_spike_o,
    output logic      [          15:0] retire_neuron_o,
    output logic      [           7:0] retire_payload_o
`endif
);
  `include "nm_host.vh"
  /*verilator no_inline_module*/  // one class for all cores: a mesh builds as fast as one core
  localparam int GRANULES = AXONS / 16;
  localparam int GRANULE_W = (GRANULES > 1) ? $clog2(GRANULES) : 1;
  localparam int TBLOCK_W = (AXONS > LANES) ? $clog2(AXONS / LANES) : 1;
  localparam int SPACE_W = (TRACES > 0 && TBLOCK_W > BLOCK_W) ? TBLOCK_W : BLOCK_W;
  localparam int PC_W = (PROGRAM_WORDS > 1) ? $clog2(PROGRAM_WORDS) : 1;
  localparam int CLEAR_WORDS = (2 * BLOCKS > DELAY_SLOTS * GRANULES) ? 2 * BLOCKS : DELAY_SLOTS * GRANULES;
  localparam int CLEAR_CYCLES = `NM_RESET_CYCLES + CLEAR_WORDS;
  localparam int CLEAR_W = $clog2(CLEAR_CYCLES + 1);
  localparam int COUNTERS = 29;

  // --------------------------------------------------------------------- sample reset: clear, then a program
  logic clearing_q, resetting_q, parity_q, clear_done, clear_blocks_q, clear_granules_q, clear_half_q;
  logic [CLEAR_W-1:0] clear_left_q;
  logic [BLOCK_W-1:0] clear_block_q;
  logic [GRANULE_W-1:0] clear_granule_q;
  logic [SLOT_W-1:0] clear_slot_q;
  logic [PC_W-1:0] reset_entry_q;
  logic running;
  assign clear_done = clearing_q && clear_left_q == CLEAR_W'(1);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      clearing_q <= 1'b0;
      resetting_q <= 1'b0;
      clear_blocks_q <= 1'b0;
      clear_granules_q <= 1'b0;
      parity_q <= 1'b0;
    end else begin
      if (step_i) begin
        resetting_q <= 1'b0;
        parity_q <= !parity_q;
      end
      if (reset_i) begin
        resetting_q <= 1'b1;
        clearing_q <= 1'b1;
        clear_left_q <= CLEAR_W'(CLEAR_CYCLES);
        clear_blocks_q <= 1'b1;
        clear_granules_q <= 1'b1;
        clear_half_q <= 1'b0;
        clear_block_q <= '0;
        clear_slot_q <= '0;
        clear_granule_q <= '0;
      end else if (clearing_q) begin
        clear_left_q <= clear_left_q - 1'b1;
        if (clear_done) clearing_q <= 1'b0;
        clear_block_q <= clear_block_q + 1'b1;
        if (32'(clear_block_q) == 32'(BLOCKS - 1)) begin
          clear_block_q <= '0;
          clear_half_q <= 1'b1;
          if (clear_half_q) clear_blocks_q <= 1'b0;
        end
        clear_granule_q <= clear_granule_q + 1'b1;
        if (32'(clear_granule_q) == 32'(GRANULES - 1)) begin
          clear_granule_q <= '0;
          clear_slot_q <= clear_slot_q + 1'b1;
          if (32'(clear_slot_q) == 32'(DELAY_SLOTS - 1)) clear_granules_q <= 1'b0;
        end
      end
    end
    if (host_we_i && host_mem_i == `NM_MEM_CONTROL && host_addr_i[5:0] == 6'd32 && host_part_i == 4'd0)
      reset_entry_q <= host_data_i[PC_W-1:0];
  end
  assign running_o = running || clearing_q;

  // ----------------------------------------------------------------------------------------------- sequencer
  logic rows, endrows, slot, row_hold, row_jump, row_body, row_loading;
  logic issue, vector, integ, end_, integ_done, range_axon, bad_opcode, bad_operand, bad_pc;
  logic [PC_W-1:0] pc;
  logic [63:0] instr;
  logic [31:0] host_program;
  logic [SPACE_W-1:0] range_first;
  logic [SPACE_W:0] range_count;
  logic [3:0] range_lanes;
  nm_sequence #(.LANES(LANES), .STATE_BITS(STATE_BITS), .COEF_BITS(COEF_BITS), .BLOCKS(BLOCKS),
                .REGISTERS(REGISTERS), .AXONS(AXONS), .TRACES(TRACES), .GRADED(GRADED),
                .PROGRAM_WORDS(PROGRAM_WORDS), .SPACE_W(SPACE_W)) i_sequence (
      .clk_i, .rst_i, .load_i(reset_i), .entry_i(reset_entry_q), .go_i(step_i || clear_done), .t_i, .timesteps_i,
      .running_o(running), .issue_o(issue), .pc_o(pc), .instr_o(instr), .vector_o(vector), .integ_o(integ),
      .end_o(end_), .rows_o(rows), .endrows_o(endrows), .slot_o(slot), .hold_i(row_hold), .jump_i(row_jump),
      .body_i(row_body || row_loading), .integ_done_i(integ_done), .range_first_o(range_first), .range_count_o(range_count),
      .range_lanes_o(range_lanes), .range_axon_o(range_axon), .bad_opcode_o(bad_opcode),
      .bad_operand_o(bad_operand), .bad_pc_o(bad_pc), .host_i,
      .host_we_i(host_we_i && host_mem_i == `NM_MEM_PROGRAM), .host_addr_i, .host_part_i(host_part_i[0]),
      .host_data_i, .host_program_o(host_program));

  // ------------------------------------------------------------------------------------------- plastic rows
  localparam int LANE_W = (LANES > 1) ? $clog2(LANES) : 1;
  localparam int XS = (TRACES > 0) ? TRACES : 1;
  logic row_active, row_sweep, row_load, row_seek, row_flush, row_pre, row_accept, row_fetch, row_store;
  logic row_narrow;
  logic valid0, second, last4, look5, axon5, row_beat;
  logic [SPACE_W-1:0] row_block, block5;
  logic [2:0] row_port;
  logic [XS-1:0] row_capture;
  logic [LANE_W-1:0] row_lane;
  logic [AXON_W-1:0] row_axon;
  logic [LANES-1:0] chosen5, inside5, zero5;
  logic [LANES*STATE_BITS-1:0] row5;
  logic [LANES*16-1:0] row_word, weights2;
  if (TRACES > 0) begin : gen_rows
    nm_rows #(.LANES(LANES), .STATE_BITS(STATE_BITS), .COEF_BITS(COEF_BITS), .AXONS(AXONS), .TRACES(TRACES)) i_rows (
        .clk_i, .rst_i, .running_i(running), .start_i(rows), .store_i(endrows), .instr_i(instr), .slot_i(slot),
        .reward_i, .active_o(row_active), .loading_o(row_loading), .hold_o(row_hold), .jump_o(row_jump),
        .body_o(row_body), .sweep_o(row_sweep), .load_o(row_load), .seek_o(row_seek),
        .block_o(row_block[TBLOCK_W-1:0]), .port_o(row_port), .flush_o(row_flush), .capture_o(row_capture),
        .lane_o(row_lane), .pre_o(row_pre), .accept_o(row_accept),
        .second_i(second), .last4_i(last4), .look5_i(look5), .axon5_i(axon5), .block5_i(block5[TBLOCK_W-1:0]),
        .chosen5_i(chosen5), .inside5_i(inside5), .zero5_i(zero5), .row5_i(row5), .fetch_o(row_fetch),
        .axon_o(row_axon), .store_o(row_store), .narrow_i(row_narrow), .word_o(row_word));
    if (SPACE_W > TBLOCK_W) begin : gen_wide
      assign row_block[SPACE_W-1:TBLOCK_W] = '0;
    end
    logic unused;
    assign unused = &{1'b0, block5};
  end else begin : gen_no_rows
    assign {row_active, row_loading, row_hold, row_jump, row_body, row_sweep, row_load, row_seek, row_flush} = '0;
    assign {row_pre, row_accept, row_fetch, row_store, row_block, row_port, row_capture, row_lane, row_axon, row_word} = '0;
    logic unused;
    assign unused = &{1'b0, rows, endrows, slot, valid0, second, last4, look5, axon5, block5, chosen5, inside5, zero5,
                      row5, row_narrow};
  end

  // ------------------------------------------------------------------------------------------- vector unit
  logic acc_index2, acc_read2, acc_clear5, consume, enter, emit_busy, emit_en, wipe;
  logic [BLOCK_W-1:0] acc_block2, emit_block, wipe_block;
  logic [LANES*ACC_BITS-1:0] acc_data4, sums5;
  logic [LANES-1:0] acc_stored4;
  logic [STATE_BITS-1:0] scale;
  logic [GRANULE_W-1:0] enter_addr, pending_addr;
  logic [15:0] pending_data;
  logic [LANES-1:0] emit_spikes;
  logic [LANES*8-1:0] emit_payloads;
  logic [ACC_BITS-1:0] host_word;
  logic [31:0] host_predicates;
  logic [15:0] host_delivered;
  logic [31:0] host_random;
  logic n_block, n_axon, n_write, n_acc_read, n_acc_write, n_pred_read, n_pred_write;
  logic [1:0] n_reads;
  logic [4:0] n_unit;
  nm_vector #(.LANES(LANES), .STATE_BITS(STATE_BITS), .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS), .BLOCKS(BLOCKS),
              .REGISTERS(REGISTERS), .AXONS(AXONS), .TRACES(TRACES), .GRADED(GRADED), .SCARCE(SCARCE)) i_vector (
      .clk_i, .rst_i, .issue_i(vector), .integ_i(integ), .scale_i(scale), .instr_i(instr), .range_first_i(range_first), .range_count_i(range_count),
      .range_lanes_i(range_lanes), .range_axon_i(range_axon), .sweep_i(row_sweep), .load_i(row_load),
      .seek_i(row_seek), .row_block_i(row_block), .row_port_i(row_port), .flush_i(row_flush), .capture_i(row_capture),
      .row_lane_i(row_lane), .row_pre_i(row_pre), .row_narrow_i(row_narrow), .weights2_i(weights2),
      .valid0_o(valid0), .second_o(second), .last4_o(last4), .look5_o(look5), .axon5_o(axon5), .block5_o(block5),
      .chosen5_o(chosen5), .inside5_o(inside5), .zero5_o(zero5), .row5_o(row5), .reward_i, .parity_i(parity_q),
      .acc_block2_o(acc_block2), .acc_index2_o(acc_index2), .acc_read2_o(acc_read2), .acc_data4_i(acc_data4),
      .acc_stored4_i(acc_stored4), .sums5_o(sums5),
      .acc_clear5_o(acc_clear5),
      .delivered_we_i(enter), .delivered_addr_i(enter_addr), .delivered_data_i(pending_data),
      .emit_i(emit_busy), .emit_en_i(emit_en), .emit_block_i(emit_block), .emit_spikes_o(emit_spikes),
      .emit_payloads_o(emit_payloads), .wipe_i(wipe), .wipe_block_i(wipe_block),
      .clear_i(clearing_q), .clear_half_i(clear_half_q), .clear_block_i(clear_block_q),
      .clear_blocks_i(clear_blocks_q), .clear_granule_i(clear_granule_q), .clear_granules_i(clear_granules_q),
      .host_i, .host_mem_i, .host_we_i, .host_write_i, .host_turn_i, .host_addr_i, .host_part_i, .host_data_i,
      .host_word_o(host_word), .host_predicates_o(host_predicates),
      .host_delivered_o(host_delivered), .host_random_o(host_random),
      .count_o(n_block), .count_axon_o(n_axon), .count_reads_o(n_reads), .count_write_o(n_write),
      .count_acc_read_o(n_acc_read), .count_acc_write_o(n_acc_write), .count_pred_read_o(n_pred_read),
      .count_pred_write_o(n_pred_write), .count_unit_o(n_unit));

  // ----------------------------------------------------------------------------------- integration of spikes
  logic integ_busy, pending_en, beat2, index2, event_, beat, read, stray;
  logic bad_format, bad_block, bad_word, bad_route, bad_row, synapse_write;
  logic [AXON_W-1:0] payload_axon, event_axon;
  logic [7:0] payload, block2;
  logic [LANES*16-1:0] word2;
  logic [31:0] host_synapses, host_axons;
  logic [2:0] format2;
  logic [3:0] part2;
  logic [8:0] event_factor;
  logic [63:0] event_entry;
  logic [LANES-1:0] nonzero3;
  nm_integrate #(.LANES(LANES), .STATE_BITS(STATE_BITS), .BLOCKS(BLOCKS), .AXONS(AXONS), .SYNAPSE_WORDS(SYNAPSE_WORDS), .GRADED(GRADED),
                 .SHARED_AXONS(SHARED_AXONS), .TRACES(TRACES)) i_integrate (
      .clk_i, .rst_i, .start_i(integ), .instr_i(instr), .done_o(integ_done), .busy_o(integ_busy),
      .pending_en_o(pending_en), .pending_addr_o(pending_addr), .pending_data_i(pending_data), .enter_o(enter),
      .enter_addr_o(enter_addr), .payload_axon_o(payload_axon), .payload_i(payload), .beat2_o(beat2),
      .word2_o(word2), .format2_o(format2), .part2_o(part2), .block2_o(block2), .index2_o(index2),
      .scale_o(scale), .row_i(row_active), .row_fetch_i(row_fetch), .row_axon_i(row_axon),
      .row_store_i(row_store), .row_word_i(row_word), .row_narrow_o(row_narrow), .row_beat_o(row_beat),
      .write_o(synapse_write), .host_i, .host_mem_i, .host_we_i, .host_addr_i,
      .host_part_i, .host_data_i, .host_axons_o(host_axons),
      .event_o(event_), .event_axon_o(event_axon), .event_factor_o(event_factor), .event_entry_o(event_entry),
      .beat_o(beat), .read_o(read), .bad_format_o(bad_format), .bad_block_o(bad_block), .bad_word_o(bad_word));
  assign consume = enter && pending_data != 16'h0000;
  assign bad_row = row_loading && row_beat != valid0;  // its beats are not the blocks in range

  nm_accumulate #(.LANES(LANES), .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .BLOCKS(BLOCKS),
                  .SCARCE(SCARCE)) i_accumulate (
      .clk_i, .rst_i, .beat2_i(beat2), .row2_i(row_active), .word2_i(word2), .format2_i(format2), .part2_i(part2),
      .block2_i(block2), .index2_i(index2), .stray_o(stray),
      .nonzero3_o(nonzero3), .weights2_o(weights2), .data4_o(acc_data4), .stored4_o(acc_stored4), .sums5_i(sums5),
      .vector_read2_i(acc_read2), .vector_block2_i(acc_block2), .vector_index2_i(acc_index2),
      .vector_clear5_i(acc_clear5), .clear_i(clear_blocks_q),
      .clear_index_i(clear_half_q), .clear_block_i(clear_block_q), .host_i,
      .host_we_i(host_we_i && host_mem_i == `NM_MEM_ACCUMULATORS),
      .host_addr_i(host_addr_i[BLOCK_W:0]), .host_part_i, .host_data_i(host_data_i[ACC_BITS-1:0]),
      .host_synapses_o(host_synapses));

  logic [SLOT_W-1:0] to_slot;
  assign to_slot = (DELAY_SLOTS > 1) ? t_i[SLOT_W-1:0] + in_delay_i + SLOT_W'(!in_host_i) : '0;
  logic deliver_ready;
  nm_pending #(.AXONS(AXONS), .DELAY_SLOTS(DELAY_SLOTS), .GRADED(GRADED)) i_pending (
      .clk_i, .rst_i, .slot_i((DELAY_SLOTS > 1) ? t_i[SLOT_W-1:0] : '0), .running_i(running), .scan_en_i(pending_en),
      .scan_addr_i(pending_addr), .scan_data_o(pending_data), .consume_i(consume), .consume_addr_i(enter_addr),
      .payload_axon_i(payload_axon), .payload_o(payload), .valid_i(in_valid_i), .ready_o(deliver_ready),
      .to_slot_i(to_slot), .to_axon_i(in_axon_i), .to_payload_i(in_payload_i), .clear_i(clear_granules_q),
      .clear_slot_i(clear_slot_q), .clear_granule_i(clear_granule_q), .host_i,
      .host_we_pending_i(host_we_i && host_mem_i == `NM_MEM_PENDING),
      .host_we_payloads_i(host_we_i && host_mem_i == `NM_MEM_PAYLOADS), .host_addr_i,
      .host_data_i(host_data_i[15:0]));
  assign in_ready_o = deliver_ready;
  assign sink_busy_o = !deliver_ready;

  // ----------------------------------------------------------------------------------------------- emitter
  logic spike;
  logic [NEURON_W-1:0] spike_neuron;
  logic [7:0] spike_payload;
  logic [31:0] host_pointers, host_routes;
  nm_emit #(.LANES(LANES), .BLOCKS(BLOCKS), .ROUTES(ROUTES), .AXONS(AXONS), .DELAY_SLOTS(DELAY_SLOTS),
            .CORES(CORES)) i_emit (
      .clk_i, .rst_i, .start_i(end_ && !resetting_q), .blocks_i(instr[BLOCK_W:0]), .fabric_i,
      .idle_o(emit_idle_o), .busy_o(emit_busy), .ram_en_o(emit_en), .ram_block_o(emit_block),
      .spikes_i(emit_spikes), .payloads_i(emit_payloads), .wipe_o(wipe), .wipe_block_o(wipe_block),
      .valid_o(out_valid_o), .ready_i(out_ready_i), .core_o(out_core_o), .delay_o(out_delay_o),
      .axon_o(out_axon_o), .payload_o(out_payload_o), .spike_o(spike), .spike_neuron_o(spike_neuron),
      .spike_payload_o(spike_payload), .host_i, .host_we_pointers_i(host_we_i && host_mem_i == `NM_MEM_POINTERS),
      .host_we_routes_i(host_we_i && host_mem_i == `NM_MEM_ROUTES), .host_addr_i,
      .host_data_i, .host_pointers_o(host_pointers), .host_routes_o(host_routes),
      .bad_route_o(bad_route));

  // ------------------------------------------------------------------------------------------------ faults
  logic [3:0] fault_q, fault;
  always_comb begin
    fault = `NM_FAULT_NONE;
    if (bad_route) fault = `NM_FAULT_ROUTE;
    if (bad_word) fault = `NM_FAULT_WORD;
    if (bad_block || stray || bad_row) fault = `NM_FAULT_BLOCK;
    if (bad_format) fault = `NM_FAULT_FORMAT;
    if (bad_operand) fault = `NM_FAULT_OPERAND;
    if (bad_opcode) fault = `NM_FAULT_OPCODE;
    if (bad_pc) fault = `NM_FAULT_PC;
  end
  always_ff @(posedge clk_i)
    if (rst_i || clear_fault_i) fault_q <= `NM_FAULT_NONE;
    else if (fault_q == `NM_FAULT_NONE) fault_q <= fault;
  assign fault_o = fault_q;

  // ------------------------------------------------------------------------------------------------ ledger
  localparam int STEP_BITS = 6;
  logic [COUNTERS*STEP_BITS-1:0] steps;
  logic [63:0] count;
  logic [5:0] ones;
  logic delivery, packet;
  assign delivery = in_valid_i && deliver_ready;
  assign packet = out_valid_o && out_ready_i;
  always_comb begin
    ones = '0;
    for (int l = 0; l < LANES; l++) ones = ones + 6'(nonzero3[l]);
    steps = '0;
    steps[0*STEP_BITS+:STEP_BITS] = 6'(issue);
    steps[1*STEP_BITS+:STEP_BITS] = (n_block && !n_axon) ? 6'(n_reads) : '0;
    steps[2*STEP_BITS+:STEP_BITS] = 6'(n_block && !n_axon && n_write);
    steps[3*STEP_BITS+:STEP_BITS] = 6'(n_block && n_acc_read) + 6'(beat);
    steps[4*STEP_BITS+:STEP_BITS] = 6'(n_block && n_acc_write) + 6'(beat);
    steps[5*STEP_BITS+:STEP_BITS] = 6'(n_block && n_pred_read);
    steps[6*STEP_BITS+:STEP_BITS] = 6'(n_block && n_pred_write);
    steps[7*STEP_BITS+:STEP_BITS] = row_accept ? 6'd1 : (n_block && n_axon) ? 6'(n_reads) : '0;
    steps[8*STEP_BITS+:STEP_BITS] = 6'(n_block && n_axon && n_write);
    for (int u = 0; u < 5; u++) steps[(9+u)*STEP_BITS+:STEP_BITS] = (n_block && n_unit[u]) ? 6'(LANES) : '0;
    steps[14*STEP_BITS+:STEP_BITS] = 6'(enter) + 6'(delivery && !in_host_i);
    steps[15*STEP_BITS+:STEP_BITS] = 6'(consume) + 6'(delivery && !in_host_i);
    steps[16*STEP_BITS+:STEP_BITS] = 6'(event_);
    steps[17*STEP_BITS+:STEP_BITS] = 6'(beat);
    steps[18*STEP_BITS+:STEP_BITS] = 6'(read);
    steps[19*STEP_BITS+:STEP_BITS] = 6'(synapse_write);
    steps[20*STEP_BITS+:STEP_BITS] = ones;
    steps[21*STEP_BITS+:STEP_BITS] = 6'(row_load);
    steps[22*STEP_BITS+:STEP_BITS] = 6'(spike);
    steps[23*STEP_BITS+:STEP_BITS] = 6'(spike);
    steps[24*STEP_BITS+:STEP_BITS] = 6'(packet);
    steps[25*STEP_BITS+:STEP_BITS] = packet ? 6'(out_hops_i) : '0;
    steps[26*STEP_BITS+:STEP_BITS] = 6'(delivery && !in_host_i);
    steps[27*STEP_BITS+:STEP_BITS] = 6'(delivery && in_host_i);
    steps[28*STEP_BITS+:STEP_BITS] = 6'(running && !resetting_q);
  end
  nm_counters #(.COUNTERS(COUNTERS), .COUNTER_BITS(COUNTER_BITS), .STEP_BITS(STEP_BITS)) i_counters (
      .clk_i, .rst_i, .steps_i(steps), .index_i(host_addr_i[4:0]), .value_o(count));

  // -------------------------------------------------------------------------------------- what the host reads
  logic [31:0] host_data_q, emit_payloads32, count32;
  logic [((LANES*8+31)/32)*32-1:0] wide_payloads;
  assign wide_payloads = ((LANES * 8 + 31) / 32 * 32)'(emit_payloads) >> {host_part_i, 5'd0};
  assign emit_payloads32 = wide_payloads[31:0];
  assign count32 = host_part_i[0] ? count[63:32] : count[31:0];
  always_ff @(posedge clk_i)
    case (host_mem_i)
      `NM_MEM_PROGRAM: host_data_q <= host_program;
      `NM_MEM_REGISTERS, `NM_MEM_TRACES: host_data_q <= 32'(host_word[STATE_BITS-1:0]);
      `NM_MEM_ACCUMULATORS: host_data_q <= 32'(host_word);
      `NM_MEM_PREDICATES: host_data_q <= host_predicates;
      `NM_MEM_SPIKES: host_data_q <= 32'(emit_spikes);
      `NM_MEM_PENDING: host_data_q <= 32'(pending_data);
      `NM_MEM_AXONS: host_data_q <= SHARED_AXONS ? host_synapses : host_axons;
      `NM_MEM_SYNAPSES: host_data_q <= host_synapses;
      `NM_MEM_POINTERS: host_data_q <= host_pointers;
      `NM_MEM_ROUTES: host_data_q <= host_routes;
      `NM_MEM_PAYLOADS: host_data_q <= 32'(payload);
      `NM_MEM_SPIKE_PAYLOADS: host_data_q <= emit_payloads32;
      `NM_MEM_DELIVERED: host_data_q <= 32'(host_delivered);
      `NM_MEM_RANDOM: host_data_q <= host_random;
      default: host_data_q <= !host_addr_i[5] ? count32 : host_part_i[0] ? '0 : 32'(reset_entry_q);
    endcase
  assign host_data_o = host_data_q;

`ifdef NM_RETIRE
  assign retire_op_o = issue && !row_body;
  assign retire_pc_o = 16'(pc);
  assign retire_event_o = event_;
  assign retire_axon_o = 20'(event_axon);
  assign retire_factor_o = event_factor;
  assign retire_entry_o = event_entry;
  assign retire_row_o = row_load;
  assign retire_spike_o = spike;
  assign retire_neuron_o = 16'(spike_neuron);
  assign retire_payload_o = spike_payload;
`endif

  logic unused;
  assign unused = &{1'b0, integ_busy, instr, host_data_i, host_addr_i, wide_payloads, pc, event_axon, event_factor, event_entry,
                    spike_neuron, spike_payload, t_i};
endmodule

`default_nettype wire
