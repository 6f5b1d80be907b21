// What a board needs: the chip, the link and the UART; a board's own top adds clock, reset and pins.
`default_nettype none

module nm_board #(
    parameter int CLOCKS_PER_BIT = 24,  // clock frequency over baud rate
    parameter logic [63:0] ARCH_HASH = '0,  // Architecture.hash of the parameters below
    parameter int REQUEST_BYTES = 512,
    parameter int REPLY_BYTES = 512,
    parameter int MESH_WIDTH = 1,
    parameter int MESH_HEIGHT = 1,
    parameter int LANES = 4,
    parameter int STATE_BITS = 16,
    parameter int ACC_BITS = 24,
    parameter int COEF_BITS = 16,
    parameter int NEURONS = 256,
    parameter int REGISTERS = 4,
    parameter int AXONS = 1024,
    parameter int DELAY_SLOTS = 2,
    parameter int SYNAPSE_WORDS = 8192,
    parameter int PROGRAM_WORDS = 256,
    parameter int ROUTES = 512,
    parameter int TRACES = 1,
    parameter bit GRADED = 0,
    parameter bit SHARED_AXONS = 0,
    parameter bit SCARCE = 0,
    parameter int COUNTER_BITS = 48
) (
    input  wire logic clk_i,
    input  wire logic rst_i,
    input  wire logic rx_i,
    output logic      tx_o,
    output logic      busy_o  // for a light
);
  logic rx_valid, rx_broken, tx_valid, tx_ready, uart_busy, link_busy, chip_busy;
  logic [7:0] rx_data, tx_data;
  logic req_valid, req_ready, req_write, rsp_valid, rsp_ready;
  logic [4:0] req_addr;
  logic [31:0] req_data, rsp_data;

  nm_uart #(.CLOCKS_PER_BIT(CLOCKS_PER_BIT)) i_uart (
      .clk_i, .rst_i, .rx_i, .tx_o, .valid_o(rx_valid), .broken_o(rx_broken), .data_o(rx_data), .valid_i(tx_valid),
      .ready_o(tx_ready), .data_i(tx_data), .busy_o(uart_busy));
  nm_link #(.ARCH_HASH(ARCH_HASH), .COUNTER_BITS(COUNTER_BITS), .REQUEST_BYTES(REQUEST_BYTES),
            .REPLY_BYTES(REPLY_BYTES)) i_link (
      .clk_i, .rst_i, .rx_valid_i(rx_valid), .rx_broken_i(rx_broken), .rx_data_i(rx_data), .tx_valid_o(tx_valid),
      .tx_ready_i(tx_ready), .tx_data_o(tx_data), .busy_o(link_busy), .req_valid_o(req_valid), .req_ready_i(req_ready),
      .req_write_o(req_write), .req_addr_o(req_addr), .req_data_o(req_data), .rsp_valid_i(rsp_valid),
      .rsp_ready_o(rsp_ready), .rsp_data_i(rsp_data));
  nm_chip #(.MESH_WIDTH(MESH_WIDTH), .MESH_HEIGHT(MESH_HEIGHT), .LANES(LANES), .STATE_BITS(STATE_BITS),
            .ACC_BITS(ACC_BITS), .COEF_BITS(COEF_BITS), .NEURONS(NEURONS), .REGISTERS(REGISTERS), .AXONS(AXONS),
            .DELAY_SLOTS(DELAY_SLOTS), .SYNAPSE_WORDS(SYNAPSE_WORDS), .PROGRAM_WORDS(PROGRAM_WORDS), .ROUTES(ROUTES),
            .TRACES(TRACES), .GRADED(GRADED), .SHARED_AXONS(SHARED_AXONS), .SCARCE(SCARCE),
            .COUNTER_BITS(COUNTER_BITS)) i_chip (
      .clk_i, .rst_i, .req_valid_i(req_valid), .req_ready_o(req_ready), .req_write_i(req_write), .req_addr_i(req_addr),
      .req_data_i(req_data), .rsp_valid_o(rsp_valid), .rsp_ready_i(rsp_ready), .rsp_data_o(rsp_data),
      .busy_o(chip_busy));
  assign busy_o = uart_busy || link_busy || chip_busy;
endmodule

`default_nettype wire
