// `rows`: sweeps axons, and walks the rows of those that are selected through the vector unit, one after the other.
//
// The vector unit does the work: it looks at predicates and traces as if they were compared, a row is loaded as an
// operand of stage 2, and stored from stage 5. From F, in which a selected axon is seen (the sweep is in stage 5):
//   F entry address, F+2 entry, F+3 first beat and issue of the load, which ends in F+8+B: the body's first issue
//   E endrows: issue of the store; E+3 entry address again, E+6 first beat written; E+5+B the sweep goes on
//   E+11+B the next selected axon is seen, or the next block after it
`default_nettype none
`include "nm_isa.vh"

module nm_rows #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int COEF_BITS = 18,
    parameter int AXONS = 2048,
    parameter int TRACES = 1,
    parameter int AXON_W = $clog2(AXONS),
    parameter int TBLOCK_W = (AXONS > LANES) ? $clog2(AXONS / LANES) : 1,
    parameter int LANE_W = (LANES > 1) ? $clog2(LANES) : 1
) (
    input  wire logic                clk_i,
    input  wire logic                rst_i,
    // sequencer
    input  wire logic                running_i,
    input  wire logic                start_i,    // `rows` issues
    input  wire logic                store_i,    // `endrows` issues
    input  wire logic [        63:0] instr_i,
    input  wire logic                slot_i,     // what issued last has used up its cycles
    input  wire logic [STATE_BITS-1:0] reward_i,
    output logic                     active_o,
    output logic                     loading_o,
    output logic                     hold_o,     // nothing issues
    output logic                     jump_o,     // the body comes next
    output logic                     body_o,
    // vector unit: what issues, and where it starts
    output logic                     sweep_o,
    output logic                     load_o,
    output logic                     seek_o,     // the next block is block_o
    output logic      [TBLOCK_W-1:0] block_o,
    output logic      [         2:0] port_o,     // the register or trace that is read or loaded
    output logic                     flush_o,    // forget the sweep's blocks that are on their way
    output logic      [  TRACES-1:0] capture_o,  // a trace of the axon is in stage 5
    output logic      [  LANE_W-1:0] lane_o,
    output logic                     pre_o,
    output logic                     accept_o,   // a block of the sweep is looked at
    // vector unit: what is in its stages
    input  wire logic                second_i,  // the second cycle after an issue
    input  wire logic                last4_i,    // last block of a row
    input  wire logic                look5_i,    // `rows` looks at predicates, the sweep at traces and `pre`
    input  wire logic                axon5_i,
    input  wire logic [TBLOCK_W-1:0] block5_i,
    input  wire logic [   LANES-1:0] chosen5_i,
    input  wire logic [   LANES-1:0] inside5_i,
    input  wire logic [   LANES-1:0] zero5_i,
    input  wire logic [LANES*STATE_BITS-1:0] row5_i,
    // entry and beats
    output logic                     fetch_o,
    output logic      [  AXON_W-1:0] axon_o,
    output logic                     store_o,    // beats are written
    input  wire logic                narrow_i,   // 8 bits a weight
    output logic      [LANES*16-1:0] word_o
);
  localparam int SHIFT = $clog2(LANES);  // axons -> blocks
  localparam logic [2:0] OFF = 3'd0, WAIT = 3'd1, SWEEP = 3'd2, LOAD = 3'd3, BODY = 3'd4, STORE = 3'd5;

  logic [2:0] state_q, weights_q;
  logic [4:0] mask;
  logic [3:0] d, c;
  logic [15:0] lo, hi;
  assign mask = instr_i[`NM_I_SHIFT];
  assign d = instr_i[`NM_I_D];
  assign c = instr_i[`NM_I_C];
  assign lo = instr_i[15:0];
  assign hi = instr_i[31:16];
  logic [1:0] trace_q;
  logic all_q, by_pre_q, by_trace_q, did_q, resume_q, store_q, fetch_q, begin_sweep, found, done, accept, back;
  logic [TBLOCK_W-1:0] block_q;
  logic [TBLOCK_W:0] left_q;  // blocks behind the next one; the top bit says that there is no next one
  logic [LANE_W-1:0] last_lane_q;
  logic [LANES-1:0] select5, selected_q, pre_q, rest;
  logic [8:1] step_q;  // cycles since a selected axon was seen

  assign begin_sweep = state_q == WAIT && slot_i;
  assign found = state_q == SWEEP && look5_i && axon5_i && |selected_q;
  assign done = state_q == SWEEP && look5_i && axon5_i && !(|selected_q) && left_q[TBLOCK_W];
  assign accept = state_q == SWEEP && look5_i && axon5_i && !(|selected_q) && !left_q[TBLOCK_W];
  assign back = state_q == STORE && last4_i;

  always_comb
    for (int l = 0; l < LANES; l++)
      select5[l] = (all_q || (by_pre_q && chosen5_i[l]) || (did_q && !zero5_i[l]))
                   && (left_q != '0 || LANE_W'(l) <= last_lane_q);
  assign rest = selected_q & (selected_q - 1'b1);
  always_comb begin
    lane_o = '0;
    for (int l = LANES - 1; l >= 0; l--) if (selected_q[l]) lane_o = LANE_W'(l);
  end
  assign pre_o = pre_q[lane_o];

  always_ff @(posedge clk_i) begin
    if (rst_i || !running_i) state_q <= OFF;
    else
      case (state_q)
        WAIT: if (slot_i) state_q <= SWEEP;
        SWEEP: if (found) state_q <= LOAD;
               else if (done) state_q <= OFF;
        LOAD: if (last4_i) state_q <= BODY;
        BODY: if (store_i) state_q <= STORE;
        STORE: if (last4_i) state_q <= SWEEP;
        default: if (start_i) state_q <= WAIT;
      endcase
    if (rst_i) step_q <= '0;
    else step_q <= {step_q[7:1], found};
    resume_q <= back;
    fetch_q <= found || (state_q == STORE && second_i);
    store_q  <= (store_q || store_i) && !found;

    if (start_i) begin
      all_q       <= mask[3] || (mask[2] && reward_i != '0);
      by_trace_q  <= mask[1];
      by_pre_q    <= mask[0];
      trace_q     <= c[1:0];
      weights_q   <= d[2:0];
      block_q     <= TBLOCK_W'({lo, 4'h0} >> SHIFT);
      left_q      <= (TBLOCK_W + 1)'(hi >> SHIFT);
      last_lane_q <= LANE_W'(hi & 16'(LANES - 1));
      did_q       <= 1'b0;
      selected_q  <= '0;
    end else begin
      if (look5_i && !axon5_i && by_trace_q && |(chosen5_i & inside5_i)) did_q <= 1'b1;
      if (accept) begin
        block_q    <= block5_i;
        left_q     <= left_q - 1'b1;
        selected_q <= select5;
        pre_q      <= chosen5_i;
      end else if (back) selected_q <= rest;
    end
  end

  assign active_o = state_q != OFF;
  assign loading_o = state_q == LOAD;
  assign accept_o = accept;
  assign body_o = state_q == BODY;
  assign hold_o = state_q != OFF && state_q != BODY;
  assign jump_o = found;
  assign flush_o = found || done;
  assign sweep_o = begin_sweep || resume_q;
  assign load_o = step_q[3];
  assign block_o = block_q;
  // the traces of the axon come one after the other; a sweep that is resumed seeks the block before its first
  assign seek_o = begin_sweep || back || found || (TRACES > 1 && step_q[1]) || (TRACES > 2 && step_q[2]);
  assign capture_o = TRACES'(step_q[8:6]);
  assign port_o = sweep_o ? {1'b0, trace_q} : found ? 3'd0 : (TRACES > 1 && step_q[1]) ? 3'd1 :
                  (TRACES > 2 && step_q[2]) ? 3'd2 : weights_q;
  assign fetch_o = fetch_q;
  assign axon_o = (LANES > 1) ? AXON_W'({block_q, lane_o}) : AXON_W'(block_q);
  assign store_o = store_q && active_o;

  // ------------------------------------------------------------------------------------------- what is stored
  // Lane l's weight is at the top of its word: the store multiplies by a power of two, so that the lane saturates to
  // the width of a weight. Where the factor does not reach that far, it is clamped here.
  logic [LANES*16-1:0] top, packed8;
  for (genvar l = 0; l < LANES; l++) begin : gen_top
    if (STATE_BITS - 8 <= COEF_BITS - 2) begin : gen_shifted
      assign top[l*16+:16] = row5_i[(l+1)*STATE_BITS-1-:16];
    end else begin : gen_clamped
      logic [STATE_BITS-1:0] value;
      logic sign, fits8, fits16;
      assign value = row5_i[l*STATE_BITS+:STATE_BITS];
      assign sign = value[STATE_BITS-1];
      assign fits8 = value[STATE_BITS-1:7] == {STATE_BITS - 7{sign}};
      assign fits16 = value[STATE_BITS-1:15] == {STATE_BITS - 15{sign}};
      assign top[l*16+:16] = narrow_i ? {fits8 ? value[7:0] : {sign, {7{!sign}}}, 8'h00}
                                      : fits16 ? value[15:0] : {sign, {15{!sign}}};
    end
  end
  for (genvar y = 0; y < 2 * LANES; y++) begin : gen_byte
    assign packed8[y*8+:8] = top[(y%LANES)*16+8+:8];
  end
  assign word_o = narrow_i ? packed8 : top;

  logic unused;
  assign unused = &{1'b0, instr_i, mask, d, c, row5_i, block5_i, step_q, trace_q, lane_o};
endmodule

`default_nettype wire
