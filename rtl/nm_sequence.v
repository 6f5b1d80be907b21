// The sequencer: fetches, decides `when`, keeps the range, and issues each instruction exactly when the one before
// it has used up its cycles. Every instruction lasts 6 cycles at least, so fetching never shows.
//
//   pc -> array -> output register (checked) -> issue
`default_nettype none
`include "nm_isa.vh"

module nm_sequence #(
    parameter int LANES = 8,
    parameter int STATE_BITS = 24,
    parameter int COEF_BITS = 18,
    parameter int BLOCKS = 64,
    parameter int REGISTERS = 8,
    parameter int AXONS = 2048,
    parameter int TRACES = 1,
    parameter bit GRADED = 1,
    parameter int PROGRAM_WORDS = 512,
    parameter int SPACE_W = 8,
    parameter int PC_W = (PROGRAM_WORDS > 1) ? $clog2(PROGRAM_WORDS) : 1
) (
    input  wire logic               clk_i,
    input  wire logic               rst_i,
    input  wire logic               load_i,     // begin at entry_i, a few cycles before go_i
    input  wire logic [   PC_W-1:0] entry_i,
    input  wire logic               go_i,       // the first instruction issues in the next cycle
    input  wire logic [       23:0] t_i,
    input  wire logic [       23:0] timesteps_i,
    output logic                    running_o,
    output logic                    issue_o,
    output logic      [   PC_W-1:0] pc_o,       // of the instruction that issues
    output logic      [       63:0] instr_o,
    output logic                    vector_o,   // what issues is ...
    output logic                    integ_o,
    output logic                    end_o,
    output logic                    rows_o,
    output logic                    endrows_o,
    output logic                    slot_o,     // what issued last has used up its cycles
    input  wire logic               hold_i,     // nothing issues: a row is on its way
    input  wire logic               jump_i,     // to the body of the last `rows`
    input  wire logic               body_i,     // inside rows..endrows, or about to be
    input  wire logic               integ_done_i,
    output logic      [SPACE_W-1:0] range_first_o,
    output logic      [  SPACE_W:0] range_count_o,
    output logic      [        3:0] range_lanes_o,
    output logic                    range_axon_o,
    output logic                    bad_opcode_o,
    output logic                    bad_operand_o,
    output logic                    bad_pc_o,
    // host
    input  wire logic               host_i,
    input  wire logic               host_we_i,
    input  wire logic [       19:0] host_addr_i,
    input  wire logic               host_part_i,
    input  wire logic [       31:0] host_data_i,
    output logic      [       31:0] host_program_o
);
  logic [63:0] instr;
  localparam int COUNT_W = ((PC_W > 8) ? PC_W : 8) + 1;  // a skip leads beyond the memory, never round it
  logic [COUNT_W-1:0] pc_q, body_q;
  logic [7:0] skip_q;
  logic [24:0] after;  // the end of the run, signed
  logic [15:0] since_q;
  logic before_q, beyond_q;
  logic running_q, waiting_q, ending_q, range_valid_q, range_axon_q, issue, due, fault;
  localparam int WAIT_W = (SPACE_W + 1 > 4) ? SPACE_W + 1 : 4;
  logic [WAIT_W-1:0] wait_q, vector_wait;
  logic [SPACE_W:0] range_count_q;
  logic [SPACE_W-1:0] range_first_q;
  logic [3:0] range_lanes_q;
  logic is_vector, bad_opcode, bad_operand, bad_pc, seen_vector, seen_opcode, seen_operand;
  logic [5:0] op;

  nm_ram #(.WORDS(PROGRAM_WORDS), .WIDTH(64), .GROUPS(2), .ADDR_W(PC_W)) i_program (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(host_i ? host_addr_i[PC_W-1:0] : pc_q[PC_W-1:0]),
      .rdata_o(instr), .we_i({host_we_i && host_part_i, host_we_i && !host_part_i}), .waddr_i(host_addr_i[PC_W-1:0]),
      .wdata_i({2{host_data_i}}));
  assign host_program_o = host_part_i ? instr[63:32] : instr[31:0];

  // the time that `when` ends by, from the start of the run or from its end: below 0, beyond 16 bits, else since_q
  assign after = 25'(t_i) - 25'(timesteps_i);
  always_ff @(posedge clk_i) begin
    since_q  <= instr[`NM_I_FLAG] ? after[15:0] : t_i[15:0];
    before_q <= instr[`NM_I_FLAG] && after[24];
    beyond_q <= (instr[`NM_I_FLAG] ? after[23:16] : t_i[23:16]) != 8'h00;
  end

  nm_check #(.LANES(LANES), .STATE_BITS(STATE_BITS), .COEF_BITS(COEF_BITS), .BLOCKS(BLOCKS), .REGISTERS(REGISTERS),
             .AXONS(AXONS), .TRACES(TRACES), .GRADED(GRADED)) i_check (
      .instr_i(instr), .range_valid_i(range_valid_q), .range_axon_i(range_axon_q), .body_i, .vector_o(seen_vector),
      .bad_opcode_o(seen_opcode), .bad_operand_o(seen_operand));
  // an instruction is there, and all that judges it has settled, a cycle before it issues
  always_ff @(posedge clk_i) {is_vector, bad_opcode, bad_operand} <= {seen_vector, seen_opcode, seen_operand};

  assign op = instr[`NM_I_OP];
  assign bad_pc = 32'(pc_q) >= 32'(PROGRAM_WORDS);
  assign issue = running_q && wait_q == '0 && !waiting_q && !hold_i;
  assign fault = bad_pc || bad_opcode || bad_operand;
  assign due = (t_i[23:16] != 8'h00 || t_i[15:0] >= instr[15:0]) && (before_q || (!beyond_q && since_q < instr[31:16]));
  assign vector_wait = (WAIT_W'(range_count_q) > WAIT_W'(`NM_PIPELINE)) ? WAIT_W'(range_count_q) - 1'b1
                                                                        : WAIT_W'(`NM_PIPELINE - 1);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      running_q <= 1'b0;
      waiting_q <= 1'b0;
      ending_q  <= 1'b0;
      wait_q    <= '0;
      pc_q      <= '0;
      skip_q    <= '0;
      range_valid_q <= 1'b0;
      range_axon_q  <= 1'b0;
    end else begin
      skip_q <= '0;
      if (load_i) pc_q <= COUNT_W'(entry_i);
      if (go_i) begin
        running_q <= 1'b1;
        ending_q  <= 1'b0;
      end
      if (skip_q != '0) pc_q <= pc_q + COUNT_W'(skip_q);
      if (jump_i) pc_q <= body_q;
      if (issue) begin
        pc_q <= pc_q + 1'b1;
        if (fault || op == `NM_OP_END) begin
          wait_q   <= WAIT_W'(`NM_END_CYCLES - 1);
          ending_q <= 1'b1;
          pc_q     <= '0;
          range_valid_q <= 1'b0;
          range_axon_q  <= 1'b0;
        end else if (op == `NM_OP_INTEG) waiting_q <= 1'b1;
        else if (is_vector) wait_q <= vector_wait;
        else wait_q <= WAIT_W'(`NM_SCALAR_CYCLES - 1);
        if (op == `NM_OP_WHEN && !due) skip_q <= {instr[`NM_I_D], instr[`NM_I_A]};
        if (TRACES > 0 && op == `NM_OP_ROWS) begin  // until a row is selected, it goes on behind the body
          skip_q <= {2'b00, instr[`NM_I_PRED], instr[`NM_I_ROUND]} + 1'b1;
          body_q <= pc_q + 1'b1;
        end
        if (op == `NM_OP_RANGE) begin
          range_valid_q <= 1'b1;
          range_axon_q  <= instr[`NM_I_FLAG];
          range_first_q <= instr[SPACE_W-1:0];
          range_count_q <= instr[16+:SPACE_W+1];
          range_lanes_q <= instr[`NM_I_D];
        end
      end else if (waiting_q) begin
        // the stream's last cycle is 4 cycles before the end: its sums are on their way
        if (integ_done_i) begin
          waiting_q <= 1'b0;
          wait_q    <= WAIT_W'(`NM_INTEG_CYCLES - 4);
        end
      end else if (wait_q != '0) wait_q <= wait_q - 1'b1;
      if (ending_q && wait_q == WAIT_W'(1)) running_q <= 1'b0;
    end
  end

  assign running_o = running_q;
  assign issue_o = issue;
  assign pc_o = pc_q[PC_W-1:0];
  assign instr_o = instr;
  assign vector_o = issue && is_vector && !fault;
  assign integ_o = issue && op == `NM_OP_INTEG && !fault;
  assign end_o = issue && op == `NM_OP_END && !fault;
  assign rows_o = issue && op == `NM_OP_ROWS && !fault;
  assign endrows_o = issue && op == `NM_OP_ENDROWS && !fault;
  assign slot_o = wait_q == '0;
  assign bad_pc_o = issue && bad_pc;
  assign bad_opcode_o = issue && bad_opcode && !bad_pc;
  assign bad_operand_o = issue && bad_operand && !bad_opcode && !bad_pc;
  assign range_first_o = range_first_q;
  assign range_count_o = range_count_q;
  assign range_lanes_o = range_lanes_q;
  assign range_axon_o = range_axon_q;

  logic unused;
  assign unused = &{1'b0, host_addr_i, pc_q};
endmodule

`default_nettype wire
