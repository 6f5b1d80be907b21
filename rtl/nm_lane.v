// One lane of the vector unit: result = (x * y >> shift, rounded) op r, saturated; stages 3 to 5 of the pipeline.
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
    // stage 4
    input  wire logic [           4:0] shift4_i,
    input  wire logic [           6:0] below4_i,      // below4[j]: j < shift mod 8; shared by all lanes
    input  wire logic [           1:0] round4_i,
    input  wire logic                  acc4_i,        // r is the accumulator
    input  wire logic [  ACC_BITS-1:0] accumulator4_i,
    input  wire logic                  neg_r4_i,
    // stage 5
    input  wire logic                  select5_i,     // min, max: pick instead of add
    input  wire logic                  max5_i,
    output logic      [  ACC_BITS-1:0] sum5_o,        // before it is saturated
    output logic      [STATE_BITS-1:0] result5_o,
    output logic                       less5_o,       // of x - r
    output logic                       equal5_o,
    output logic      [           7:0] unsigned5_o,   // clamped to 0..255
    output logic      [           7:0] signed5_o      // clamped to -128..127
);
  localparam int PROD_W = STATE_BITS + COEF_BITS;
  localparam int COARSE_W = ACC_BITS + 8;
  localparam int WIDE_W = (PROD_W + 1 > COARSE_W + 24) ? PROD_W + 1 : COARSE_W + 24;
  localparam int SUM_W = ACC_BITS + 2;

  logic signed [PROD_W-1:0] product_q;
  logic [STATE_BITS-1:0] r4_q;
  always_ff @(posedge clk_i) begin
    product_q <= PROD_W'($signed(x_i)) * PROD_W'($signed(y_i));
    r4_q <= r_i;
  end

  // stage 4: shift by bytes, then by bits, with one bit more at the low end: it is the half that rounding looks at
  logic sign, half, any, over;
  logic signed [WIDE_W-1:0] wide;
  logic [WIDE_W-1:0] shifted;
  logic [COARSE_W-1:0] coarse, fine;
  logic [6:0] lowest, highest;
  logic [3:0] upto;  // upto[k]: the shift drops byte k - 1 whole, and all below it
  assign sign = product_q[PROD_W-1];
  assign wide = WIDE_W'($signed({product_q, 1'b0}));
  assign shifted = wide >>> {shift4_i[4:3], 3'b0};
  assign coarse = shifted[COARSE_W-1:0];
  assign fine = coarse >> shift4_i[2:0];
  assign half = fine[0];
  assign lowest = coarse[6:0];
  assign highest = coarse[ACC_BITS+1+:7];
  assign upto = {shift4_i[4:3] == 2'd3, shift4_i[4], shift4_i[4:3] != 2'd0, 1'b1};

  always_comb begin
    // anything that falls off below the half
    any = |(lowest & below4_i);
    for (int k = 0; k < 3; k++) any = any | (upto[k+1] && |wide[8*k+:8]);
    // bits that fall off at the top must be copies of the sign
    over = |((highest ^ {7{sign}}) & ~below4_i);
    for (int i = ACC_BITS + 7; i < PROD_W - 1; i++)
      over = over | ((product_q[i] ^ sign) && !upto[(i-ACC_BITS-7)/8+1]);
  end

  logic round_up, carry_q;
  logic [ACC_BITS:0] u_q;
  logic [ACC_BITS-1:0] added, v_q;
  assign added = acc4_i ? accumulator4_i : ACC_BITS'($signed(r4_q));
  always_comb
    case (round4_i)
      2'd0: round_up = 1'b0;
      2'd1: round_up = any || half;
      2'd2: round_up = half;
      default: round_up = (any || half) && sign;
    endcase
  always_ff @(posedge clk_i) begin
    u_q[ACC_BITS] <= sign;
    if (over && sign) u_q[ACC_BITS-1:0] <= '0;
    else u_q[ACC_BITS-1:0] <= fine[ACC_BITS:1] | {ACC_BITS{over}};
    v_q     <= added ^ {ACC_BITS{neg_r4_i}};
    carry_q <= round_up || neg_r4_i;
  end

  // stage 5: add or select, saturate; who selects has subtracted, so r is the complement of v_q
  logic signed [SUM_W-1:0] sum, picked;
  assign sum = SUM_W'($signed(u_q)) + SUM_W'($signed(v_q)) + SUM_W'({1'b0, carry_q});
  assign sum5_o = sum[ACC_BITS-1:0];
  assign less5_o = sum[SUM_W-1];
  assign equal5_o = sum == '0;
  assign picked = (less5_o != max5_i) ? SUM_W'($signed(u_q)) : SUM_W'($signed(~v_q));
  if (ACC_BITS == STATE_BITS) begin : gen_narrow
    // what is picked fits: 0 the sum, 1 what is picked, 2 and 3 the bounds; two LUTs a bit
    logic [1:0] code;
    logic fits;
    assign fits = &sum[SUM_W-1:STATE_BITS-1] || !(|sum[SUM_W-1:STATE_BITS-1]);
    assign code = select5_i ? 2'd1 : fits ? 2'd0 : {1'b1, !less5_o};
    for (genvar i = 0; i < STATE_BITS; i++) begin : gen_bit
      assign result5_o[i] = code[1] ? code[0] ^ (i == STATE_BITS - 1) : code[0] ? picked[i] : sum[i];
    end
    logic unused_picked;
    assign unused_picked = &{1'b0, picked};
  end else begin : gen_wide
    logic signed [SUM_W-1:0] value;
    logic high, low;
    assign value = select5_i ? picked : sum;
    assign high = !value[SUM_W-1] && |value[SUM_W-2:STATE_BITS-1];
    assign low = value[SUM_W-1] && !(&value[SUM_W-2:STATE_BITS-1]);
    assign result5_o = (high || low) ? {low, {STATE_BITS - 1{high}}} : value[STATE_BITS-1:0];
  end

  assign unsigned5_o = sum[SUM_W-1] ? 8'h00 : (|sum[SUM_W-2:8] ? 8'hff : sum[7:0]);
  assign signed5_o = (sum[SUM_W-1] && !(&sum[SUM_W-2:7])) ? 8'h80 :
                     (!sum[SUM_W-1] && |sum[SUM_W-2:7]) ? 8'h7f : sum[7:0];

  logic unused;
  assign unused = &{1'b0, shifted, fine, upto};
endmodule

`default_nettype wire
