// Generated from emulator/spec/isa.py by tools/generate.py; do not edit.
`ifndef NM_ISA_VH
`define NM_ISA_VH

`define NM_ISA_VERSION 3
`define NM_GRANULE 16
`define NM_PIPELINE 7
`define NM_SCALAR_CYCLES 6
`define NM_INTEG_CYCLES 8
`define NM_EVENT_CYCLES 3
`define NM_ROWS_CYCLES 7
`define NM_ROW_CYCLES 13
`define NM_END_CYCLES 8
`define NM_BARRIER_CYCLES 4
`define NM_EMIT_SPIKE_CYCLES 2
`define NM_SINK_CYCLES 2
`define NM_FIFO_DEPTH 2
`define NM_RESET_CYCLES 8
`define NM_N_REGISTERS 8
`define NM_N_PREDICATES 4
`define NM_N_ROW_TRACES 3

`define NM_OP_END 6'h00
`define NM_OP_WHEN 6'h01
`define NM_OP_RANGE 6'h02
`define NM_OP_INTEG 6'h03
`define NM_OP_ROWS 6'h04
`define NM_OP_ENDROWS 6'h05
`define NM_OP_MOV 6'h08
`define NM_OP_ADD 6'h09
`define NM_OP_SUB 6'h0a
`define NM_OP_MUL 6'h0b
`define NM_OP_MAC 6'h0c
`define NM_OP_MIN 6'h0d
`define NM_OP_MAX 6'h0e
`define NM_OP_RND 6'h0f
`define NM_OP_CGE 6'h10
`define NM_OP_CGT 6'h11
`define NM_OP_CEQ 6'h12
`define NM_OP_PLOG 6'h13
`define NM_OP_SPK 6'h14

`define NM_I_OP 63:58
`define NM_I_PRED 57:54
`define NM_I_D 53:50
`define NM_I_A 49:46
`define NM_I_C 45:42
`define NM_I_SHIFT 41:37
`define NM_I_ROUND 36:35
`define NM_I_IMM_B 34:34
`define NM_I_FLAG 33:33
`define NM_I_FLAG2 32:32
`define NM_I_IMM 31:0

`define NM_AXON_WORD 63:44
`define NM_AXON_BEAT 43:40
`define NM_AXON_BEATS 39:32
`define NM_AXON_RUNS 31:27
`define NM_AXON_WEIGHT_STRIDE 26:19
`define NM_AXON_BLOCK_STRIDE 18:11
`define NM_AXON_BLOCK 10:3
`define NM_AXON_FORMAT 2:0

`define NM_ROUTE_CORE 31:24
`define NM_ROUTE_DELAY 23:20
`define NM_ROUTE_AXON 19:0

`define NM_PTR_COUNT 31:20
`define NM_PTR_FIRST 19:0

`define NM_FMT_NONE 3'd0
`define NM_FMT_SPARSE 3'd1
`define NM_FMT_D16 3'd2
`define NM_FMT_D8 3'd3
`define NM_FMT_D4 3'd4
`define NM_FMT_D2 3'd5
`define NM_FMT_D1 3'd6

`endif
