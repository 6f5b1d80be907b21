// A UART, 8N1: bytes in and out, without buffers (the link's frame buffers are right behind it).
//
// The receiver starts afresh at each falling edge of a start bit and samples in the middle of the bits, each sample the
// majority of three clocks; what is left of half a bit after nine and a half of them is the tolerance: about 5 % of
// the baud rate less the rounding of CLOCKS_PER_BIT. It is ready for the next start bit from the middle of the stop bit on.
// The transmitter takes the next byte in the last clock of a stop bit: no gap if valid_i is held.
`default_nettype none

module nm_uart #(
    parameter int CLOCKS_PER_BIT = 24  // 4 at least
) (
    input  wire logic       clk_i,
    input  wire logic       rst_i,
    input  wire logic       rx_i,
    output logic            tx_o,
    // received bytes: for one clock
    output logic            valid_o,
    output logic            broken_o,  // the stop bit was low: no byte
    output logic      [7:0] data_o,
    // bytes to send
    input  wire logic       valid_i,
    output logic            ready_o,
    input  wire logic [7:0] data_i,
    output logic            busy_o
);
  localparam int W = $clog2(CLOCKS_PER_BIT);
  localparam logic [W-1:0] FULL = W'(CLOCKS_PER_BIT - 1);
  localparam logic [W-1:0] HALF = W'(CLOCKS_PER_BIT / 2 - 1);  // the filter is late by the clock that rounding may cost

  // ---------------------------------------------------------------------------------------------- receiver
  logic [4:0] line_q;  // two stages against metastability, three to vote
  logic level, level_q, rx_on_q;
  logic [W-1:0] rx_count_q;
  logic [3:0] rx_bit_q;
  logic [7:0] rx_data_q;
  assign level = (line_q[2] & line_q[3]) | (line_q[3] & line_q[4]) | (line_q[2] & line_q[4]);

  always_ff @(posedge clk_i) begin
    level_q <= level;
    {valid_o, broken_o} <= '0;
    if (rst_i) begin
      line_q  <= '1;
      level_q <= 1'b1;
      rx_on_q <= 1'b0;
    end else begin
      line_q <= {line_q[3:0], rx_i};
      rx_count_q <= rx_count_q - 1'b1;
      if (!rx_on_q) begin
        rx_count_q <= HALF;
        rx_bit_q   <= 4'd0;
        rx_on_q    <= level_q && !level;
      end else if (rx_count_q == '0) begin
        rx_count_q <= FULL;
        rx_bit_q   <= rx_bit_q + 1'b1;
        if (rx_bit_q == 4'd0) rx_on_q <= !level;  // a spike, no start bit
        else if (rx_bit_q != 4'd9) rx_data_q <= {level, rx_data_q[7:1]};
        else begin
          rx_on_q  <= 1'b0;
          valid_o  <= level;
          broken_o <= !level;
        end
      end
    end
  end
  assign data_o = rx_data_q;

  // ------------------------------------------------------------------------------------------- transmitter
  logic [8:0] tx_data_q;
  logic [W-1:0] tx_count_q;
  logic [3:0] tx_bit_q;
  logic tx_on_q, tx_last;
  assign tx_last = tx_bit_q == 4'd9 && tx_count_q == '0;
  assign ready_o = !tx_on_q || tx_last;
  assign tx_o = tx_data_q[0];
  assign busy_o = tx_on_q || rx_on_q;

  always_ff @(posedge clk_i)
    if (rst_i) begin
      tx_on_q   <= 1'b0;
      tx_data_q <= '1;
    end else begin
      tx_count_q <= tx_count_q - 1'b1;
      if (tx_count_q == '0) begin
        tx_count_q <= FULL;
        tx_bit_q   <= tx_bit_q + 1'b1;
        tx_data_q  <= {1'b1, tx_data_q[8:1]};
      end
      if (tx_last) tx_on_q <= 1'b0;
      if (valid_i && ready_o) begin
        tx_on_q    <= 1'b1;
        tx_count_q <= FULL;
        tx_bit_q   <= 4'd0;
        tx_data_q  <= {data_i, 1'b0};
      end
    end
endmodule

`default_nettype wire
