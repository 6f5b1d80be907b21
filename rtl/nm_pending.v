// Pending spikes: the bitmap [slot][axon], and with graded spikes a count beside it.
//
// `integ` reads and consumes; a delivery ORs one bit in (and adds its payload): read, array, output register, write.
// Deliveries come at most every second cycle, so one can be on its way when the next one reads: its word is forwarded,
// else two spikes to one word would lose a bit.
`default_nettype none
`include "nm_isa.vh"

module nm_pending #(
    parameter int AXONS = 2048,
    parameter int DELAY_SLOTS = 4,
    parameter bit GRADED = 1,
    parameter int AXON_W = $clog2(AXONS),
    parameter int GRANULE_W = (AXONS > 16) ? $clog2(AXONS / 16) : 1,
    parameter int SLOT_W = (DELAY_SLOTS > 1) ? $clog2(DELAY_SLOTS) : 1
) (
    input  wire logic                 clk_i,
    input  wire logic                 rst_i,
    input  wire logic [   SLOT_W-1:0] slot_i,     // of this timestep
    // integ
    input  wire logic                 running_i,
    input  wire logic                 scan_en_i,
    input  wire logic [GRANULE_W-1:0] scan_addr_i,
    output logic      [         15:0] scan_data_o,
    input  wire logic                 consume_i,
    input  wire logic [GRANULE_W-1:0] consume_addr_i,
    input  wire logic [   AXON_W-1:0] payload_axon_i,
    output logic      [          7:0] payload_o,
    // deliveries, from the fabric or from the host
    input  wire logic                 valid_i,
    output logic                      ready_o,
    input  wire logic [   SLOT_W-1:0] to_slot_i,
    input  wire logic [   AXON_W-1:0] to_axon_i,
    input  wire logic [          7:0] to_payload_i,
    // sample reset and host
    input  wire logic                 clear_i,
    input  wire logic [   SLOT_W-1:0] clear_slot_i,
    input  wire logic [GRANULE_W-1:0] clear_granule_i,
    input  wire logic                 host_i,
    input  wire logic                 host_we_pending_i,
    input  wire logic                 host_we_payloads_i,
    input  wire logic [         19:0] host_addr_i,
    input  wire logic [         15:0] host_data_i
);
  localparam int ADDR_W = SLOT_W + GRANULE_W;
  localparam int COUNT_W = SLOT_W + AXON_W;

  logic v1_q, v2_q, v3_q, busy_q;
  logic [SLOT_W-1:0] slot1_q, slot2_q, slot3_q;
  logic [AXON_W-1:0] axon1_q, axon2_q, axon3_q;
  logic [7:0] payload1_q, payload2_q, payload3_q;
  logic [ADDR_W-1:0] addr1, addr3;
  logic [15:0] word, old3, new3;

  assign ready_o = !busy_q;

  function automatic logic [GRANULE_W-1:0] granule(input logic [AXON_W-1:0] axon);
    granule = GRANULE_W'({1'b0, axon} >> 4);
  endfunction

  assign addr1 = {slot1_q, granule(axon1_q)};
  assign addr3 = {slot3_q, granule(axon3_q)};

  always_ff @(posedge clk_i) begin
    if (rst_i) {busy_q, v1_q, v2_q, v3_q} <= '0;
    else {busy_q, v1_q, v2_q, v3_q} <= {valid_i && !busy_q, valid_i && !busy_q, v1_q, v2_q};
    {slot1_q, slot2_q, slot3_q} <= {to_slot_i, slot1_q, slot2_q};
    {axon1_q, axon2_q, axon3_q} <= {to_axon_i, axon1_q, axon2_q};
    {payload1_q, payload2_q, payload3_q} <= {to_payload_i, payload1_q, payload2_q};
  end

  // the delivery two cycles before this one, whose write the array did not show yet
  logic last_v_q, again_q;
  logic [ADDR_W-1:0] last_addr_q;
  logic [15:0] last_word_q;
  assign old3 = again_q ? last_word_q : word;
  assign new3 = old3 | (16'h0001 << axon3_q[3:0]);
  always_ff @(posedge clk_i) begin
    last_v_q <= v3_q;
    again_q  <= last_v_q && last_addr_q == {slot2_q, granule(axon2_q)};
    if (v3_q) begin
      last_addr_q <= addr3;
      last_word_q <= new3;
    end
  end

  nm_ram #(.WORDS(DELAY_SLOTS << GRANULE_W), .WIDTH(16), .ADDR_W(ADDR_W)) i_pending (
      .clk_i, .ren_i(!running_i || scan_en_i), .oen_i(!running_i || scan_en_i),
      .raddr_i(running_i ? {slot_i, scan_addr_i} : host_i ? host_addr_i[ADDR_W-1:0] : addr1), .rdata_o(word),
      .we_i(v3_q || consume_i || clear_i || host_we_pending_i),
      .waddr_i(clear_i ? {clear_slot_i, clear_granule_i} : consume_i ? {slot_i, consume_addr_i} :
               v3_q ? addr3 : host_addr_i[ADDR_W-1:0]),
      .wdata_i((clear_i || consume_i) ? 16'h0000 : v3_q ? new3 : host_data_i));
  assign scan_data_o = word;

  if (GRADED) begin : gen_payloads
    logic [7:0] count, base3, sum3, last_count_q;
    logic [COUNT_W-1:0] last_place_q;
    // a count is written a cycle later, on its way across the part; who comes two or three cycles behind is forwarded
    logic same_q, older_v_q, last_bit_q;  // of a word that is not from the array, the bit was looked up a cycle before
    assign base3 = !(again_q ? last_bit_q : word[axon3_q[3:0]]) ? 8'h00 :
                   same_q ? last_count_q : count;
    assign sum3 = base3 + payload3_q;
    always_ff @(posedge clk_i) begin
      last_bit_q <= last_word_q[axon2_q[3:0]];
      older_v_q <= last_v_q;
      same_q <= (last_v_q || older_v_q) && last_place_q == {slot2_q, axon2_q};
      if (v3_q) begin
        last_place_q <= {slot3_q, axon3_q};
        last_count_q <= sum3;
      end
    end
    nm_ram #(.WORDS(DELAY_SLOTS << AXON_W), .WIDTH(8), .ADDR_W(COUNT_W)) i_payloads (
        .clk_i, .ren_i(1'b1), .oen_i(1'b1),
        .raddr_i(running_i ? {slot_i, payload_axon_i} : host_i ? host_addr_i[COUNT_W-1:0] : {slot1_q, axon1_q}),
        .rdata_o(count), .we_i(last_v_q || host_we_payloads_i),
        .waddr_i(last_v_q ? last_place_q : host_addr_i[COUNT_W-1:0]),
        .wdata_i(last_v_q ? last_count_q : host_data_i[7:0]));
    assign payload_o = count;
  end else begin : gen_plain
    assign payload_o = 8'd1;
    logic unused;
    assign unused = &{1'b0, payload3_q, payload_axon_i, host_we_payloads_i};
  end

  logic unused;
  assign unused = &{1'b0, host_addr_i};
endmodule

`default_nettype wire
