// The one memory wrapper: registered read (array, then output register) and one write port with an enable per group.
//
// Two ports: one reads, one writes. With SINGLE = 1 there is one port, addressed by raddr_i; a write cycle does not
// read (iCE40 SPRAM). Nobody may rely on what a read of the word that is being written returns: under NM_POISON it
// returns the complement of the stored word, so that lockstep finds whoever does.
`default_nettype none

module nm_ram #(
    parameter int WORDS = 256,
    parameter int WIDTH = 16,
    parameter int GROUPS = 1,
    parameter bit SINGLE = 0,
    parameter int ADDR_W = (WORDS > 1) ? $clog2(WORDS) : 1
) (
    input  wire logic              clk_i,
    input  wire logic              ren_i,    // read the array
    input  wire logic              oen_i,    // load the output register with what was read a cycle before
    input  wire logic [ADDR_W-1:0] raddr_i,
    output logic      [ WIDTH-1:0] rdata_o,
    input  wire logic [GROUPS-1:0] we_i,
    input  wire logic [ADDR_W-1:0] waddr_i,
    input  wire logic [ WIDTH-1:0] wdata_i
);
  localparam int GROUP_W = WIDTH / GROUPS;
  localparam int INDEX_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  logic [INDEX_W-1:0] raddr, waddr;
  logic unused_address;
  assign raddr = raddr_i[INDEX_W-1:0];
  assign waddr = waddr_i[INDEX_W-1:0];
  assign unused_address = &{1'b0, raddr_i, waddr_i, waddr};

  (* no_rw_check *) logic [WIDTH-1:0] mem[WORDS];
  logic [WIDTH-1:0] raw_q, out_q;

`ifdef NM_POISON
`ifndef VERILATOR
  // Memories start random, as `--x-initial unique` has it in Verilator: what was never written is defined, but unknown.
  initial for (int i = 0; i < WORDS; i++) mem[i] = WIDTH'({((WIDTH + 31) / 32) {$random}});
`endif
`endif

  assign rdata_o = out_q;
  always_ff @(posedge clk_i) if (oen_i) out_q <= raw_q;

  if (SINGLE) begin : gen_single
    // one group only: SPRAM has nibble masks, but nothing here needs them
    always_ff @(posedge clk_i) begin
      if (|we_i) mem[raddr] <= wdata_i;
      else if (ren_i) raw_q <= mem[raddr];
    end
  end else begin : gen_dual
    for (genvar g = 0; g < GROUPS; g++) begin : gen_group
      always_ff @(posedge clk_i)
        if (we_i[g]) mem[waddr][g*GROUP_W+:GROUP_W] <= wdata_i[g*GROUP_W+:GROUP_W];
    end
    always_ff @(posedge clk_i) begin
`ifdef NM_POISON
      if (ren_i) raw_q <= (|we_i && waddr == raddr) ? ~mem[raddr] : mem[raddr];
`else
      if (ren_i) raw_q <= mem[raddr];
`endif
    end
  end
endmodule

`default_nettype wire
