// Simulation only: the chip behind a pipe. One command a line on standard input, answers on standard output; the same
// bus transactions as nm_verilated.cpp, clock for clock.
//   w ADDR DATA        write            (answers nothing, or "f" if the chip does not take it)
//   r ADDR COUNT       read             COUNT lines "d DATA"
//   c ADDR DATA LIMIT  command          "e KIND CORE CYCLE A B C" for each event, then "k CLOCKS", or "f" beyond LIMIT
`default_nettype none
`timescale 1ns / 1ps

module nm_icarus;
  parameter MESH_WIDTH = 2;
  parameter MESH_HEIGHT = 2;
  parameter LANES = 8;
  parameter STATE_BITS = 24;
  parameter ACC_BITS = 24;
  parameter COEF_BITS = 18;
  parameter NEURONS = 512;
  parameter REGISTERS = 8;
  parameter AXONS = 2048;
  parameter DELAY_SLOTS = 4;
  parameter SYNAPSE_WORDS = 4096;
  parameter PROGRAM_WORDS = 512;
  parameter ROUTES = 2048;
  parameter TRACES = 1;
  parameter GRADED = 1;
  parameter SHARED_AXONS = 0;
  parameter SCARCE = 0;
  parameter COUNTER_BITS = 48;
  localparam CORES = MESH_WIDTH * MESH_HEIGHT;
  localparam STDIN = 32'h8000_0000;

  logic clk = 1'b0, rst = 1'b1;
  logic req_valid = 1'b0, req_write = 1'b0;
  logic [4:0] req_addr = 5'd0;
  logic [31:0] req_data = 32'd0;
  wire req_ready, rsp_valid, busy;
  wire [31:0] rsp_data;
  wire [CORES-1:0] op, event_, row, spike, packet;
  wire [CORES*16-1:0] pc, neuron;
  wire [CORES*20-1:0] axon;
  wire [CORES*9-1:0] factor;
  wire [CORES*64-1:0] entry;
  wire [CORES*8-1:0] payload, packet_payload;
  wire [CORES*32-1:0] route;

  nm_chip #(
      .MESH_WIDTH(MESH_WIDTH),
      .MESH_HEIGHT(MESH_HEIGHT),
      .LANES(LANES),
      .STATE_BITS(STATE_BITS),
      .ACC_BITS(ACC_BITS),
      .COEF_BITS(COEF_BITS),
      .NEURONS(NEURONS),
      .REGISTERS(REGISTERS),
      .AXONS(AXONS),
      .DELAY_SLOTS(DELAY_SLOTS),
      .SYNAPSE_WORDS(SYNAPSE_WORDS),
      .PROGRAM_WORDS(PROGRAM_WORDS),
      .ROUTES(ROUTES),
      .TRACES(TRACES),
      .GRADED(GRADED),
      .SHARED_AXONS(SHARED_AXONS),
      .SCARCE(SCARCE),
      .COUNTER_BITS(COUNTER_BITS)
  ) chip (
      .clk_i(clk),
      .rst_i(rst),
      .req_valid_i(req_valid),
      .req_ready_o(req_ready),
      .req_write_i(req_write),
      .req_addr_i(req_addr),
      .req_data_i(req_data),
      .rsp_valid_o(rsp_valid),
      .rsp_ready_i(1'b1),
      .rsp_data_o(rsp_data),
      .busy_o(busy),
      .retire_op_o(op),
      .retire_pc_o(pc),
      .retire_event_o(event_),
      .retire_axon_o(axon),
      .retire_factor_o(factor),
      .retire_entry_o(entry),
      .retire_row_o(row),
      .retire_spike_o(spike),
      .retire_neuron_o(neuron),
      .retire_payload_o(payload),
      .retire_packet_o(packet),
      .retire_route_o(route),
      .retire_packet_payload_o(packet_payload)
  );

  integer cycle = 0;
  integer core, i, status, count, limit, start;
  logic recording = 1'b0, taken, got;
  logic [7:0] verb;
  logic [31:0] answer;

  // One clock: outputs are settled and looked at while it is low, and move when it rises.
  task low;
    begin
      clk = 1'b0;
      #1;
      if (recording && |{op, event_, row, spike, packet})
        for (core = 0; core < CORES; core = core + 1) begin
          if (op[core]) $display("e 0 %0d %0d %0d 0 0", core, cycle, pc[core*16+:16]);
          if (event_[core])
            $display("e 1 %0d %0d %0d %0d %0d", core, cycle, axon[core*20+:20], factor[core*9+:9], entry[core*64+:64]);
          if (spike[core])
            $display("e 2 %0d %0d %0d %0d 0", core, cycle, neuron[core*16+:16], payload[core*8+:8]);
          if (packet[core])
            $display("e 3 %0d %0d %0d %0d 0", core, cycle, route[core*32+:32], packet_payload[core*8+:8]);
          if (row[core]) $display("e 4 %0d %0d %0d 0 0", core, cycle, axon[core*20+:20]);
        end
    end
  endtask

  task high;
    begin
      clk = 1'b1;
      #1;
      cycle = cycle + 1;
    end
  endtask

  task request(input logic write);
    begin
      req_valid = 1'b1;
      req_write = write;
      taken = 1'b0;
      for (i = 0; i < 1000000 && !taken; i = i + 1) begin
        low;
        taken = req_ready;
        high;
      end
      req_valid = 1'b0;
      if (!taken) $display("f");
    end
  endtask

  initial begin
    for (i = 0; i < 4; i = i + 1) begin
      low;
      high;
    end
    rst = 1'b0;
    low;
    high;
    status = $fscanf(STDIN, " %c", verb);
    while (status == 1) begin
      case (verb)
        "w": begin
          status = $fscanf(STDIN, "%d %h", req_addr, req_data);
          request(1'b1);
        end
        "r": begin
          status = $fscanf(STDIN, "%d %d", req_addr, count);
          while (count > 0) begin
            request(1'b0);
            got = !taken;
            while (!got) begin
              low;
              got = rsp_valid;
              answer = rsp_data;
              high;
            end
            $display("d %h", answer);
            count = count - 1;
          end
        end
        default: begin
          status = $fscanf(STDIN, "%d %h %d", req_addr, req_data, limit);
          recording = 1'b1;
          start = cycle;
          request(1'b1);
          got = !taken;
          while (!got) begin
            low;
            high;
            got = !busy || cycle - start > limit;
          end
          recording = 1'b0;
          if (busy) $display("f");
          else if (taken) $display("k %0d", cycle - start);
        end
      endcase
      $fflush;
      status = $fscanf(STDIN, " %c", verb);
    end
    $finish;
  end
endmodule

`default_nettype wire
