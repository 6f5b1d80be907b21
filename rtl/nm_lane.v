// One lane of the vector unit: result = (x * y >> shift, rounded) op r, saturated; stages 3 to 5 of the pipeline, and a
// payload in stage 6.
//
// Every operation is this one: an add is x * 1 + r, a move 0 + r, a compare the sign of x * 1 - r. Rounding adds at
// most one after a floor, so it is the carry into the final adder. A shifted product of more than one bit more than an
// accumulator saturates whatever is added; nobody looks at the sum or the comparison of such a one.
`default_nettype none

module nm_lane #(
    parameter int STATE_BITS = 24,
    parameter int ACC_BITS   = 24,
    parameter int COEF_BITS  = 18,
    parameter int X_BITS     = STATE_BITS
) (
    input  wire logic                  clk_i,
    // stage 3
    input  wire logic [    X_BITS-1:0] x_i,
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
    // stage 6
    input  wire logic                  graded6_i,     // the payload is the sum, clamped
    input  wire logic                  signed6_i,     // to -128..127, else to 0..255
    output logic      [  ACC_BITS-1:0] sum5_o,        // before it is saturated
    output logic      [STATE_BITS-1:0] result5_o,
    output logic                       less5_o,       // of x - r
    output logic                       equal5_o,
    output logic      [           7:0] payload6_o
);
  localparam int PROD_W = X_BITS + COEF_BITS;
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
  logic sign, half, any, dropped, over;
  logic signed [WIDE_W-1:0] wide;
  logic [WIDE_W-1:0] shifted;
  logic [COARSE_W-1:0] coarse, fine;
  logic [6:0] highest;
  logic [3:1] upto;  // upto[k]: the shift drops byte k - 1 whole, and all below it
  assign sign = product_q[PROD_W-1];
  assign wide = WIDE_W'($signed({product_q, 1'b0}));
  assign shifted = wide >>> {shift4_i[4:3], 3'b0};
  assign coarse = shifted[COARSE_W-1:0];
  if (X_BITS == STATE_BITS && COARSE_W <= 24) begin : gen_multiplied
    // 16 bits of it by a multiplier, which is free since accumulators need none
    assign fine = COARSE_W'($signed(coarse[COARSE_W-1:8])) * COARSE_W'($signed({1'b0, 9'h100 >> shift4_i[2:0]}))
                  | COARSE_W'(coarse[7:0] >> shift4_i[2:0]);
  end else begin : gen_shifted
    assign fine = coarse >> shift4_i[2:0];
  end
  assign half = fine[0];
  assign highest = coarse[ACC_BITS+1+:7];
  assign upto = {shift4_i[4:3] == 2'd3, shift4_i[4], shift4_i[4:3] != 2'd0};

  // of the byte that the shift drops in part; of a raised x it drops all but one bit
  if (X_BITS > STATE_BITS) begin : gen_raised
    logic [3:0] part;
    for (genvar k = 0; k < 4; k++) begin : gen_part
      assign part[k] = shift4_i[4:3] == 2'(k) && |wide[8*k+:7];
    end
    assign dropped = |part;
  end else begin : gen_not_raised
    assign dropped = |(coarse[6:0] & below4_i);
  end
  always_comb begin
    // anything that falls off below the half
    any = 1'b0;
    for (int k = 0; k < 3; k++) any = any | (upto[k+1] && |wide[8*k+:8]);
    any = any | dropped;
    // bits that fall off at the top must be copies of the sign
    over = |((highest ^ {7{sign}}) & ~below4_i);
    for (int i = ACC_BITS + 7; i < PROD_W - 1; i++)
      over = over | ((product_q[i] ^ sign) && !upto[(i-ACC_BITS-7)/8+1]);
  end

  logic round_up, carry_q, over_q;
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
    u_q     <= {sign, fine[ACC_BITS:1]};
    over_q  <= over;
    v_q     <= added ^ {ACC_BITS{neg_r4_i}};
    carry_q <= round_up || neg_r4_i;
  end

  // stage 5: add or select, saturate; who selects has subtracted, so r is the complement of v_q
  logic signed [SUM_W-1:0] sum;
  logic negative;
  assign sum = SUM_W'($signed(u_q)) + SUM_W'($signed(v_q)) + SUM_W'({1'b0, carry_q});
  assign sum5_o = sum[ACC_BITS-1:0];
  assign less5_o = sum[SUM_W-1];
  assign equal5_o = sum == '0;
  assign negative = over_q ? u_q[ACC_BITS] : less5_o;
  if (ACC_BITS == STATE_BITS) begin : gen_narrow
    // what is picked fits; of five things one is gated through, two LUTs a bit
    logic is_sum, is_x, is_r, is_most, is_least, fits;
    assign fits = !over_q && (&sum[SUM_W-1:STATE_BITS-1] || !(|sum[SUM_W-1:STATE_BITS-1]));
    assign is_sum = !select5_i && fits;
    assign is_x = select5_i && less5_o != max5_i;
    assign is_r = select5_i && less5_o == max5_i;
    assign is_most = !select5_i && !fits && !negative;
    assign is_least = !select5_i && !fits && negative;
    for (genvar i = 0; i < STATE_BITS; i++) begin : gen_bit
      assign result5_o[i] = ((sum[i] & is_sum) | (u_q[i] & is_x)) | (!v_q[i] & is_r)
                            | ((i == STATE_BITS - 1) ? is_least : is_most);
    end
  end else begin : gen_wide
    logic signed [SUM_W-1:0] picked, value;
    logic high, low;
    assign picked = (less5_o != max5_i) ? SUM_W'($signed(u_q)) : SUM_W'($signed(~v_q));
    assign value = select5_i ? picked : sum;
    assign high = over_q ? !negative : !value[SUM_W-1] && |value[SUM_W-2:STATE_BITS-1];
    assign low = over_q ? negative : value[SUM_W-1] && !(&value[SUM_W-2:STATE_BITS-1]);
    assign result5_o = (high || low) ? {low, {STATE_BITS - 1{high}}} : value[STATE_BITS-1:0];
  end

  // the payload, gated in the same way; without one it is 1
  logic [SUM_W-1:0] sum6_q;
  logic below_zero, byte_fits, is_byte, is_high;
  always_ff @(posedge clk_i) sum6_q <= sum;
  assign below_zero = sum6_q[SUM_W-1];
  assign byte_fits = signed6_i ? &sum6_q[SUM_W-1:7] || !(|sum6_q[SUM_W-1:7]) : !(|sum6_q[SUM_W-1:8]);
  assign is_byte = graded6_i && byte_fits;
  assign is_high = graded6_i && !byte_fits && !below_zero;
  assign payload6_o[0] = (sum6_q[0] & is_byte) | is_high | !graded6_i;
  assign payload6_o[6:1] = (sum6_q[6:1] & {6{is_byte}}) | {6{is_high}};
  assign payload6_o[7] = (sum6_q[7] & is_byte) | (graded6_i && !byte_fits && below_zero == signed6_i);

  logic unused;
  assign unused = &{1'b0, shifted, fine, upto};
endmodule

`default_nettype wire
