// The vector unit: registers, traces, predicates, spike bitmap and the lanes; one block of neurons a cycle.
//
//   0 addresses of registers, traces, spikes   1 array   2 output register, operands are chosen; addresses of
//   accumulators and predicates   3 multiply   4 shift, rounding, accumulator   5 add, saturate, write
// What stage 5 writes can be read in the next cycle, so an instruction that begins 7 cycles later sees it.
`default_nettype none
`include "nm_isa.vh"
`include "nm_arith.vh"

module nm_vector #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int ACC_BITS = 24,
    parameter int COEF_BITS = 18,
    parameter int BLOCKS = 64,
    parameter int REGISTERS = 8,
    parameter int AXONS = 2048,
    parameter int TRACES = 1,
    parameter bit GRADED = 1,
    parameter bit SCARCE = 0,
    // derived
    parameter int BLOCK_W = (BLOCKS > 1) ? $clog2(BLOCKS) : 1,
    parameter int REG_W = (REGISTERS > 1) ? $clog2(REGISTERS) : 1,
    parameter int GRANULE_W = (AXONS > 16) ? $clog2(AXONS / 16) : 1,
    parameter int LANE_W = (LANES > 1) ? $clog2(LANES) : 1,
    parameter int TBLOCK_W = (AXONS > LANES) ? $clog2(AXONS / LANES) : 1,
    parameter int SPACE_W = (TRACES > 0 && TBLOCK_W > BLOCK_W) ? TBLOCK_W : BLOCK_W,
    parameter int ROW_W = LANES * STATE_BITS
) (
    input  wire logic                clk_i,
    input  wire logic                rst_i,
    // issue: the instruction, and the range it works on
    input  wire logic                issue_i,
    input  wire logic                integ_i,         // what streams until the next issue is multiplied by scale_i
    input  wire logic [STATE_BITS-1:0] scale_i,
    input  wire logic [        63:0] instr_i,
    input  wire logic [ SPACE_W-1:0] range_first_i,
    input  wire logic [   SPACE_W:0] range_count_i,
    input  wire logic [         3:0] range_lanes_i,
    input  wire logic                range_axon_i,
    // plastic rows: what nm_rows lets issue, and what it sees of the stages
    input  wire logic                sweep_i,       // traces and `pre`, block after block until it is flushed
    input  wire logic                load_i,        // weights to a register
    input  wire logic                seek_i,
    input  wire logic [ SPACE_W-1:0] row_block_i,
    input  wire logic [         2:0] row_port_i,
    input  wire logic                flush_i,
    input  wire logic [(TRACES > 0 ? TRACES : 1)-1:0] capture_i,
    input  wire logic [  LANE_W-1:0] row_lane_i,
    input  wire logic                row_pre_i,
    input  wire logic                row_narrow_i,
    input  wire logic [LANES*16-1:0] weights2_i,    // of a beat, else 0
    output logic                     valid0_o,
    output logic                     second_o,
    output logic                     last4_o,
    output logic                     look5_o,
    output logic                     axon5_o,
    output logic      [ SPACE_W-1:0] block5_o,
    output logic      [   LANES-1:0] chosen5_o,
    output logic      [   LANES-1:0] inside5_o,
    output logic      [   LANES-1:0] zero5_o,
    output logic      [   ROW_W-1:0] row5_o,
    input  wire logic [STATE_BITS-1:0] reward_i,
    input  wire logic                parity_i,        // which half of the spike bitmap this timestep writes
    // accumulators: address in stage 2, data in stage 4, cleared in stage 5
    output logic      [ BLOCK_W-1:0] acc_block2_o,
    output logic                     acc_index2_o,
    output logic                     acc_read2_o,
    input  wire logic [LANES*ACC_BITS-1:0] acc_data4_i,
    input  wire logic [   LANES-1:0] acc_stored4_i,  // else it is 0
    output logic      [LANES*ACC_BITS-1:0] sums5_o,  // wrapped, not saturated
    output logic                     acc_clear5_o,
    // delivered bits (`pre`): written by the scan of integ
    input  wire logic                delivered_we_i,
    input  wire logic [GRANULE_W-1:0] delivered_addr_i,
    input  wire logic [        15:0] delivered_data_i,
    // the emitter reads the spike bitmap and clears the other half
    input  wire logic                emit_i,
    input  wire logic                emit_en_i,
    input  wire logic [ BLOCK_W-1:0] emit_block_i,
    output logic      [   LANES-1:0] emit_spikes_o,
    output logic      [ LANES*8-1:0] emit_payloads_o,
    input  wire logic                wipe_i,
    input  wire logic [ BLOCK_W-1:0] wipe_block_i,
    // sample reset
    input  wire logic                clear_i,
    input  wire logic                clear_half_i,
    input  wire logic [ BLOCK_W-1:0] clear_block_i,
    input  wire logic                clear_blocks_i,
    input  wire logic [GRANULE_W-1:0] clear_granule_i,
    input  wire logic                clear_granules_i,
    // host, while the core is idle
    input  wire logic                host_i,
    input  wire logic [         3:0] host_mem_i,
    input  wire logic                host_we_i,
    input  wire logic                host_write_i,  // long before host_we_i
    input  wire logic                host_turn_i,   // a part of `random` was read or written
    input  wire logic [        19:0] host_addr_i,
    input  wire logic [         3:0] host_part_i,  // lane, or 32 bits of the predicates
    input  wire logic [        31:0] host_data_i,
    output logic      [ACC_BITS-1:0] host_word_o,  // of registers, traces or accumulators
    output logic      [        31:0] host_predicates_o,
    output logic      [        15:0] host_delivered_o,
    output logic      [        31:0] host_random_o,
    // what the block in stage 0 does, for the counters
    output logic                     count_o,
    output logic                     count_axon_o,
    output logic      [         1:0] count_reads_o,
    output logic                     count_write_o,
    output logic                     count_acc_read_o,
    output logic                     count_acc_write_o,
    output logic                     count_pred_read_o,
    output logic                     count_pred_write_o,
    output logic      [         4:0] count_unit_o     // add, multiply, compare, move, random
);
  `include "nm_host.vh"
  localparam int Y_W = (STATE_BITS > COEF_BITS) ? STATE_BITS : COEF_BITS;

  // a weight is stored times this, so that the lane saturates it; 1 where that is too much for a factor
  localparam bit ROW_FITS = STATE_BITS - 8 <= COEF_BITS - 2;
  localparam logic [COEF_BITS-1:0] UP8 = COEF_BITS'(1) << (ROW_FITS ? STATE_BITS - 8 : 0);
  localparam logic [COEF_BITS-1:0] UP16 = COEF_BITS'(1) << (ROW_FITS ? STATE_BITS - 16 : 0);

  typedef struct packed {
    logic integ;
    logic row;  // a row's weights, or the sweep that finds it
    logic load;
    logic store;
    logic look;  // nm_rows sees which lanes are chosen
    logic [1:0] scalar;  // which trace, or the reward, is broadcast
    logic axon;
    logic writes_reg;
    logic writes_pred;
    logic is_spk;
    logic is_plog;
    logic is_rnd;
    logic is_mul;
    logic x_port, y_port, r_port;  // an operand from a port, else a broadcast value
    logic x_one;  // from port 1, which y and r always have
    logic y_unit, y_zero;  // broadcast: a constant, 1 or -1
    logic r_zero;
    logic x_imm;  // broadcast: the immediate, not the reward
    logic y_imm;
    logic r_imm;
    logic acc;  // r is an accumulator
    logic acc_index;
    logic acc_clear;
    logic minus;  // -x instead of x
    logic neg_r;
    logic select;
    logic max;
    logic less, equal, invert;  // a compare is (less and its result) or (equal and its result), perhaps inverted
    logic [3:0] pred;
    logic [2:0] d;
    logic [3:0] lanes;
    logic [1:0] plog_a;
    logic [1:0] plog_c;
    logic [4:0] shift;
    logic [1:0] round;
    logic flag;
    logic flag2;
    logic [3:0] table_;
  } ctl_t;

  // ------------------------------------------------------------------------------------------------ decode
  logic [5:0] op;
  logic [3:0] a, b, c;
  logic imm_b, is_mul, is_mac, is_two, is_cmp, is_mov, is_spk, is_rnd, a_used;
  logic a_acc, b_acc, c_acc, swap, is_plog, is_select;
  logic [3:0] acc_code;
  logic [3:0] x_code, s_code;  // s: the second factor, or what is added
  logic is_row, is_rows, issue;
  logic x_reg, y_reg, s_reg, r_reg, x_used, s_used, lone;
  ctl_t dec, ctl0_q, ctl2_q, ctl3_q, ctl4_q, ctl5_q;
  logic [2:0] port0, port1, port0_q, port1_q;
  logic [1:0] reads_q;
  logic [4:0] unit_q;

  assign op = (sweep_i || load_i) ? `NM_OP_ENDROWS : instr_i[`NM_I_OP];
  assign is_row = TRACES > 0 && op == `NM_OP_ENDROWS;
  assign is_rows = TRACES > 0 && op == `NM_OP_ROWS;
  assign issue = issue_i || integ_i || sweep_i || load_i;
  assign a = instr_i[`NM_I_A];
  assign c = instr_i[`NM_I_C];
  assign b = instr_i[3:0];
  assign imm_b = instr_i[`NM_I_IMM_B];
  assign is_mac = op == `NM_OP_MAC;
  assign is_mul = op == `NM_OP_MUL || is_mac;
  assign is_cmp = op == `NM_OP_CGE || op == `NM_OP_CGT || op == `NM_OP_CEQ;
  assign is_two = op == `NM_OP_ADD || op == `NM_OP_SUB || op == `NM_OP_MIN || op == `NM_OP_MAX || is_cmp;
  assign is_mov = op == `NM_OP_MOV;
  assign is_spk = op == `NM_OP_SPK;
  assign is_rnd = op == `NM_OP_RND;
  assign is_plog = op == `NM_OP_PLOG;
  assign is_select = op == `NM_OP_MIN || op == `NM_OP_MAX;
  assign a_used = is_two || is_mul || (is_spk && instr_i[`NM_I_FLAG]);
  assign a_acc = a_used && a[3:2] == 2'b10;
  assign b_acc = (is_two || is_mov) && !imm_b && b[3:2] == 2'b10;
  assign c_acc = is_mac && c[3:2] == 2'b10;
  assign swap = a_acc && is_two;  // the accumulator is always the second operand of the adder
  assign x_used = (a_used && !a_acc) || swap;
  assign x_code = swap ? b : a;
  assign x_reg = (x_used && !x_code[3] && !(swap && imm_b)) || (is_row && !load_i);
  assign s_used = (is_two && !swap) || is_mul || is_mov;
  assign s_code = b;
  assign s_reg = s_used && !imm_b && !s_code[3];
  assign y_reg = is_mul && s_reg;
  assign r_reg = is_mac ? !c[3] : s_reg && !is_mul;
  // x comes from port 0, r and a second factor from port 1: they are never two registers
  assign port0 = (is_row || (TRACES > 1 && seek_i)) ? row_port_i : x_code[2:0];
  assign port1 = (is_mac && r_reg) ? c[2:0] : s_code[2:0];
  assign lone = TRACES == 1 && dec.axon;  // the only trace is at port 1

  assign dec.integ = op == `NM_OP_INTEG;
  assign dec.row = is_row;
  assign dec.load = load_i;
  assign dec.store = is_row && !sweep_i && !load_i;
  assign dec.look = is_rows || sweep_i;
  assign dec.scalar = (a[3:2] == 2'b11) ? a[1:0] : (c[3:2] == 2'b11) ? c[1:0] : b[1:0];
  assign dec.axon = range_axon_i || sweep_i;
  assign dec.writes_reg = !is_cmp && !is_plog && !is_spk && !is_rows && (!is_row || load_i);
  assign dec.writes_pred = is_cmp || is_plog;
  assign dec.is_spk = is_spk;
  assign dec.is_plog = is_plog;
  assign dec.is_rnd = is_rnd;
  assign dec.is_mul = is_mul;
  assign dec.x_port = x_reg;
  assign dec.x_one = lone;
  assign dec.x_imm = swap && imm_b;
  assign dec.y_port = y_reg;
  assign dec.y_imm = imm_b;
  assign dec.y_unit = (!is_mul && x_used) || (is_row && !load_i);
  assign dec.y_zero = !is_mul && !x_used && (!is_row || load_i);
  assign dec.r_port = r_reg;
  assign dec.r_imm = imm_b && !is_mac;
  assign dec.r_zero = dec.acc || (!is_mac && !(s_used && !is_mul));  // of an accumulator that is not stored
  assign dec.acc = a_acc || b_acc || c_acc || dec.integ;
  assign acc_code = a_acc ? a : b_acc ? b : c;
  assign dec.acc_index = acc_code[0];
  assign dec.acc_clear = (a_acc || b_acc || c_acc) && acc_code[1];
  assign dec.select = is_select;
  assign dec.max = op == `NM_OP_MAX;
  assign dec.neg_r = is_select || is_cmp || (op == `NM_OP_SUB && !swap);
  assign dec.minus = op == `NM_OP_SUB && swap;
  // a >= b is not (x < r), or, swapped, (x < r) or (x == r); a > b is the other way round
  assign dec.less = op == `NM_OP_CGE || op == `NM_OP_CGT;
  assign dec.equal = op == `NM_OP_CEQ || (op == `NM_OP_CGT && !swap) || (op == `NM_OP_CGE && swap);
  assign dec.invert = (op == `NM_OP_CGE || op == `NM_OP_CGT) && !swap;
  assign dec.pred = is_rows ? {1'b0, {1'b0, a[1:0]} + 3'd1} : is_row ? {1'b0, sweep_i, 1'b0, sweep_i}
                                                            : instr_i[`NM_I_PRED];
  assign dec.d = is_row ? row_port_i : instr_i[50+:3];
  assign dec.lanes = range_lanes_i;
  assign dec.plog_a = a[1:0];
  assign dec.plog_c = c[1:0];
  assign dec.shift = instr_i[`NM_I_SHIFT];
  assign dec.round = instr_i[`NM_I_ROUND];
  assign dec.flag = instr_i[`NM_I_FLAG];
  assign dec.flag2 = instr_i[`NM_I_FLAG2];
  assign dec.table_ = instr_i[3:0];

  // ----------------------------------------------------------------------------------- stage 0: the blocks
  logic vld0_q, vld1_q, vld2_q, vld3_q, vld4_q, vld5_q, draw1_q;
  logic [SPACE_W-1:0] blk0_q, blk1_q, blk2_q, blk3_q, blk4_q, blk5_q;
  logic [SPACE_W:0] left_q;
  logic last0_q, last1_q, last2_q, last3_q, last4_q;
  logic [5:1] first_q;
  logic [LANES-1:0] inside5_q, chosen5_q;

  // different registers that the instruction reads
  logic [1:0] reads;
  logic use0, use1;
  assign use0 = x_reg;
  assign use1 = r_reg || y_reg;
  assign reads = {1'b0, use0} + {1'b0, use1 && !(use0 && port0 == port1)};

  always_ff @(posedge clk_i) begin
    blk0_q <= `NM_UP(seek_i || (issue && !sweep_i), seek_i ? row_block_i : range_first_i, blk0_q);
    left_q <= `NM_DOWN(issue, range_count_i, left_q);
    if (issue || (TRACES > 1 && seek_i)) port0_q <= port0;
    if (issue) begin
      ctl0_q   <= dec;
      port1_q  <= port1;
      reads_q  <= sweep_i ? 2'd0 : reads;
      unit_q   <= {is_rnd, is_mov, is_cmp, is_mul, is_two && !is_cmp};
      last0_q  <= range_count_i == (SPACE_W + 1)'(1);
    end else last0_q <= left_q == (SPACE_W + 1)'(2);
    if (rst_i || flush_i) begin
      vld0_q <= 1'b0;
      {vld1_q, vld2_q, vld3_q, vld4_q, vld5_q, draw1_q} <= '0;
    end else begin
      draw1_q <= vld0_q && ctl0_q.is_rnd;
      if (issue) vld0_q <= !integ_i;
      else if (left_q == (SPACE_W + 1)'(1) && !(ctl0_q.row && ctl0_q.look)) vld0_q <= 1'b0;
      {vld1_q, vld2_q, vld3_q, vld4_q, vld5_q} <= {vld0_q, vld1_q, vld2_q, vld3_q, vld4_q};
    end
    {blk1_q, blk2_q, blk3_q, blk4_q, blk5_q} <= {blk0_q, blk1_q, blk2_q, blk3_q, blk4_q};
    {last1_q, last2_q, last3_q, last4_q} <= {last0_q, last1_q, last2_q, last3_q};
    // an instruction stays in ctl0_q for 7 cycles, so every stage copies it from there when its first block comes:
    // a stage keeps only the fields that it uses; stage 1 needs no copy
    first_q <= {first_q[4:1], issue};
    if (first_q[2]) ctl2_q <= ctl0_q;
    if (first_q[3]) ctl3_q <= ctl0_q;
    if (first_q[4]) ctl4_q <= ctl0_q;
    if (first_q[5]) ctl5_q <= ctl0_q;
  end

  assign count_o = vld0_q;
  assign count_axon_o = ctl0_q.axon;
  assign count_reads_o = reads_q;
  assign count_write_o = ctl0_q.writes_reg;
  assign count_acc_read_o = ctl0_q.acc;
  assign count_acc_write_o = ctl0_q.acc_clear;
  assign count_pred_read_o = ctl0_q.is_plog || (ctl0_q.pred[2:0] != 3'd0 && ctl0_q.pred[2:0] <= 3'd4);
  assign count_pred_write_o = ctl0_q.writes_pred;
  assign count_unit_o = unit_q;


  // -------------------------------------------------------------------------------- registers and traces
  // One memory a port: traces lie behind the registers. A single trace is read at port 1 only.
  localparam int TRACE_BASE = ((REGISTERS << BLOCK_W) + (1 << TBLOCK_W) - 1) >> TBLOCK_W;
  localparam int WORDS = (TRACES > 0) ? (TRACE_BASE + TRACES) << TBLOCK_W : REGISTERS << BLOCK_W;
  localparam int WORD_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam int WORDS0 = (TRACES > 1) ? WORDS : REGISTERS << BLOCK_W;
  localparam int WORD0_W = (WORDS0 > 1) ? $clog2(WORDS0) : 1;
  logic [ROW_W-1:0] row0, row1, result5;
  logic [LANES-1:0] we, we0;
  logic [WORD_W-1:0] waddr, raddr0, raddr1, host_word;
  logic host_traces, host_we_predicates, host_we_delivered;

  function automatic logic [WORD_W-1:0] trace_word(input logic [1:0] trace, input logic [WORD_W-1:0] block);
    trace_word = WORD_W'((32'(TRACE_BASE) + ((TRACES > 1) ? 32'(trace) : 32'd0)) << TBLOCK_W)
                 | block & WORD_W'((1 << TBLOCK_W) - 1);
  endfunction
  function automatic logic [WORD_W-1:0] word_of(input logic axon, input logic [2:0] d, input logic [SPACE_W-1:0] block);
    word_of = (TRACES > 0 && axon) ? trace_word(d[1:0], WORD_W'(block))
                                   : WORD_W'({d & 3'((1 << REG_W) - 1), block[BLOCK_W-1:0]});
  endfunction

  logic [LANES-1:0] host_lane;
  assign host_lane = LANES'(16'd1 << host_part_i);
  assign host_traces = TRACES > 0 && host_mem_i == `NM_MEM_TRACES;
  assign host_we_predicates = host_we_i && host_mem_i == `NM_MEM_PREDICATES;
  assign host_we_delivered = host_we_i && host_mem_i == `NM_MEM_DELIVERED;
  assign host_word = host_traces ? trace_word(2'(host_addr_i >> TBLOCK_W), WORD_W'(host_addr_i)) : WORD_W'(host_addr_i);
  assign we = host_i ? {LANES{host_we_i && (host_traces || host_mem_i == `NM_MEM_REGISTERS)}} & host_lane
                     : {LANES{vld5_q && ctl5_q.writes_reg}} & chosen5_q;
  assign we0 = we & {LANES{TRACES > 1 || !(host_i ? host_traces : ctl5_q.axon)}};
  assign waddr = host_i ? host_word : word_of(ctl5_q.axon, ctl5_q.d, blk5_q);
  assign raddr0 = word_of(ctl0_q.axon, port0_q, blk0_q);
  assign raddr1 = host_i ? host_word : word_of(ctl0_q.axon, port1_q, blk0_q);

  nm_ram #(.WORDS(WORDS0), .WIDTH(ROW_W), .GROUPS(LANES), .ADDR_W(WORD0_W)) i_registers0 (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(raddr0[WORD0_W-1:0]), .rdata_o(row0), .we_i(we0),
      .waddr_i(waddr[WORD0_W-1:0]), .wdata_i(result5));
  nm_ram #(.WORDS(WORDS), .WIDTH(ROW_W), .GROUPS(LANES), .ADDR_W(WORD_W)) i_registers1 (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(raddr1), .rdata_o(row1), .we_i(we), .waddr_i(waddr),
      .wdata_i(result5));

  logic [LANES-1:0] pre4;
  logic [STATE_BITS-1:0] scalar1;
  if (TRACES > 0) begin : gen_traces
    // `pre`: a granule holds the bits of 16 / LANES blocks. Read at stage 0: an `integ` behind a vector writes them
    // three cycles after it has issued
    localparam int PART_W = $clog2(16 / LANES);
    logic [15:0] delivered, shifted;
    logic [TBLOCK_W+4-1:0] position2;
    logic [TBLOCK_W+4-1:0] granule0;
    logic [LANES-1:0] pre3_q, pre4_q;
    assign granule0 = {4'b0, blk0_q[TBLOCK_W-1:0]} >> PART_W;
    nm_ram #(.WORDS(AXONS / 16), .WIDTH(16), .ADDR_W(GRANULE_W)) i_delivered (
        .clk_i, .ren_i(1'b1), .oen_i(1'b1),
        .raddr_i(host_i ? host_addr_i[GRANULE_W-1:0] : granule0[GRANULE_W-1:0]), .rdata_o(delivered),
        .we_i(delivered_we_i || clear_granules_i || host_we_delivered),
        .waddr_i(host_i ? host_addr_i[GRANULE_W-1:0] : clear_i ? clear_granule_i : delivered_addr_i),
        .wdata_i(host_i ? host_data_i[15:0] : clear_i ? 16'h0000 : delivered_data_i));
    assign host_delivered_o = delivered;
    assign position2 = {4'b0, blk2_q[TBLOCK_W-1:0]} & (TBLOCK_W + 4)'(16 / LANES - 1);
    assign shifted = delivered >> (position2[3:0] * 5'(LANES));
    always_ff @(posedge clk_i) {pre3_q, pre4_q} <= {shifted[LANES-1:0], pre3_q};
    assign pre4 = ctl4_q.axon ? pre4_q : {LANES{row_pre_i}};

    // the traces of a row's axon, broadcast
    logic [TRACES*STATE_BITS-1:0] x_q;
    for (genvar x = 0; x < TRACES; x++) begin : gen_x
      always_ff @(posedge clk_i)
        if (rst_i || capture_i[x]) x_q[x*STATE_BITS+:STATE_BITS] <= rst_i ? '0 : STATE_BITS'(host_word_o);
    end
    localparam int X1 = (TRACES > 1) ? 1 : 0, X2 = (TRACES > 2) ? 2 : 0;
    assign scalar1 = (ctl0_q.scalar == 2'd3) ? reward_i : (ctl0_q.scalar == 2'd2) ? x_q[X2*STATE_BITS+:STATE_BITS] :
                     (ctl0_q.scalar == 2'd1) ? x_q[X1*STATE_BITS+:STATE_BITS] : x_q[0+:STATE_BITS];
    logic unused;
    assign unused = &{1'b0, shifted, position2, granule0};
  end else begin : gen_no_traces
    assign pre4 = '0;
    assign host_delivered_o = '0;
    assign scalar1 = reward_i;
    logic unused;
    assign unused = &{1'b0, capture_i, row_pre_i, ctl0_q.scalar, delivered_we_i, delivered_addr_i, delivered_data_i, clear_granule_i, clear_granules_i,
                      clear_i, host_we_delivered};
  end
  // ------------------------------------------------------------------------- stage 2: operands, lane by lane
  // Every bit of x and r is picked by two bits that all lanes share, m1 and m0: a broadcast 0 or 1 where m1 is 0, else
  // one of two sources. That is one LUT a bit and lane. So is y: what is broadcast, or 0 and then the register.
  logic [STATE_BITS-1:0] bx1, br1, xm1_q, xm0_q, rm1_q, rm0_q, odd_rm0_q, host_even, host_odd;
  logic [Y_W-1:0] by1, imm1;
  logic [COEF_BITS-1:0] bc1, y_q;
  logic y_port_q;

  function automatic logic [COEF_BITS-1:0] coefficient(input logic [Y_W-1:0] value);
    // saturate to coef_bits; a value of state_bits comes sign-extended
    logic high, low;
    high = 1'b0;
    low  = 1'b0;
    for (int i = COEF_BITS - 1; i < Y_W; i++) begin
      high = high | value[i];
      low  = low | !value[i];
    end
    high = high && !value[Y_W-1];
    low  = low && value[Y_W-1];
    coefficient = (high || low) ? {low, {COEF_BITS - 1{high}}} : value[COEF_BITS-1:0];
  endfunction

  assign imm1 = instr_i[Y_W-1:0];
  assign bx1 = ctl0_q.load ? STATE_BITS'(1) : ctl0_q.x_imm ? imm1[STATE_BITS-1:0] : scalar1;
  assign by1 = ctl0_q.y_imm ? imm1 : Y_W'($signed(scalar1));
  assign br1 = ctl0_q.r_zero ? '0 : ctl0_q.r_imm ? imm1[STATE_BITS-1:0] : scalar1;
  assign bc1 = ctl0_q.y_zero ? '0 : ctl0_q.store ? (row_narrow_i ? UP8 : UP16) : ctl0_q.y_unit ? {{COEF_BITS - 1{ctl0_q.minus}}, 1'b1} : coefficient(by1);
  // They are set when an instruction's first block is in stage 1, and the next instruction not yet fetched.
  // what the host writes: a lane's word, or, on the way of a row, the weights of two lanes
  localparam int UP = ROW_FITS ? STATE_BITS - 16 : 0;
  logic host_weights, host_accumulators;
  assign host_accumulators = host_mem_i == `NM_MEM_ACCUMULATORS;
  assign host_weights = TRACES > 0 && (host_mem_i == `NM_MEM_SYNAPSES || host_mem_i == `NM_MEM_AXONS);
  assign host_even = host_weights ? STATE_BITS'($signed(host_data_i[15:0])) << UP : host_data_i[STATE_BITS-1:0];
  assign host_odd = host_weights ? STATE_BITS'($signed(host_data_i[31:16])) << UP : host_data_i[STATE_BITS-1:0];
  logic [31:0] drawn1;  // the low bits that `rnd` draws, eight by eight
  logic [7:0] below1;
  logic scaled_q;
  assign below1 = ~(8'hff << ctl0_q.shift[2:0]);
  for (genvar i = 0; i < 32; i++) begin : gen_drawn
    assign drawn1[i] = ctl0_q.is_rnd && i < 23 && (ctl0_q.shift[4:3] > 2'(i / 8) ||
                                                   (ctl0_q.shift[4:3] == 2'(i / 8) && below1[i%8]));
  end
  always_ff @(posedge clk_i) begin
    if (first_q[2]) begin
      for (int i = 0; i < STATE_BITS; i++) begin
        xm1_q[i] <= ctl0_q.x_port;
        xm0_q[i] <= ctl0_q.x_port ? ctl0_q.x_one : bx1[i];
        rm1_q[i] <= ctl0_q.r_port || drawn1[i];  // random: m0 is 1
        rm0_q[i] <= !ctl0_q.r_port && (ctl0_q.is_rnd ? drawn1[i] : br1[i]);
        odd_rm0_q[i] <= !ctl0_q.r_port && (ctl0_q.is_rnd ? drawn1[i] : br1[i]);
      end
      for (int i = 0; i < COEF_BITS; i++) begin
        y_q[i] <= !ctl0_q.y_port && bc1[i];
      end
      y_port_q <= ctl0_q.y_port;
      scaled_q <= ctl0_q.integ;
    end else if (scaled_q) xm0_q <= scale_i;
    if (host_i) begin  // 0 * 0 + r, where r is what it writes, or port 1 that it reads
      {xm1_q, xm0_q, y_port_q, y_q} <= '0;
      rm1_q <= {STATE_BITS{!host_write_i && !host_accumulators}};
      rm0_q <= host_write_i ? host_even : '0;
      odd_rm0_q <= host_write_i ? host_odd : '0;
    end
  end

  // stage 4: the shift, and which bits it drops, shared by all lanes
  logic [4:0] shift3, shift4_q;
  logic [6:0] below4_q;
  assign shift3 = ((ctl3_q.is_mul && !host_i) ? ctl3_q.shift : 5'd0) | (SCARCE ? 5'd0 : 5'd7);
  always_ff @(posedge clk_i) begin
    shift4_q <= shift3;
    for (int i = 0; i < 7; i++) below4_q[i] <= 3'(i) < shift3[2:0];
  end

  // Unless multipliers are SCARCE, one of them shifts: x times 2 ** (7 - shift mod 8) here, whole bytes and 7
  // bits behind the product
  localparam int X_W = STATE_BITS + (SCARCE ? 0 : 7);
  logic [7:0] raise2_q;
  always_ff @(posedge clk_i)
    if (host_i) raise2_q <= '0;
    else if (first_q[2]) raise2_q <= 8'h80 >> (ctl0_q.is_mul ? ctl0_q.shift[2:0] : 3'd0);

  logic [LANES-1:0] less5, equal5, beyond;  // lanes that are not of the population, in the last block
  always_comb for (int l = 0; l < LANES; l++) beyond[l] = 4'(l) > range_lanes_i;
  logic [LANES*31-1:0] random;
  logic [LANES*ACC_BITS-1:0] sums5;
  logic [LANES*8-1:0] payload6;
  logic [1:0] flags6_q;
  always_ff @(posedge clk_i) flags6_q <= {ctl5_q.flag, ctl5_q.flag2};
  for (genvar l = 0; l < LANES; l++) begin : gen_lane
    logic [STATE_BITS-1:0] x2, r2, r3_q, port0v, port1v, random2;
    logic [X_W-1:0] x3_q;
    logic [COEF_BITS-1:0] y2, y3_q;
    logic [30:0] random_q, neighbour;
    logic [23:0] fresh;
    assign port0v = row0[l*STATE_BITS+:STATE_BITS];
    assign port1v = row1[l*STATE_BITS+:STATE_BITS];
    assign fresh = random_q[30:7] ^ random_q[27:4];
    assign random2 = STATE_BITS'(random_q[22:0]);  // drawn in stage 1
    logic [STATE_BITS-1:0] m0;
    logic [X_W-1:0] raised2;
    assign m0 = (l % 2 == 1) ? odd_rm0_q : rm0_q;
    for (genvar i = 0; i < STATE_BITS; i++) begin : gen_operand
      assign x2[i] = xm1_q[i] ? (xm0_q[i] ? port1v[i] : port0v[i]) : xm0_q[i];
      assign r2[i] = rm1_q[i] ? (m0[i] ? random2[i] : port1v[i]) : m0[i];
    end
    if (STATE_BITS <= COEF_BITS) begin : gen_factor
      assign y2 = (COEF_BITS'($signed(port1v)) & {COEF_BITS{y_port_q}}) | y_q;
    end else begin : gen_saturated
      logic high, low, fits;
      assign fits = y_port_q && !high && !low;
      assign high = y_port_q && !port1v[STATE_BITS-1] && |port1v[STATE_BITS-2:COEF_BITS-1];
      assign low = y_port_q && port1v[STATE_BITS-1] && !(&port1v[STATE_BITS-2:COEF_BITS-1]);
      assign y2 = (port1v[COEF_BITS-1:0] & {COEF_BITS{fits}}) | y_q | {low, {COEF_BITS - 1{high}}};
    end
    if (SCARCE) begin : gen_not_raised
      assign raised2 = x2;
      logic unused;
      assign unused = &{1'b0, raise2_q};
    end else begin : gen_raised
      // a multiplier takes 17 bits of x, 7 of them for what it shifts up into its part of the result
      localparam int PIECES = (STATE_BITS > 18) ? (STATE_BITS - 9) / 10 + 1 : 1;
      for (genvar p = 0; p < PIECES; p++) begin : gen_piece
        localparam int FIRST = 10 * p;
        localparam int X_LAST = (p == PIECES - 1) ? STATE_BITS - 1 : FIRST + 16;
        localparam int LAST = (p == PIECES - 1) ? X_W - 1 : X_LAST;
        localparam int SKIP = (p > 0) ? 7 : 0;
        localparam int PIECE_W = LAST - FIRST + 1;
        assign raised2[LAST:FIRST+SKIP] = (PIECE_W - SKIP)'(
            (PIECE_W'($signed({p == PIECES - 1 && x2[X_LAST], x2[X_LAST:FIRST]})) * PIECE_W'($signed({1'b0, raise2_q}))) >> SKIP);
      end
    end
    always_ff @(posedge clk_i) begin
      x3_q <= (ctl2_q.store && last2_q && beyond[l]) ? '0 : raised2;  // those are stored as 0
      r3_q <= r2;
      y3_q <= y2 | COEF_BITS'($signed(weights2_i[l*16+:16]));
      if (host_i) begin
        if (host_turn_i) random_q <= neighbour;
      end else if (draw1_q) random_q <= {random_q[6:0], fresh};
    end
    assign random[l*31+:31] = random_q;
    if (l == LANES - 1) begin : gen_last
      assign neighbour = host_we_i ? host_data_i[30:0] : random[30:0];
    end else begin : gen_next
      assign neighbour = random[(l+1)*31+:31];
    end
    nm_lane #(.STATE_BITS(STATE_BITS), .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS), .X_BITS(X_W)) i_lane (
        .clk_i, .x_i(x3_q), .y_i(y3_q), .r_i(r3_q), .shift4_i(shift4_q), .below4_i(below4_q),
        .round4_i(ctl4_q.round),
        .acc4_i(acc_stored4_i[l] && (host_i ? host_accumulators && !host_write_i : ctl4_q.acc)), .accumulator4_i(acc_data4_i[l*ACC_BITS+:ACC_BITS]),
        .neg_r4_i(ctl4_q.neg_r && !host_i), .select5_i(ctl5_q.select && !host_i), .max5_i(ctl5_q.max),
        .sum5_o(sums5[l*ACC_BITS+:ACC_BITS]),
        .result5_o(result5[l*STATE_BITS+:STATE_BITS]), .less5_o(less5[l]), .equal5_o(equal5[l]),
        .graded6_i(flags6_q[1]), .signed6_i(flags6_q[0]), .payload6_o(payload6[l*8+:8]));
  end
  assign sums5_o = sums5;
  assign host_random_o = {1'b0, random[30:0]};  // the host sees one lane after the other: the states turn round

  // one lane, unchanged by stages 3 to 5: for the host, or the trace of a row's axon
  logic [LANE_W-1:0] lane5;
  assign lane5 = host_i ? LANE_W'(host_part_i) : row_lane_i;
  always_comb begin
    host_word_o = '0;
    for (int l = 0; l < LANES; l++) if (lane5 == LANE_W'(l)) host_word_o = sums5[l*ACC_BITS+:ACC_BITS];
  end

  assign acc_block2_o = blk2_q[BLOCK_W-1:0];
  assign acc_index2_o = ctl2_q.acc_index;
  assign acc_read2_o = vld2_q && ctl2_q.acc;
  assign acc_clear5_o = vld5_q && ctl5_q.acc_clear;

  // --------------------------------------------------------------------------------- predicates, stage 2 to 5
  // A word holds p0 of all lanes, p1 of all lanes ..., so that a predicate is written without the others: a cycle late, as
  // it is far from the lanes' sums, and read in stage 2
  logic [LANES*4-1:0] predicates4, host_predicates;
  logic [LANES-1:0] chosen4, plog4, plog5_q, flag5;
  localparam int PRED_BITS = (LANES * 4 < 32) ? LANES * 4 : 32;
  logic [3:0] pred_we, pred_we6_q;
  logic [LANES-1:0] flag6_q;
  logic [BLOCK_W-1:0] blk6_q;
  for (genvar p = 0; p < 4; p++) begin : gen_pred
    assign pred_we[p] = (host_we_predicates && 32'(host_part_i) == p * LANES / 32) || (clear_blocks_i && !clear_half_i)
                        || pred_we6_q[p];
    always_ff @(posedge clk_i) pred_we6_q[p] <= vld5_q && ctl5_q.writes_pred && ctl5_q.d[1:0] == 2'(p);
  end
  always_ff @(posedge clk_i) begin
    flag6_q <= flag5;
    blk6_q <= blk5_q[BLOCK_W-1:0];
  end
  nm_ram #(.WORDS(BLOCKS), .WIDTH(LANES * 4), .GROUPS(4), .ADDR_W(BLOCK_W)) i_predicates (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1),
      .raddr_i(host_i ? host_addr_i[BLOCK_W-1:0] : blk2_q[BLOCK_W-1:0]), .rdata_o(predicates4),
      .we_i(pred_we),
      .waddr_i(host_i ? host_addr_i[BLOCK_W-1:0] : clear_i ? clear_block_i : blk6_q),
      .wdata_i(host_i ? {LANES * 4 / PRED_BITS{host_data_i[PRED_BITS-1:0]}} : clear_i ? '0 : {4{flag6_q}}));
  assign host_predicates = predicates4 >> {host_part_i, 5'd0};
  assign host_predicates_o = 32'(host_predicates[PRED_BITS-1:0]);

  for (genvar l = 0; l < LANES; l++) begin : gen_chosen
    logic [3:0] p, by_pred, by_a, by_c, by_table;
    logic picked;
    assign p = {predicates4[3*LANES+l], predicates4[2*LANES+l], predicates4[LANES+l], predicates4[l]};
    assign by_pred = p >> (ctl4_q.pred[1:0] - 2'd1);  // codes 1 to 4
    assign by_a = p >> ctl4_q.plog_a;
    assign by_c = p >> ctl4_q.plog_c;
    assign by_table = ctl4_q.table_ >> {by_a[0], by_c[0]};
    assign picked = ctl4_q.pred[2:0] == 3'd0 || (ctl4_q.pred[2:0] == 3'd5 ? pre4[l] : by_pred[0]);
    assign chosen4[l] = picked ^ ctl4_q.pred[3];
    assign plog4[l] = by_table[0];
    logic unused;
    assign unused = &{1'b0, by_pred, by_a, by_c, by_table};
  end

  always_ff @(posedge clk_i) begin
    chosen5_q <= chosen4;
    plog5_q <= plog4;
    for (int l = 0; l < LANES; l++) inside5_q[l] <= !last4_q || 4'(l) <= ctl4_q.lanes;
  end

  for (genvar l = 0; l < LANES; l++) begin : gen_predicate
    logic holds;
    assign holds = ctl5_q.is_plog ? plog5_q[l]
                   : ((ctl5_q.less && less5[l]) || (ctl5_q.equal && equal5[l])) ^ ctl5_q.invert;
    assign flag5[l] = holds && chosen5_q[l] && inside5_q[l];
  end

  // ------------------------------------------------------------------------------ spikes: read at 0, written at 5
  logic [LANES-1:0] spikes2, spikes3_q, spikes4_q, spikes5_q, fired5;
  logic spike_write;
  assign fired5 = chosen5_q & inside5_q;
  assign spike_write = vld5_q && ctl5_q.is_spk;
  nm_ram #(.WORDS(2 << BLOCK_W), .WIDTH(LANES), .ADDR_W(BLOCK_W + 1)) i_spikes (
      .clk_i, .ren_i(!emit_i || emit_en_i), .oen_i(!emit_i || emit_en_i),
      .raddr_i({parity_i, emit_i ? emit_block_i : host_i ? host_addr_i[BLOCK_W-1:0] : blk0_q[BLOCK_W-1:0]}),
      .rdata_o(spikes2), .we_i(spike_write || clear_blocks_i || wipe_i),
      .waddr_i(clear_i ? {clear_half_i, clear_block_i} : wipe_i ? {!parity_i, wipe_block_i}
                       : {parity_i, blk5_q[BLOCK_W-1:0]}),
      .wdata_i((clear_i || wipe_i) ? '0 : spikes5_q | fired5));
  assign emit_spikes_o = spikes2;
  always_ff @(posedge clk_i) {spikes3_q, spikes4_q, spikes5_q} <= {spikes2, spikes3_q, spikes4_q};

  if (GRADED) begin : gen_payloads
    // written a cycle late: it is far from the lanes' sums, and the emitter is not there before
    logic [LANES-1:0] we6_q;
    always_ff @(posedge clk_i) we6_q <= fired5 & {LANES{spike_write}};
    nm_ram #(.WORDS(BLOCKS), .WIDTH(LANES * 8), .GROUPS(LANES), .ADDR_W(BLOCK_W)) i_spike_payloads (
        .clk_i, .ren_i(!emit_i || emit_en_i), .oen_i(!emit_i || emit_en_i),
        .raddr_i(emit_i ? emit_block_i : host_addr_i[BLOCK_W-1:0]), .rdata_o(emit_payloads_o),
        .we_i(we6_q), .waddr_i(blk6_q), .wdata_i(payload6));
  end else begin : gen_no_payloads
    assign emit_payloads_o = {LANES{8'd1}};
    logic unused;
    assign unused = &{1'b0, payload6};
  end

  // -------------------------------------------------------------------------------------- what nm_rows sees
  assign valid0_o = vld0_q;
  assign second_o = first_q[2];
  assign last4_o = vld4_q && last4_q && ctl4_q.row;
  assign look5_o = vld5_q && ctl5_q.look;
  assign axon5_o = ctl5_q.axon;
  assign block5_o = blk5_q;
  assign chosen5_o = chosen5_q;
  assign inside5_o = inside5_q;
  assign zero5_o = equal5;
  assign row5_o = result5;

  logic unused;
  assign unused = &{1'b0, host_predicates, vld3_q, vld4_q, ctl3_q, ctl4_q, ctl5_q, ctl2_q, ctl0_q, blk1_q, blk4_q, last1_q,
                    host_addr_i, instr_i, acc_code, raddr0};
endmodule

`default_nettype wire
