// nm_lane rounds once and saturates once and never wraps: its pipeline against one wide expression.
//
// FACTORS: any second factor and shift, for widths that a solver can multiply; else the operations without a product
// (add, subtract, minimum, maximum, compare) at the widths of the bundled machines. RAISED: x comes shifted left, so that
// a product is shifted right by whole bytes and 7 bits.
`default_nettype none

module lane #(
    parameter int STATE_BITS = 6,
    parameter int ACC_BITS = 9,
    parameter int COEF_BITS = 4,
    parameter bit FACTORS = 1,
    parameter bit RAISED = 0
) (
    input wire logic                         clk_i,
    input wire logic signed [STATE_BITS-1:0] x_i,
    input wire logic signed [ COEF_BITS-1:0] y_i,
    input wire logic signed [STATE_BITS-1:0] r_i,
    input wire logic signed [  ACC_BITS-1:0] accumulator_i,
    input wire logic                         use_i,  // the accumulator instead of r
    input wire logic        [           4:0] shift_i,
    input wire logic        [           1:0] round_i,
    input wire logic        [           1:0] kind_i,
    input wire logic                         graded_i,
    input wire logic                         signed_i
);
  localparam logic [1:0] ADD = 2'd0, SUB = 2'd1, MIN = 2'd2, MAX = 2'd3;
  localparam int PROD_W = STATE_BITS + COEF_BITS;
  localparam int FULL_W = PROD_W + ACC_BITS + 34;

  logic signed [STATE_BITS-1:0] x_q[2], r_q[2];
  logic signed [COEF_BITS-1:0] y_q[2];
  logic signed [ACC_BITS-1:0] acc_q[2];
  logic use_q[2];
  logic [4:0] shift_q[2];
  logic [1:0] round_q[2];
  logic [1:0] kind_q[2];
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
    for (int i = 1; i < 2; i++) begin
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

  logic [6:0] below;
  always_comb for (int j = 0; j < 7; j++) below[j] = RAISED || 3'(j) < shift_q[0][2:0];
  localparam int X_BITS = STATE_BITS + (RAISED ? 7 : 0);
  logic signed [X_BITS-1:0] x;
  assign x = RAISED ? X_BITS'(x_i) << (3'd7 - shift_i[2:0]) : X_BITS'(x_i);
  logic graded_q, signed_q;
  logic signed [STATE_BITS-1:0] result;
  logic less, equal;
  logic [7:0] payload;
  nm_lane #(.STATE_BITS(STATE_BITS), .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS), .X_BITS(X_BITS)) dut (
      .clk_i, .x_i(x), .y_i, .r_i, .shift4_i(shift_q[0] | (RAISED ? 5'd7 : 5'd0)), .below4_i(below), .round4_i(round_q[0]), .acc4_i(use_q[0]),
      .accumulator4_i(acc_q[0]), .neg_r4_i(kind_q[0] != ADD), .select5_i(kind_q[1] >= MIN), .max5_i(kind_q[1] == MAX),
      .graded6_i(graded_q), .signed6_i(signed_q), .result5_o(result), .less5_o(less), .equal5_o(equal), .payload6_o(payload));

  // the definition
  logic signed [FULL_W-1:0] product, rounded, other, wanted, most, least;
  always_comb begin
    product = FULL_W'($signed(PROD_W'(x_q[1]) * PROD_W'(y_q[1])));
    rounded = product;
    case (round_q[1])
      2'd1: rounded = product + (FULL_W'(1) << shift_q[1]) - FULL_W'(1);
      2'd2: rounded = product + ((FULL_W'(1) << shift_q[1]) >> 1);
      2'd3: if (product < 0) rounded = product + (FULL_W'(1) << shift_q[1]) - FULL_W'(1);
      default: ;
    endcase
    rounded = rounded >>> shift_q[1];
    other = use_q[1] ? FULL_W'(acc_q[1]) : FULL_W'(r_q[1]);
    case (kind_q[1])
      ADD: wanted = rounded + other;
      SUB: wanted = rounded - other;
      MIN: wanted = (rounded < other) ? rounded : other;
      default: wanted = (rounded > other) ? rounded : other;
    endcase
    most = (FULL_W'(1) << (STATE_BITS - 1)) - FULL_W'(1);
    least = -most - FULL_W'(1);
  end
  logic [7:0] held_q;  // the definition of a payload, a cycle later
  logic plain_q, known_q;
  always_ff @(posedge clk_i) begin
    {graded_q, signed_q} <= {graded_i, signed_i};
    plain_q <= !graded_i;
    known_q <= kind_q[1] == ADD && y_q[1] == COEF_BITS'(1) && shift_q[1] == '0;
    held_q <= signed_i ? ((wanted > 127) ? 8'h7f : (wanted < -128) ? 8'h80 : wanted[7:0])
                       : ((wanted > 255) ? 8'd255 : (wanted < 0) ? 8'd0 : wanted[7:0]);
  end
  always @(posedge clk_i) begin
    if (kind_i != ADD) assume (shift_i == '0 && (y_i == COEF_BITS'(1) || y_i == '0));  // of x or of 0
    if (!FACTORS) assume (shift_i == '0 && (y_i == COEF_BITS'(1) || y_i == '0));
    if (age_q >= 3'd2) begin
      assert (FULL_W'(result) == ((wanted > most) ? most : (wanted < least) ? least : wanted));
      if (kind_q[1] != ADD) begin
        assert (less == (rounded < other));
        assert (equal == (rounded == other));
      end
    end
    if (age_q >= 3'd3) begin
      if (plain_q) assert (payload == 8'd1);
      else if (known_q) assert (payload == held_q);
    end
  end
endmodule

`default_nettype wire
