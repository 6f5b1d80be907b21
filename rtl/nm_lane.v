// One lane of the vector unit: result = (x * y >> shift, rounded) op r, saturated; stages 3 to 6 of the pipeline.
//
// Every operation is this one: an add is x * 1 + r, a move 0 + r, a compare the sign of x * 1 - r. Rounding adds at
// most one after a floor, so it is the carry into the final adder. Before that adder the shifted product is clamped to
// one bit more than an accumulator: what lies outside saturates whatever is added.
`default_nettype none

module nm_lane #(
    parameter int STATE_BITS = 24,
    parameter int ACC_BITS   = 24,
    parameter int COEF_BITS  = 18
) (
    input  wire logic                  clk_i,
    // stage 3
    input  wire logic [STATE_BITS-1:0] x_i,
    input  wire logic [ COEF_BITS-1:0] y_i,
    input  wire logic [STATE_BITS-1:0] r_i,
    // stage 4: shared by all lanes
    input  wire logic [           4:0] shift4_i,
    input  wire logic [          30:0] low_mask4_i,   // the bits that are dropped
    input  wire logic [          30:0] half_mask4_i,  // the highest of them
    input  wire logic [STATE_BITS+COEF_BITS-1:0] high_mask4_i,  // bits that must equal the sign
    // stage 5
    input  wire logic [           2:0] shift5_i,
    input  wire logic [           1:0] round5_i,
    input  wire logic                  acc5_i,        // r is the accumulator
    input  wire logic [  ACC_BITS-1:0] accumulator5_i,
    input  wire logic                  neg_q5_i,
    input  wire logic                  neg_r5_i,
    // stage 6
    input  wire logic                  select6_i,     // min, max: pick instead of add
    input  wire logic                  max6_i,
    output logic      [STATE_BITS-1:0] result6_o,
    output logic                       less6_o,       // of x - r
    output logic                       equal6_o,
    output logic      [           7:0] unsigned6_o,   // clamped to 0..255
    output logic      [           7:0] signed6_o      // clamped to -128..127
);
  localparam int PROD_W = STATE_BITS + COEF_BITS;
  localparam int WIDE_W = (PROD_W > ACC_BITS + 32) ? PROD_W : ACC_BITS + 32;  // whatever a shift can read
  localparam int COARSE_W = ACC_BITS + 7;
  localparam int SUM_W = ACC_BITS + 2;

  logic signed [PROD_W-1:0] product_q;
  logic [STATE_BITS-1:0] r4_q, r5_q;
  always_ff @(posedge clk_i) begin
    product_q <= PROD_W'($signed(x_i)) * PROD_W'($signed(y_i));
    r4_q <= r_i;
    r5_q <= r4_q;
  end

  // stage 4: shift by bytes, and look at the bits that fall off at either end
  logic sign, any_q, half_q, over_q, sign_q;
  logic signed [WIDE_W-1:0] wide;
  logic [WIDE_W-1:0] shifted4;
  logic [COARSE_W-1:0] coarse_q;
  assign sign = product_q[PROD_W-1];
  assign wide = WIDE_W'(product_q);
  assign shifted4 = wide >>> {shift4_i[4:3], 3'b0};
  always_ff @(posedge clk_i) begin
    any_q    <= |(wide[30:0] & low_mask4_i);
    half_q   <= |(wide[30:0] & half_mask4_i);
    over_q   <= |((product_q ^ {PROD_W{sign}}) & high_mask4_i);
    sign_q   <= sign;
    coarse_q <= shifted4[COARSE_W-1:0];
  end

  // stage 5: shift by bits, clamp, round, choose what is added
  logic [COARSE_W-1:0] fine;
  logic [ACC_BITS:0] clamped, u_q;
  logic [ACC_BITS-1:0] added, v_q;
  logic round_up, carry_q;
  assign fine = coarse_q >> shift5_i;
  assign clamped = over_q ? {sign_q, {ACC_BITS{!sign_q}}} : {sign_q, fine[ACC_BITS-1:0]};
  assign added = acc5_i ? accumulator5_i : ACC_BITS'($signed(r5_q));
  always_comb
    case (round5_i)
      2'd0: round_up = 1'b0;
      2'd1: round_up = any_q;
      2'd2: round_up = half_q;
      default: round_up = any_q && sign_q;
    endcase
  always_ff @(posedge clk_i) begin
    u_q     <= clamped ^ {ACC_BITS + 1{neg_q5_i}};
    v_q     <= added ^ {ACC_BITS{neg_r5_i}};
    carry_q <= round_up || neg_q5_i || neg_r5_i;
  end

  // stage 6: add or select, saturate; who selects has subtracted, so r is the complement of v_q
  logic signed [SUM_W-1:0] sum, value;
  logic high, low;
  assign sum = SUM_W'($signed(u_q)) + SUM_W'($signed(v_q)) + SUM_W'({1'b0, carry_q});
  assign less6_o = sum[SUM_W-1];
  assign equal6_o = sum == '0;
  assign value = !select6_i ? sum :
                 (less6_o != max6_i) ? SUM_W'($signed(u_q)) : SUM_W'($signed(~v_q));
  assign high = !value[SUM_W-1] && |value[SUM_W-2:STATE_BITS-1];
  assign low = value[SUM_W-1] && !(&value[SUM_W-2:STATE_BITS-1]);
  assign result6_o = (high || low) ? {low, {STATE_BITS - 1{high}}} : value[STATE_BITS-1:0];

  assign unsigned6_o = sum[SUM_W-1] ? 8'h00 : (|sum[SUM_W-2:8] ? 8'hff : sum[7:0]);
  assign signed6_o = (sum[SUM_W-1] && !(&sum[SUM_W-2:7])) ? 8'h80 :
                     (!sum[SUM_W-1] && |sum[SUM_W-2:7]) ? 8'h7f : sum[7:0];

  logic unused;
  assign unused = &{1'b0, shifted4, fine, shift4_i};
endmodule

`default_nettype wire
