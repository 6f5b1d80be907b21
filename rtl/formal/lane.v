// nm_lane rounds once and saturates once and never wraps: its pipeline against one wide expression.
//
// FACTORS: any second factor and shift, for widths that a solver can multiply; else the operations without a product
// (add, subtract, both ways round, minimum, maximum, compare) at the widths of the bundled machines.
`default_nettype none

module lane #(
    parameter int STATE_BITS = 6,
    parameter int ACC_BITS = 9,
    parameter int COEF_BITS = 4,
    parameter bit FACTORS = 1
) (
    input wire logic                         clk_i,
    input wire logic signed [STATE_BITS-1:0] x_i,
    input wire logic signed [ COEF_BITS-1:0] y_i,
    input wire logic signed [STATE_BITS-1:0] r_i,
    input wire logic signed [  ACC_BITS-1:0] accumulator_i,
    input wire logic                         use_i,  // the accumulator instead of r
    input wire logic        [           4:0] shift_i,
    input wire logic        [           1:0] round_i,
    input wire logic        [           2:0] kind_i
);
  localparam logic [2:0] ADD = 3'd0, SUB = 3'd1, REVERSE = 3'd2, MIN = 3'd3, MAX = 3'd4;
  localparam int PROD_W = STATE_BITS + COEF_BITS;
  localparam int FULL_W = PROD_W + ACC_BITS + 34;

  logic signed [STATE_BITS-1:0] x_q[3], r_q[3];
  logic signed [COEF_BITS-1:0] y_q[3];
  logic signed [ACC_BITS-1:0] acc_q[3];
  logic use_q[3];
  logic [4:0] shift_q[3];
  logic [1:0] round_q[3];
  logic [2:0] kind_q[3];
  logic [2:0] age_q;
  initial age_q = '0;
  always_ff @(posedge clk_i) begin
    age_q <= age_q + 3'(age_q != 3'd7);
    x_q[0] <= x_i;
    y_q[0] <= y_i;
    r_q[0] <= r_i;
    acc_q[0] <= accumulator_i;
    use_q[0] <= use_i;
    shift_q[0] <= shift_i;
    round_q[0] <= round_i;
    kind_q[0] <= kind_i;
    for (int i = 1; i < 3; i++) begin
      x_q[i] <= x_q[i-1];
      y_q[i] <= y_q[i-1];
      r_q[i] <= r_q[i-1];
      acc_q[i] <= acc_q[i-1];
      use_q[i] <= use_q[i-1];
      shift_q[i] <= shift_q[i-1];
      round_q[i] <= round_q[i-1];
      kind_q[i] <= kind_q[i-1];
    end
  end

  logic [30:0] low, half;
  logic [PROD_W-1:0] high;
  assign low = ~(31'h7fffffff << shift_q[0]);
  assign half = (shift_q[0] == '0) ? '0 : 31'd1 << (shift_q[0] - 5'd1);
  always_comb for (int i = 0; i < PROD_W; i++) high[i] = 32'(i) >= 32'(ACC_BITS) + 32'(shift_q[0]);
  logic signed [STATE_BITS-1:0] result;
  logic less, equal;
  logic [7:0] clamp_u, clamp_s;
  nm_lane #(.STATE_BITS(STATE_BITS), .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS)) dut (
      .clk_i, .x_i, .y_i, .r_i, .shift4_i(shift_q[0]), .low_mask4_i(low), .half_mask4_i(half), .high_mask4_i(high),
      .shift5_i(shift_q[1][2:0]), .round5_i(round_q[1]), .acc5_i(use_q[1]), .accumulator5_i(acc_q[1]),
      .neg_q5_i(kind_q[1] == REVERSE), .neg_r5_i(kind_q[1] == SUB || kind_q[1] >= MIN), .select6_i(kind_q[2] >= MIN),
      .max6_i(kind_q[2] == MAX), .result6_o(result), .less6_o(less), .equal6_o(equal), .unsigned6_o(clamp_u),
      .signed6_o(clamp_s));

  // the definition
  logic signed [FULL_W-1:0] product, rounded, other, wanted, most, least;
  always_comb begin
    product = FULL_W'($signed(PROD_W'(x_q[2]) * PROD_W'(y_q[2])));
    rounded = product;
    case (round_q[2])
      2'd1: rounded = product + (FULL_W'(1) << shift_q[2]) - FULL_W'(1);
      2'd2: rounded = product + ((FULL_W'(1) << shift_q[2]) >> 1);
      2'd3: if (product < 0) rounded = product + (FULL_W'(1) << shift_q[2]) - FULL_W'(1);
      default: ;
    endcase
    rounded = rounded >>> shift_q[2];
    other = use_q[2] ? FULL_W'(acc_q[2]) : FULL_W'(r_q[2]);
    case (kind_q[2])
      ADD: wanted = rounded + other;
      SUB: wanted = rounded - other;
      REVERSE: wanted = other - rounded;
      MIN: wanted = (rounded < other) ? rounded : other;
      default: wanted = (rounded > other) ? rounded : other;
    endcase
    most = (FULL_W'(1) << (STATE_BITS - 1)) - FULL_W'(1);
    least = -most - FULL_W'(1);
  end
  always @(posedge clk_i) begin
    assume (kind_i <= MAX);
    if (kind_i != ADD) assume (shift_i == '0);
    if (!FACTORS) assume (shift_i == '0 && (y_i == COEF_BITS'(1) || y_i == '0));
    if (age_q >= 3'd3) begin
      assert (FULL_W'(result) == ((wanted > most) ? most : (wanted < least) ? least : wanted));
      if (kind_q[2] == SUB || kind_q[2] >= MIN) begin
        assert (less == (rounded < other));
        assert (equal == (rounded == other));
      end
      if (kind_q[2] == ADD) begin
        assert (clamp_u == ((wanted > 255) ? 8'd255 : (wanted < 0) ? 8'd0 : wanted[7:0]));
        assert (clamp_s == ((wanted > 127) ? 8'h7f : (wanted < -128) ? 8'h80 : wanted[7:0]));
      end
    end
  end
endmodule

`default_nettype wire
