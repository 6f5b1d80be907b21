// Numbers of the line protocol. Generated from nmcompile/board/protocol.py; do not edit.
`ifndef NM_LINK_VH
`define NM_LINK_VH

`define NM_L_VERSION 8'd2
`define NM_L_MARK 8'h7e
`define NM_L_ESCAPE 8'h7d
`define NM_L_FLIP 8'h20
`define NM_L_CRC_POLYNOMIAL 16'h1021
`define NM_L_CRC_START 16'hffff
`define NM_L_DIGEST_POLYNOMIAL 32'h04c11db7
`define NM_L_HEARTBEAT_BITS 16

`define NM_L_OPEN 8'h01
`define NM_L_RUN 8'h02
`define NM_L_DONE 8'h80
`define NM_L_MALFORMED 8'h81
`define NM_L_CORRUPT 8'h82
`define NM_L_SEQUENCE 8'h83
`define NM_L_CLOSED 8'h84
`define NM_L_OVERRUN 8'h85
`define NM_L_UNKNOWN 8'h86
`define NM_L_R_LINK 5'h1c
`define NM_L_R_HASH_HIGH 5'h1d
`define NM_L_R_HASH_LOW 5'h1e
`define NM_L_R_DIGEST 5'h1f
`define NM_L_WRITE_STEP 2'd0
`define NM_L_WRITE_HALF 2'd1
`define NM_L_WRITE_WORD 2'd2
`define NM_L_WRITE_SAME 2'd3
`define NM_L_READ_BYTE 2'd0
`define NM_L_READ_HALF 2'd1
`define NM_L_READ_WORD 2'd2
`define NM_L_READ_DIGEST 2'd3

`endif
