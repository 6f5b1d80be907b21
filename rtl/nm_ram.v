// The one memory wrapper: a read takes two cycles; one write port with an enable per group of bits.
//
// Two ports: one reads, one writes. With SINGLE = 1 there is one port, addressed by raddr_i; a cycle that writes does
// not read (iCE40 SPRAM). The two cycles of a read are either array, then output register; or, under NM_RAM_ADDRESS,
// address register, then array, where registers behind a block RAM cost cells and its clock-to-out does not matter
// (iCE40); that register is left out where the reader keeps the address for two cycles (HELD). Nobody may rely on what a read of the word that is being written returns: under NM_POISON it returns the
// complement of the stored word, so that lockstep finds whoever does.
`default_nettype none

module nm_ram #(
    parameter int WORDS = 256,
    parameter int WIDTH = 16,
    parameter int GROUPS = 1,
    parameter bit SINGLE = 0,
    parameter bit HELD = 0,  // raddr_i stays for both cycles of a read, and ren_i is high
    parameter int ADDR_W = (WORDS > 1) ? $clog2(WORDS) : 1
) (
    input  wire logic              clk_i,
    input  wire logic              ren_i,    // first cycle of a read: raddr_i
    input  wire logic              oen_i,    // second cycle: rdata_o follows
    input  wire logic [ADDR_W-1:0] raddr_i,
    output logic      [ WIDTH-1:0] rdata_o,
    input  wire logic [GROUPS-1:0] we_i,
    input  wire logic [ADDR_W-1:0] waddr_i,
    input  wire logic [ WIDTH-1:0] wdata_i
);
  localparam int GROUP_W = WIDTH / GROUPS;
  localparam int INDEX_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  logic [INDEX_W-1:0] raddr, waddr, port;
  logic unused;
  assign unused = &{1'b0, raddr_i, waddr_i, waddr, HELD};

`ifdef NM_RAM_LUT
  // a block RAM has 18,432 bits; for so few, LUTs will do
  localparam STYLE = (WORDS * WIDTH <= `NM_RAM_LUT) ? "distributed" : "block";
  (* no_rw_check, ram_style = STYLE *) logic [WIDTH-1:0] mem[WORDS];
`else
  (* no_rw_check *) logic [WIDTH-1:0] mem[WORDS];
`endif
  logic [WIDTH-1:0] word, out_q;
  logic read;

`ifdef NM_POISON
`ifndef VERILATOR
  // Memories start random, as `--x-initial unique` has it in Verilator: what was never written is defined, but unknown.
  initial for (int i = 0; i < WORDS; i++) mem[i] = WIDTH'({((WIDTH + 31) / 32) {$random}});
`endif
  assign word = (!SINGLE && |we_i && waddr == port) ? ~mem[port] : mem[port];
`else
  assign word = mem[port];
`endif

  assign rdata_o = out_q;
`ifdef NM_RAM_ADDRESS
  if (HELD) begin : gen_held
    assign raddr = raddr_i[INDEX_W-1:0];
  end else begin : gen_address
    logic [INDEX_W-1:0] raddr_q;
    always_ff @(posedge clk_i) if (ren_i) raddr_q <= raddr_i[INDEX_W-1:0];
    assign raddr = raddr_q;
  end
  assign read = oen_i;
  always_ff @(posedge clk_i) if (read && !(SINGLE && |we_i)) out_q <= word;
`else
  logic [WIDTH-1:0] raw_q;
  assign raddr = raddr_i[INDEX_W-1:0];
  assign read  = ren_i;
  always_ff @(posedge clk_i) begin
    if (read && !(SINGLE && |we_i)) raw_q <= word;
    if (oen_i) out_q <= raw_q;
  end
`endif

  assign waddr = SINGLE ? raddr_i[INDEX_W-1:0] : waddr_i[INDEX_W-1:0];
  assign port  = (SINGLE && |we_i) ? waddr : raddr;
  for (genvar g = 0; g < GROUPS; g++) begin : gen_group
    always_ff @(posedge clk_i)
      if (we_i[g]) mem[SINGLE ? port : waddr][g*GROUP_W+:GROUP_W] <= wdata_i[g*GROUP_W+:GROUP_W];
  end
endmodule

`default_nettype wire
