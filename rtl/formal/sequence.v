// The sequencer returns to idle: whatever is in program memory, legal or not, a timestep ends in bounded time, if the
// synapse stream does (STREAM cycles). Between its issues there are as many cycles as the instruction costs.
`default_nettype none
`include "nm_isa.vh"

module sequence_ #(
    parameter int WORDS = 3
) (
    input wire logic        clk_i,
    input wire logic        rst_i,
    input wire logic        load_i,
    input wire logic [ 1:0] entry_i,
    input wire logic        go_i,
    input wire logic [23:0] t_i,
    input wire logic [23:0] timesteps_i,
    input wire logic        integ_done_i
);
  localparam int BLOCKS = 9, SPACE_W = 4, STREAM = 3;
  localparam int MOST = WORDS * 9 + `NM_END_CYCLES;  // nine blocks; or the stream, and five cycles more
  logic running, issue, vector, integ, end_, axon, bad_opcode, bad_operand, bad_pc, fault;
  logic [1:0] pc;
  logic [63:0] instr;
  logic [31:0] host_program;
  logic [SPACE_W-1:0] first;
  logic [SPACE_W:0] count;
  logic [3:0] lanes;
  nm_sequence #(.LANES(4), .STATE_BITS(16), .COEF_BITS(16), .BLOCKS(BLOCKS), .REGISTERS(4), .AXONS(32), .TRACES(1),
                .GRADED(1), .PROGRAM_WORDS(WORDS), .SPACE_W(SPACE_W)) dut (
      .clk_i, .rst_i, .load_i, .entry_i, .go_i, .t_i, .timesteps_i, .running_o(running), .issue_o(issue), .pc_o(pc),
      .instr_o(instr), .vector_o(vector), .integ_o(integ), .end_o(end_), .rows_o(),
      .endrows_o(), .slot_o(), .hold_i(1'b0), .jump_i(1'b0), .body_i(1'b0), .integ_done_i, .range_first_o(first),
      .range_count_o(count), .range_lanes_o(lanes), .range_axon_o(axon), .bad_opcode_o(bad_opcode),
      .bad_operand_o(bad_operand), .bad_pc_o(bad_pc), .host_i(1'b0), .host_we_i(1'b0), .host_addr_i(20'd0),
      .host_part_i(1'b0), .host_data_i(32'd0), .host_program_o(host_program));
  assign fault = bad_opcode || bad_operand || bad_pc;

  logic started_q, streaming_q, live_q, last_q, loaded_q;
  logic [2:0] stream_q, settle_q;
  logic [7:0] age_q;
  logic [4:0] due_q;  // cycles until the next issue
  logic [4:0] wait_;
  initial started_q = 1'b0;
  assign wait_ = (vector && count > 5'(`NM_PIPELINE)) ? count : vector ? 5'(`NM_PIPELINE) : 5'(`NM_SCALAR_CYCLES);
  always @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!started_q) assume (rst_i);
    else assume (!rst_i);
    // the chip: loads while idle, waits for the fetch, starts; time stands still
    if (load_i) assume (!running && !go_i);
    if (go_i) assume (!running && settle_q >= 3'd4);
    if (started_q) assume ($stable(t_i) && $stable(timesteps_i));
    if (streaming_q && stream_q == 3'(STREAM)) assume (integ_done_i);
    if (!streaming_q) assume (!integ_done_i);
    if (rst_i) begin
      {streaming_q, live_q, last_q, stream_q, settle_q, age_q, due_q} <= '0;
    end else begin
      settle_q <= (load_i || running || go_i) ? 3'd0 : settle_q + 3'(settle_q != 3'd7);
      age_q <= running ? age_q + 8'd1 : 8'd0;
      live_q <= go_i || (live_q && running);
      if (integ) {streaming_q, stream_q} <= {1'b1, 3'd0};
      else if (streaming_q) begin
        stream_q <= stream_q + 1'b1;
        if (integ_done_i) streaming_q <= 1'b0;
      end
      if (go_i) {due_q, last_q} <= {5'd1, 1'b0};
      else if (streaming_q) due_q <= integ_done_i ? 5'(`NM_INTEG_CYCLES - 3) : 5'd0;
      else if (issue) begin
        last_q <= end_ || fault;
        due_q <= (end_ || fault) ? 5'(`NM_END_CYCLES) : integ ? 5'd0 : wait_;
      end else if (due_q != '0) due_q <= due_q - 5'd1;

      assert (age_q <= 8'(MOST));
      assert (!issue || running);
      if (live_q && !streaming_q) begin
        assert (issue == (due_q == 5'd1 && !last_q));
        if (last_q) assert (running == (due_q != 5'd1));
      end
      if (streaming_q) assert (!issue);
      cover (live_q && last_q && due_q == 5'd1 && age_q > 8'd30);
    end
  end
endmodule

`default_nettype wire
