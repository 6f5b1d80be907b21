// `integ`: takes the pending axons in ascending order and streams the beats of their windows.
//
// A granule takes one cycle, an event three and its beats: F1 addresses the axon entry (and the payload), F2 is the
// array, F3 has the entry and computes where its first beat is. With SHARED_AXONS the entries lie in the upper part
// of the synapse memory, which is free in these three cycles: one single-port memory serves both. The same machine
// streams the beats of a plastic row, which nm_rows asks for, to be loaded or to be stored.
`default_nettype none
`include "nm_isa.vh"
`include "nm_arith.vh"

module nm_integrate #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int BLOCKS = 64,
    parameter int AXONS = 2048,
    parameter int SYNAPSE_WORDS = 4096,
    parameter bit GRADED = 1,
    parameter bit SHARED_AXONS = 0,
    parameter int TRACES = 1,
    parameter int AXON_W = $clog2(AXONS),
    parameter int GRANULE_W = (AXONS > 16) ? $clog2(AXONS / 16) : 1,
    parameter int WORD_W = (SYNAPSE_WORDS > 1) ? $clog2(SYNAPSE_WORDS) : 1
) (
    input  wire logic                clk_i,
    input  wire logic                rst_i,
    input  wire logic                start_i,
    input  wire logic [        63:0] instr_i,
    output logic                     done_o,  // the last cycle of the stream
    // pending bitmap, one slot of it
    output logic                     busy_o,
    output logic                     pending_en_o,
    output logic      [GRANULE_W-1:0] pending_addr_o,
    input  wire logic [        15:0] pending_data_i,
    output logic                     enter_o,
    output logic      [GRANULE_W-1:0] enter_addr_o,
    // payload of the axon: address in F1, value in F3
    output logic      [  AXON_W-1:0] payload_axon_o,
    input  wire logic [         7:0] payload_i,
    // beats to the accumulators
    output logic                     beat2_o,
    output logic      [LANES*16-1:0] word2_o,
    output logic      [         2:0] format2_o,
    output logic      [         3:0] part2_o,
    output logic      [         7:0] block2_o,
    output logic                     index2_o,
    output logic      [STATE_BITS-1:0] scale_o,  // of the weights, from the first beat's z on: the payload, shifted
    // plastic rows
    input  wire logic                row_i,        // what streams is one
    input  wire logic                row_fetch_i,  // F1
    input  wire logic [  AXON_W-1:0] row_axon_i,
    input  wire logic                row_store_i,
    input  wire logic [LANES*16-1:0] row_word_i,
    output logic                     row_narrow_o,
    output logic                     row_beat_o,
    output logic                     write_o,
    // host
    input  wire logic                host_i,
    input  wire logic [         3:0] host_mem_i,
    input  wire logic                host_we_i,
    input  wire logic [        19:0] host_addr_i,
    input  wire logic [         3:0] host_part_i,
    input  wire logic [        31:0] host_data_i,
    output logic      [        31:0] host_axons_o,
    // events for counters, retire port and faults
    output logic                     event_o,  // F3
    output logic      [  AXON_W-1:0] event_axon_o,
    output logic      [         8:0] event_factor_o,
    output logic      [        63:0] event_entry_o,
    output logic                     beat_o,
    output logic                     read_o,
    output logic                     bad_format_o,
    output logic                     bad_block_o,
    output logic                     bad_word_o
);
  `include "nm_host.vh"
  // A position is a synapse word and a sixteenth of it. It and a block have room for one step too far: a run that begins
  // there is wrong, and so are all behind it.
  localparam int POS_W = ((WORD_W > 8) ? WORD_W : 8) + 5;
  localparam logic [1:0] BEGIN = 2'd0, FETCH = 2'd1, WAIT = 2'd2, ENTRY = 2'd3;

  logic tok_v, tok_any, tok_first, tok_last, take, scan_busy;
  logic [GRANULE_W-1:0] tok_addr;
  logic [3:0] tok_bit;
  logic [1:0] state_q, state;
  logic stream_q;  // beats are running

  nm_scan #(.WIDTH(16), .ADDR_W(GRANULE_W)) i_scan (
      .clk_i, .rst_i, .start_i, .first_i(instr_i[GRANULE_W-1:0]), .count_i(instr_i[16+:GRANULE_W+1]),
      .busy_o(scan_busy), .ram_en_o(pending_en_o), .ram_addr_o(pending_addr_o), .ram_data_i(pending_data_i),
      .enter_o, .enter_addr_o, .valid_o(tok_v), .take_i(take), .addr_o(tok_addr), .bit_o(tok_bit), .any_o(tok_any),
      .first_o(tok_first), .last_o(tok_last));
  assign busy_o = scan_busy;

  // what the instruction says
  logic index_q, graded_q, signed_q;
  logic [4:0] shift_q;
  always_ff @(posedge clk_i)
    if (start_i) begin
      index_q  <= instr_i[50];
      shift_q  <= instr_i[`NM_I_SHIFT];
      graded_q <= instr_i[`NM_I_FLAG];
      signed_q <= instr_i[`NM_I_FLAG2];
    end

  // ------------------------------------------------------------------------------------------------ windows
  logic [63:0] entry;
  logic [2:0] format, format_q, grain_shift;
  logic [POS_W-1:0] run_pos_q, pos_q, first_pos, stride_q, step_q, step;
  logic [7:0] beats_q, left_q, block_stride_q;
  logic [4:0] runs_q;
  logic [8:0] run_block_q, block_q;
  logic far_word_q, far_block_q, far_block, far_word;
  logic fresh_q, none, last_beat, enter, next_run;
  logic [POS_W-1:0] from_pos;
  logic [8:0] from_block;
  logic [8:0] factor_q, factor;

  assign none = entry[`NM_AXON_FORMAT] == `NM_FMT_NONE || entry[`NM_AXON_FORMAT] == 3'd7;
  // sixteenths of a word in a beat: 16 >> log2(beats a word)
  assign format = entry[`NM_AXON_FORMAT];
  always_comb
    case (format)
      `NM_FMT_D8: grain_shift = 3'd3;
      `NM_FMT_D4: grain_shift = 3'd2;
      `NM_FMT_D2: grain_shift = 3'd1;
      `NM_FMT_D1: grain_shift = 3'd0;
      default: grain_shift = 3'd4;
    endcase
  assign step = POS_W'(1) << grain_shift;
  assign first_pos = POS_W'({entry[`NM_AXON_WORD], 4'h0}) | POS_W'({4'h0, entry[`NM_AXON_BEAT]} << grain_shift);
  assign factor = !graded_q ? 9'd1 : {signed_q && payload_i[7], payload_i};

  assign next_run = left_q == 8'd0;
  assign last_beat = next_run && runs_q == 5'd0;
  // in BEGIN a token that is not the first of its granule is already in its fetch cycle
  assign state = (state_q == BEGIN && ((tok_v && !tok_first) || row_fetch_i)) ? FETCH : state_q;
  always_comb begin
    take = 1'b0;
    if (stream_q) take = last_beat;
    else if (state_q == BEGIN) take = tok_v && tok_first && !tok_any;
    else if (state_q == ENTRY) take = none;
  end
  assign done_o = take && tok_last;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q  <= BEGIN;
      stream_q <= 1'b0;
    end else if (stream_q) begin
      stream_q <= !last_beat;
    end else begin
      case (state)
        BEGIN:   if (tok_v && tok_any) state_q <= FETCH;
        FETCH:   state_q <= WAIT;
        WAIT:    state_q <= ENTRY;
        default: begin
          state_q  <= BEGIN;
          stream_q <= !none;
        end
      endcase
    end
    if (enter) begin
      format_q       <= entry[`NM_AXON_FORMAT];
      step_q         <= step;
      stride_q       <= POS_W'(entry[`NM_AXON_WEIGHT_STRIDE]) << grain_shift;
      beats_q        <= entry[`NM_AXON_BEATS];
      block_stride_q <= entry[`NM_AXON_BLOCK_STRIDE];
      factor_q       <= factor;
    end
    if (enter || stream_q) begin
      pos_q   <= from_pos + (enter ? first_pos : next_run ? stride_q : step_q);
      block_q <= from_block + (enter ? 9'(entry[`NM_AXON_BLOCK]) : next_run ? 9'(block_stride_q) : 9'd1);
      left_q  <= `NM_DOWN(enter || next_run, enter ? entry[`NM_AXON_BEATS] : beats_q, left_q);
      fresh_q <= enter || next_run;
    end
    if (enter || (stream_q && next_run)) runs_q <= `NM_DOWN(enter, entry[`NM_AXON_RUNS], runs_q);
    if (fresh_q) {run_pos_q, run_block_q} <= {pos_q, block_q};
    if (enter) begin
      far_word_q  <= 24'({entry[`NM_AXON_WORD], 4'h0}) >> POS_W != '0;
      far_block_q <= 1'b0;
    end else if (fresh_q) begin
      far_word_q  <= far_word_q || pos_q[POS_W-1];
      far_block_q <= far_block_q || block_q[8];
    end
  end
  // a step goes on from the beat, or from where its run began
  assign enter = state == ENTRY;
  assign from_pos = enter ? '0 : (next_run && !fresh_q) ? run_pos_q : pos_q;
  assign from_block = enter ? '0 : (next_run && !fresh_q) ? run_block_q : block_q;

  // ----------------------------------------------------------------------------------------------- memories
  logic [AXON_W-1:0] axon, token_axon;
  logic read, read1_q, fetch, fetch1_q, narrow;
  if (AXONS > 16) begin : gen_axon
    assign token_axon = {tok_addr, tok_bit};
  end else begin : gen_small_axon
    assign token_axon = tok_bit;
    logic unused;
    assign unused = &{1'b0, tok_addr};
  end
  assign axon = row_i ? row_axon_i : token_axon;
  assign payload_axon_o = axon;
  assign fetch = state == FETCH && !stream_q;
  assign read = stream_q && !row_store_i && (fresh_q || pos_q[3:0] == 4'h0);
  assign narrow = format_q == `NM_FMT_D8;
  assign far_block = format_q != `NM_FMT_SPARSE && (far_block_q || `NM_REACHES(block_q, BLOCKS));
  assign far_word = far_word_q || `NM_REACHES(pos_q[POS_W-1:4], SYNAPSE_WORDS);

  // the host writes and reads 32 bits of a word
  localparam int WORD_W_BITS = LANES * 16;
  localparam int PART_BITS = (WORD_W_BITS < 32) ? WORD_W_BITS : 32;
  localparam int PARTS = WORD_W_BITS / PART_BITS;
  // a row of 8-bit weights writes the half of a word that its beat is in
  localparam int GROUP_BITS = (TRACES > 0 && LANES * 8 < PART_BITS) ? LANES * 8 : PART_BITS;
  localparam int GROUPS = WORD_W_BITS / GROUP_BITS;
  logic host_axons;
  logic [GROUPS-1:0] word_we;
  logic [WORD_W_BITS-1:0] word_d;
  assign host_axons = host_mem_i == `NM_MEM_AXONS;
  for (genvar g = 0; g < GROUPS; g++) begin : gen_group
    assign word_we[g] = (host_we_i && (host_mem_i == `NM_MEM_SYNAPSES || (SHARED_AXONS && host_axons))
                         && 32'(host_part_i) == g * GROUP_BITS / PART_BITS)
                        || (stream_q && row_store_i && (!narrow || pos_q[3] == (g >= GROUPS / 2)));
  end
  if (TRACES > 0) begin : gen_word
    assign word_d = row_word_i;  // what the host writes comes the same way
  end else begin : gen_host_word
    assign word_d = {PARTS{host_data_i[PART_BITS-1:0]}};
    logic unused;
    assign unused = &{1'b0, row_word_i};
  end

  if (SHARED_AXONS) begin : gen_shared
    localparam int AXON_BASE = 1 << ((WORD_W > AXON_W) ? WORD_W : AXON_W);
    localparam int ADDR_W = $clog2(AXON_BASE) + 1;
    logic [LANES*16-1:0] data;
    logic [ADDR_W-1:0] addr;
    assign addr = host_i ? {host_axons, host_addr_i[ADDR_W-2:0]} :
                  stream_q ? {1'b0, (ADDR_W - 1)'(pos_q[POS_W-1:4])} : {1'b1, (ADDR_W - 1)'(axon)};
    nm_ram #(.WORDS(2 * AXON_BASE), .WIDTH(LANES * 16), .GROUPS(GROUPS), .SINGLE(1), .ADDR_W(ADDR_W)) i_synapses (
        .clk_i, .ren_i(host_i || read || fetch), .oen_i(host_i || read1_q || fetch1_q), .raddr_i(addr),
        .rdata_o(data), .we_i(word_we), .waddr_i(addr), .wdata_i(word_d));
    assign word2_o = data;
    assign entry = data[63:0];
    assign host_axons_o = '0;
  end else begin : gen_apart
    // a word is written a cycle late, on its way across the part; nobody reads so soon
    logic [WORD_W-1:0] word_addr, waddr_q;
    logic [GROUPS-1:0] we_q;
    logic [WORD_W_BITS-1:0] d_q;
    assign word_addr = host_i ? host_addr_i[WORD_W-1:0] : pos_q[4+:WORD_W];
    always_ff @(posedge clk_i) begin
      we_q <= rst_i ? '0 : word_we;
      waddr_q <= word_addr;
      d_q <= word_d;
    end
    nm_ram #(.WORDS(SYNAPSE_WORDS), .WIDTH(LANES * 16), .GROUPS(GROUPS), .SINGLE(1)) i_synapses (
        .clk_i, .ren_i(host_i || read), .oen_i(host_i || read1_q), .raddr_i((|we_q) ? waddr_q : word_addr),
        .rdata_o(word2_o), .we_i(we_q), .waddr_i(waddr_q), .wdata_i(d_q));
    logic axons_we;
    assign axons_we = host_we_i && host_axons;
    nm_ram #(.WORDS(AXONS), .WIDTH(64), .GROUPS(2)) i_axons (
        .clk_i, .ren_i(host_i || fetch), .oen_i(host_i || fetch1_q),
        .raddr_i(host_i ? host_addr_i[AXON_W-1:0] : axon), .rdata_o(entry),
        .we_i({axons_we && host_part_i[0], axons_we && !host_part_i[0]}), .waddr_i(host_addr_i[AXON_W-1:0]),
        .wdata_i({2{host_data_i}}));
    assign host_axons_o = host_part_i[0] ? entry[63:32] : entry[31:0];
  end

  // -------------------------------------------------------------------------------- two cycles to the word
  logic beat1_q, beat2_q;
  localparam int HOST_PARTS = (LANES > 2) ? LANES / 2 : 1;  // the host's 32 bits are a part, too
  logic [3:0] part1_q, part2_q;
  logic [7:0] block1_q, block2_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) {beat1_q, beat2_q} <= '0;
    else {beat1_q, beat2_q} <= {stream_q && !row_store_i && !far_block && !far_word, beat1_q};
    {read1_q, fetch1_q} <= {read, fetch};
    part1_q <= pos_q[3:0];
    part2_q <= host_i ? 4'(host_part_i * 5'(16 / HOST_PARTS)) : part1_q;
    {block1_q, block2_q} <= {block_q[7:0], block1_q};
  end
  assign beat2_o = beat2_q;
  assign part2_o = part2_q;
  assign block2_o = block2_q;
  // an event's entry is decoded three cycles after the last beat of the one before: these still hold
  assign format2_o = format_q;
  assign index2_o = index_q;
  assign scale_o = (GRADED ? STATE_BITS'($signed(factor_q)) : STATE_BITS'(1)) << shift_q;

  assign row_narrow_o = narrow && !host_i;
  assign row_beat_o = stream_q;
  assign write_o = stream_q && row_store_i && (fresh_q || pos_q[3:0] == 4'h0);

  assign event_o = state == ENTRY && !stream_q && !row_i;
  assign event_axon_o = axon;
  assign event_factor_o = factor;
  assign event_entry_o = entry;
  assign beat_o = stream_q && !row_i;
  assign read_o = read;
  assign bad_format_o = state == ENTRY && !stream_q
                        && (row_i ? format != `NM_FMT_D16 && format != `NM_FMT_D8 : format == 3'd7);
  assign bad_block_o = stream_q && far_block;
  assign bad_word_o = stream_q && far_word;

  logic unused;
  assign unused = &{1'b0, instr_i, host_addr_i, host_data_i, factor_q};
endmodule

`default_nettype wire
