// The UART and the link, with 32 registers for a chip that take their time.
`default_nettype none
`timescale 1ns / 1ps
`include "nm_isa.vh"

module link_bench #(
    parameter int CLOCKS_PER_BIT = 13
) (
    input  wire logic clk_i,
    input  wire logic rst_i,
    input  wire logic rx_i,
    output logic      tx_o,
    output logic      busy_o
);
  logic rx_valid, rx_broken, tx_valid, tx_ready, uart_busy, link_busy;
  logic [7:0] rx_data, tx_data;
  logic req_valid, req_ready, req_write, rsp_valid_q, rsp_ready;
  logic [4:0] req_addr;
  logic [31:0] req_data, rsp_data_q;
  logic [31:0] registers_q[32];
  logic [3:0] wait_q;

  nm_uart #(.CLOCKS_PER_BIT(CLOCKS_PER_BIT)) i_uart (
      .clk_i, .rst_i, .rx_i, .tx_o, .valid_o(rx_valid), .broken_o(rx_broken), .data_o(rx_data), .valid_i(tx_valid),
      .ready_o(tx_ready), .data_i(tx_data), .busy_o(uart_busy));
  nm_link #(.ARCH_HASH(64'h0123456789abcdef)) i_link (
      .clk_i, .rst_i, .rx_valid_i(rx_valid), .rx_broken_i(rx_broken), .rx_data_i(rx_data), .tx_valid_o(tx_valid),
      .tx_ready_i(tx_ready), .tx_data_o(tx_data), .busy_o(link_busy), .req_valid_o(req_valid), .req_ready_i(req_ready),
      .req_write_o(req_write), .req_addr_o(req_addr), .req_data_o(req_data), .rsp_valid_i(rsp_valid_q),
      .rsp_ready_o(rsp_ready), .rsp_data_i(rsp_data_q));
  assign busy_o = uart_busy || link_busy;

  // a request is taken when nothing waits, every so often after a pause
  assign req_ready = req_valid && !rsp_valid_q && wait_q == 4'd0;
  always_ff @(posedge clk_i)
    if (rst_i) begin
      rsp_valid_q <= 1'b0;
      wait_q <= 4'd0;
    end else begin
      if (rsp_ready) rsp_valid_q <= 1'b0;
      wait_q <= (wait_q == 4'd0) ? (req_ready ? req_addr[3:0] : 4'd0) : wait_q - 1'b1;
      if (req_ready && req_write) registers_q[req_addr] <= req_data;
      if (req_ready && !req_write) begin
        rsp_valid_q <= 1'b1;
        rsp_data_q  <= (req_addr == 5'd0) ? {16'h4e4d, 16'(`NM_ISA_VERSION)} : registers_q[req_addr];
      end
    end
endmodule

`default_nettype wire
