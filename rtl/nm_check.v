// Is an instruction legal on this core? Combinational; what it finds becomes a sticky fault, never silence.
`default_nettype none
`include "nm_isa.vh"
`include "nm_arith.vh"

module nm_check #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int COEF_BITS = 18,
    parameter int BLOCKS = 64,
    parameter int REGISTERS = 8,
    parameter int AXONS = 2048,
    parameter int TRACES = 1,
    parameter bit GRADED = 1
) (
    input  wire logic [63:0] instr_i,
    input  wire logic        range_valid_i,
    input  wire logic        range_axon_i,
    input  wire logic        body_i,         // inside rows..endrows
    output logic             vector_o,       // it lasts as long as a vector
    output logic             bad_opcode_o,   // unknown, or a field that it does not have is not zero
    output logic             bad_operand_o
);
  logic [5:0] op;
  logic [3:0] pred, d, a, c, b;
  logic [15:0] lo, hi;
  logic [9:0] allowed, present;  // pred d a c shift round imm_b flag flag2 imm
  logic a_predicate, rows_mask, far_shift;
  logic known, bad_scalar, imm_b, flag, flag2, is_mul, two, bad_a, bad_b, bad_c, a_used, b_used, imm_fits;
  logic state_fits, coef_fits, d_predicate, d_accumulator, plog_fits, pred_pre, pred_fits;
  logic [4:0] shift;
  logic [3:0] accumulators;
  logic two_registers;
  logic [16:0] top;

  assign op = instr_i[`NM_I_OP];
  assign pred = instr_i[`NM_I_PRED];
  assign d = instr_i[`NM_I_D];
  assign a = instr_i[`NM_I_A];
  assign c = instr_i[`NM_I_C];
  assign b = instr_i[3:0];
  assign lo = instr_i[15:0];
  assign hi = instr_i[31:16];
  assign imm_b = instr_i[`NM_I_IMM_B];
  assign flag = instr_i[`NM_I_FLAG];
  assign flag2 = instr_i[`NM_I_FLAG2];
  assign top = 17'(lo) + 17'(hi);
  assign present = {pred != '0, d != '0, a != '0, c != '0, instr_i[`NM_I_SHIFT] != '0, instr_i[`NM_I_ROUND] != '0,
                    imm_b, flag, flag2, instr_i[`NM_I_IMM] != '0};

  always_comb begin
    vector_o = 1'b1;
    known = 1'b1;
    two = 1'b0;
    case (op)
      `NM_OP_END: begin allowed = 10'b0000000001; vector_o = 1'b0; end
      `NM_OP_WHEN: begin allowed = 10'b0110000101; vector_o = 1'b0; end
      `NM_OP_RANGE: begin allowed = 10'b0100000101; vector_o = 1'b0; end
      `NM_OP_INTEG: begin allowed = 10'b0100100111; vector_o = 1'b0; end
      `NM_OP_ROWS: allowed = 10'b1111110001;
      `NM_OP_ENDROWS: allowed = '0;
      `NM_OP_MOV: allowed = 10'b1100001001;
      `NM_OP_ADD, `NM_OP_SUB, `NM_OP_MIN, `NM_OP_MAX, `NM_OP_CGE, `NM_OP_CGT, `NM_OP_CEQ: begin
        allowed = 10'b1110001001;
        two = 1'b1;
      end
      `NM_OP_MUL: begin allowed = 10'b1110111001; two = 1'b1; end
      `NM_OP_MAC: begin allowed = 10'b1111111001; two = 1'b1; end
      `NM_OP_RND: allowed = 10'b1100100000;
      `NM_OP_PLOG: allowed = 10'b1111000001;
      `NM_OP_SPK: allowed = 10'b1010000110;
      default: begin allowed = '0; vector_o = 1'b0; known = 1'b0; end
    endcase
    bad_opcode_o = (present & ~allowed) != '0 || !known;
  end

  function automatic logic bad_source(input logic [3:0] code, input logic axon, input logic body, input logic factor);
    // registers that are there; accumulators in neuron space and not as factors; the axon's traces only inside rows
    logic bad;
    if (!code[3]) bad = axon ? `NM_REACHES(code[2:0], TRACES) : `NM_REACHES(code[2:0], REGISTERS);
    else if (code[3:2] == 2'b10) bad = axon || factor;
    else bad = code != 4'd15 && !(body && !`NM_REACHES(code[1:0], TRACES));
    bad_source = bad;
  endfunction

  assign is_mul = op == `NM_OP_MUL || op == `NM_OP_MAC;
  assign a_used = two || (op == `NM_OP_SPK && flag);
  assign b_used = (two || op == `NM_OP_MOV) && !imm_b;
  assign bad_a = a_used && bad_source(a, range_axon_i, body_i, is_mul);
  assign bad_b = b_used && (bad_source(b, range_axon_i, body_i, is_mul) || instr_i[31:4] != '0);
  assign bad_c = op == `NM_OP_MAC && bad_source(c, range_axon_i, body_i, 1'b0);
  // one of x0..x2 and reward
  assign bad_scalar = TRACES > 0 && ((a[3:2] == 2'b11 && b_used && b[3:2] == 2'b11 && a[1:0] != b[1:0]) ||
                                     (c[3:2] == 2'b11 && b_used && b[3:2] == 2'b11 && c[1:0] != b[1:0]) ||
                                     (a[3:2] == 2'b11 && c[3:2] == 2'b11 && a[1:0] != c[1:0]));
  assign accumulators = 4'(a_used && a[3:2] == 2'b10) + 4'(b_used && b[3:2] == 2'b10)
                        + 4'(op == `NM_OP_MAC && c[3:2] == 2'b10);
  assign two_registers = op == `NM_OP_MAC && b_used && !b[3] && !c[3] && b != c;
  assign state_fits = &instr_i[31:STATE_BITS-1] || !(|instr_i[31:STATE_BITS-1]);
  assign coef_fits = &instr_i[31:COEF_BITS-1] || !(|instr_i[31:COEF_BITS-1]);
  assign imm_fits = is_mul ? coef_fits : state_fits;
  assign d_predicate = d[3:2] == '0;
  assign d_accumulator = d[3:1] == '0;
  assign a_predicate = a[3:2] == '0;
  assign far_shift = flag ? `NM_EXCEEDS(shift, STATE_BITS - 9) : `NM_EXCEEDS(shift, STATE_BITS - 2);
  assign rows_mask = !shift[4] && shift[3:0] != '0;
  assign plog_fits = a[3:2] == '0 && c[3:2] == '0 && instr_i[31:4] == '0;
  assign shift = instr_i[`NM_I_SHIFT];
  assign pred_pre = pred[2:0] == 3'd5;
  assign pred_fits = pred[2:0] <= 3'd5 && pred != 4'd8 && (pred[2:0] == 3'd0 || pred_pre == range_axon_i || (pred_pre && body_i));

  always_comb begin
    bad_operand_o = 1'b0;
    case (op)
      `NM_OP_END: bad_operand_o = `NM_EXCEEDS(lo, BLOCKS) || hi != '0 || body_i;
      `NM_OP_WHEN: ;
      `NM_OP_ROWS:
      bad_operand_o = TRACES == 0 || body_i || !range_valid_i || range_axon_i || `NM_REACHES(d, REGISTERS) ||
                      !a_predicate || `NM_REACHES(c, TRACES) || !rows_mask ||
                      `NM_REACHES(21'({lo, 4'h0}) + 21'(hi), AXONS);
      `NM_OP_ENDROWS: bad_operand_o = !body_i;
      `NM_OP_RANGE:
      bad_operand_o = body_i || hi == '0 || `NM_REACHES(d, LANES) || (flag && TRACES == 0) ||
                      (flag ? `NM_EXCEEDS(top, AXONS / LANES) : `NM_EXCEEDS(top, BLOCKS));
      `NM_OP_INTEG:
      bad_operand_o = body_i || hi == '0 || !d_accumulator || `NM_EXCEEDS(top, AXONS / 16) || (flag && !GRADED) || (flag2 && !flag) || far_shift;
      default:
      if (vector_o) begin
        bad_operand_o = !range_valid_i || bad_scalar || bad_a || bad_b || bad_c || accumulators > 4'd1 || two_registers;
        if (!pred_fits) bad_operand_o = 1'b1;
        if (imm_b && !imm_fits) bad_operand_o = 1'b1;
        case (op)
          `NM_OP_CGE, `NM_OP_CGT, `NM_OP_CEQ: if (!d_predicate || range_axon_i) bad_operand_o = 1'b1;
          `NM_OP_PLOG:
          if (!d_predicate || !plog_fits || range_axon_i) bad_operand_o = 1'b1;
          `NM_OP_SPK:
          if (range_axon_i || body_i || (flag && !GRADED) || (flag2 && !flag) || (a != '0 && !flag)) bad_operand_o = 1'b1;
          default: begin
            if (range_axon_i ? `NM_REACHES(d, TRACES) : `NM_REACHES(d, REGISTERS)) bad_operand_o = 1'b1;
            if (op == `NM_OP_RND && (shift == '0 ||
                `NM_REACHES(shift, (STATE_BITS < 24 ? STATE_BITS : 24))))
              bad_operand_o = 1'b1;
          end
        endcase
      end
    endcase
  end
endmodule

`default_nettype wire
