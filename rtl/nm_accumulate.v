// The accumulators: each lane has its own memory, which its ALU adds to, one beat a cycle; vectors read and clear them.
//
//   beat: z synapse address  z+1 array  z+2 word: unpacked; accumulator address  z+3 the lane multiplies weight and scale
//         z+4 the accumulator word is there  z+5 the lane adds; written
// With every word goes a bit that says that it is stored: clearing writes a 0 there, and who reads it then takes 0 for
// the word. SCARCE memories have no bit for it; there, the word itself is written as 0, which costs a LUT a bit. What
// vectors read they clear three cycles later, at the address of that read; so does the sample reset.
// The next event's first beat follows the last one after 3 cycles, so it reads what was written; inside an event a
// target occurs once. A weight of 0 is not written: its block may be anybody's.
`default_nettype none
`include "nm_isa.vh"

module nm_accumulate #(
    parameter int LANES = 8,
    parameter int ACC_BITS = 24,
    parameter int STATE_BITS = 24,
    parameter int BLOCKS = 64,
    parameter bit SCARCE = 0,
    parameter int BLOCK_W = (BLOCKS > 1) ? $clog2(BLOCKS) : 1
) (
    input  wire logic                clk_i,
    input  wire logic                rst_i,
    // a beat in cycle z+2
    input  wire logic                beat2_i,
    input  wire logic                row2_i,     // of a plastic row: not delivered
    input  wire logic [LANES*16-1:0] word2_i,
    input  wire logic [         2:0] format2_i,
    input  wire logic [         3:0] part2_i,    // where in its word, in sixteenths
    input  wire logic [         7:0] block2_i,
    input  wire logic                index2_i,   // which accumulator
    output logic                     stray_o,    // a sparse synapse aims at a block that is not there
    output logic      [ LANES-1:0]   nonzero3_o,
    output logic      [LANES*16-1:0] weights2_o, // 0 without a beat
    // lanes
    output logic      [LANES*ACC_BITS-1:0] data4_o,
    output logic      [ LANES-1:0]   stored4_o,  // else the word is 0
    input  wire logic [LANES*ACC_BITS-1:0] sums5_i,
    // vectors
    input  wire logic                vector_read2_i,
    input  wire logic [ BLOCK_W-1:0] vector_block2_i,
    input  wire logic                vector_index2_i,
    input  wire logic                vector_clear5_i,
    // sample reset and host
    input  wire logic                clear_i,
    input  wire logic                clear_index_i,
    input  wire logic [ BLOCK_W-1:0] clear_block_i,
    input  wire logic                host_i,
    input  wire logic                host_we_i,
    input  wire logic [   BLOCK_W:0] host_addr_i,
    input  wire logic [         3:0] host_part_i,  // lane
    input  wire logic [ACC_BITS-1:0] host_data_i,
    output logic      [        31:0] host_synapses_o
);
  logic [LANES*8-1:0] half;  // the part of the word that the beat is in, by halving
  logic [LANES*4-1:0] quarter;
  logic [LANES*2-1:0] eighth;
  logic [LANES-1:0] sixteenth, stray;
  logic sparse;

  // the host's 32 bits of a synapse word are a part like that of a beat
  if (LANES == 4) begin : gen_half
    assign host_synapses_o = half;
  end else if (LANES == 8) begin : gen_quarter
    assign host_synapses_o = quarter;
  end else if (LANES == 16) begin : gen_eighth
    assign host_synapses_o = eighth;
  end else begin : gen_whole
    assign host_synapses_o = 32'(word2_i);
  end
  assign half = part2_i[3] ? word2_i[LANES*8+:LANES*8] : word2_i[0+:LANES*8];
  assign quarter = part2_i[2] ? half[LANES*4+:LANES*4] : half[0+:LANES*4];
  assign eighth = part2_i[1] ? quarter[LANES*2+:LANES*2] : quarter[0+:LANES*2];
  assign sixteenth = part2_i[0] ? eighth[LANES+:LANES] : eighth[0+:LANES];
  assign sparse = format2_i == `NM_FMT_SPARSE;
  // what all lanes address alike: vectors, the sample reset, the host, dense weights
  logic each;
  logic [BLOCK_W:0] shared_addr;
  logic [5:3] clear_q;  // a cycle later each
  assign shared_addr = host_i ? host_addr_i : clear_i ? {clear_index_i, clear_block_i}
                       : vector_read2_i ? {vector_index2_i, vector_block2_i} : {index2_i, block2_i[BLOCK_W-1:0]};
  assign each = sparse && !host_i && !clear_i && !vector_read2_i;
  assign stray_o = |stray;

  always_ff @(posedge clk_i) clear_q <= rst_i ? '0 : {clear_q[4:3], clear_i};

  for (genvar l = 0; l < LANES; l++) begin : gen_lane
    logic [15:0] slot, weight;
    logic [7:0] low, slot_low, weight8, weight4, weight2, weight1;
    logic [BLOCK_W:0] addr, addr3_q, addr4_q, addr5_q;
    logic add3_q, add4_q, add5_q, far, host_here, store5;
    logic [ACC_BITS-1:0] sum5;
    assign slot = word2_i[l*16+:16];
    assign weight8 = half[l*8+:8];
    assign weight4 = 8'($signed(quarter[l*4+:4]));
    assign weight2 = 8'($signed(eighth[l*2+:2]));
    assign weight1 = sixteenth[l] ? 8'h01 : 8'hff;
    always_comb
      case (format2_i)
        `NM_FMT_D8: low = weight8;
        `NM_FMT_D4: low = weight4;
        `NM_FMT_D2: low = weight2;
        `NM_FMT_D1: low = weight1;
        default: low = slot_low;
      endcase
    assign slot_low = slot[7:0];
    assign weight = {(format2_i == `NM_FMT_D16) ? slot[15:8] : {8{low[7]}}, low};
    assign addr = each ? {index2_i, slot[8+:BLOCK_W]} : shared_addr;
    assign far = sparse && 9'({1'b0, slot[15:8]}) >= 9'(BLOCKS);
    assign stray[l] = beat2_i && far && slot[7:0] != 8'h00;
    assign nonzero3_o[l] = add3_q;
    assign host_here = host_we_i && 32'(host_part_i) == l;
    assign weights2_o[l*16+:16] = beat2_i ? weight : 16'h0000;

    always_ff @(posedge clk_i) begin
      {addr3_q, addr4_q, addr5_q} <= {addr, addr3_q, addr4_q};  // the first may be the memory's own
      if (rst_i) {add3_q, add4_q, add5_q} <= '0;
      else {add3_q, add4_q, add5_q} <= {beat2_i && !row2_i && weight != 16'h0000 && !far, add3_q, add4_q};
    end

    // what the host writes comes through the lane, too, as far as it is as wide as a state
    assign sum5[STATE_BITS-1:0] = sums5_i[l*ACC_BITS+:STATE_BITS];
    if (ACC_BITS > STATE_BITS) begin : gen_high
      assign sum5[ACC_BITS-1:STATE_BITS] = host_i ? host_data_i[ACC_BITS-1:STATE_BITS]
                                                  : sums5_i[l*ACC_BITS+STATE_BITS+:ACC_BITS-STATE_BITS];
    end
    assign store5 = add5_q || host_i;
    localparam int WIDTH = ACC_BITS + (SCARCE ? 0 : 1);
    logic [WIDTH-1:0] word4;
    nm_ram #(.WORDS(2 << BLOCK_W), .WIDTH(WIDTH), .ADDR_W(BLOCK_W + 1)) i_accumulators (
        .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(addr), .rdata_o(word4),
        .we_i(add5_q || vector_clear5_i || clear_q[5] || host_here), .waddr_i(addr5_q),
        .wdata_i(SCARCE ? WIDTH'(store5 ? sum5 : '0) : WIDTH'({store5, sum5})));
    assign data4_o[l*ACC_BITS+:ACC_BITS] = word4[ACC_BITS-1:0];
    assign stored4_o[l] = SCARCE || word4[WIDTH-1];
  end

  logic unused;
  assign unused = &{1'b0, block2_i, host_data_i};
endmodule

`default_nettype wire
