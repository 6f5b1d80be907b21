// No spike is lost in the pending bitmap, none appears, and payloads add up: one axon of one slot, any one, is watched
// beside a bit and a count of its own, while deliveries go anywhere as fast as the module takes them.
`default_nettype none

module pending #(
    parameter bit GRADED = 1
) (
    input wire logic       clk_i,
    input wire logic       rst_i,
    input wire logic       slot_i,
    input wire logic       running_i,
    input wire logic       scan_en_i,
    input wire logic       scan_addr_i,
    input wire logic       consume_i,
    input wire logic       consume_addr_i,
    input wire logic [4:0] payload_axon_i,
    input wire logic       valid_i,
    input wire logic       to_slot_i,
    input wire logic [4:0] to_axon_i,
    input wire logic [7:0] to_payload_i,
    input wire logic       clear_i,
    input wire logic       clear_slot_i,
    input wire logic       clear_granule_i,
    input wire logic       host_i
);
  logic slot;
  logic [4:0] axon;
  assign slot = $anyconst;
  assign axon = $anyconst;
  logic [15:0] word;
  logic [7:0] payload;
  logic ready, taken, mine, quiet, looking_bit, looking_count;
  logic [19:0] host_addr;
  assign host_addr = looking_bit ? 20'({slot, axon[4]}) : 20'({slot, axon});
  (* anyseq *) logic choose;
  assign looking_bit = choose;
  nm_pending #(.AXONS(32), .DELAY_SLOTS(2), .GRADED(GRADED)) dut (
      .clk_i, .rst_i, .slot_i, .running_i, .scan_en_i, .scan_addr_i, .scan_data_o(word), .consume_i,
      .consume_addr_i, .payload_axon_i, .payload_o(payload), .valid_i, .ready_o(ready), .to_slot_i, .to_axon_i,
      .to_payload_i, .clear_i, .clear_slot_i, .clear_granule_i, .host_i, .host_we_pending_i(1'b0),
      .host_we_payloads_i(1'b0), .host_addr_i(host_addr), .host_data_i(16'h0000));
  assign taken = valid_i && ready;
  assign mine = taken && to_slot_i == slot && to_axon_i == axon;

  logic started_q, known_q, pending_q;
  logic [7:0] count_q;
  // deliveries to the watched axon on their way to memory, and memory itself, connected by the script
  logic [3:0] mine_q;  // mine_q[3]: the bit is in memory, the count still in `late`
  logic [23:0] payloads_q;
  logic [63:0] bits;
  logic [511:0] counts;
  logic [7:0] late;
  logic bit_;
  logic [7:0] stored, sum;
  assign bit_ = bits[{slot, axon}];
  assign stored = !bit_ ? 8'd0 : mine_q[3] ? late : counts[{slot, axon}*8+:8];
  assign sum = stored + (mine_q[0] ? payloads_q[7:0] : 8'd0) + (mine_q[1] ? payloads_q[15:8] : 8'd0)
               + (mine_q[2] ? payloads_q[23:16] : 8'd0);
  logic [2:0] flying_q;  // cycles until the last delivery is written
  logic [1:0] bit_q, sum_q;  // cycles that the host has been reading the bit, the count
  initial started_q = 1'b0;
  assign quiet = flying_q == '0;
  assign looking_count = !choose;
  always @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!started_q) assume (rst_i);
    else assume (!rst_i);
    // the chip's phases: programs, resets and the host while nothing is under way, one of them at a time
    if (valid_i || !quiet) assume (!running_i && !clear_i && !host_i);
    assume (32'(running_i) + 32'(clear_i) + 32'(host_i) <= 32'd1);
    if (consume_i) assume (running_i);
    if (rst_i) begin
      flying_q <= '0;
      {known_q, pending_q, bit_q, sum_q, mine_q} <= '0;
    end else begin
      if (taken) flying_q <= 3'd4;
      else if (!quiet) flying_q <= flying_q - 1'b1;
      mine_q <= {mine_q[2:0], mine};
      payloads_q <= {payloads_q[15:0], to_payload_i};
      if (known_q) assert (pending_q == (bit_ || mine_q[2:0] != '0));
      if (known_q && pending_q && GRADED) assert (count_q == sum);
      if (mine) begin
        pending_q <= 1'b1;
        count_q <= (pending_q ? count_q : 8'd0) + to_payload_i;
      end
      if ((consume_i && slot_i == slot && consume_addr_i == axon[4]) ||
          (clear_i && clear_slot_i == slot && clear_granule_i == axon[4])) begin
        pending_q <= 1'b0;
        known_q <= 1'b1;
      end
      bit_q <= (host_i && looking_bit) ? bit_q + 2'(bit_q != 2'd3) : 2'd0;
      sum_q <= (host_i && looking_count) ? sum_q + 2'(sum_q != 2'd3) : 2'd0;
      if (known_q && bit_q >= 2'd2 && host_i && looking_bit) begin
        assert (word[axon[3:0]] == pending_q);
        cover (pending_q);
        cover (!pending_q);
      end
      if (GRADED && known_q && pending_q && sum_q >= 2'd2 && host_i && looking_count)
        assert (payload == count_q);
    end
  end
endmodule

`default_nettype wire
