// The host's view of the chip: bus registers and memory numbers. emulator/verilog/host.py reads this file.
`ifndef NM_HOST_VH
`define NM_HOST_VH

`define NM_H_VERSION 5'h00
`define NM_H_STATUS 5'h01
`define NM_H_COMMAND 5'h02
`define NM_H_SELECT 5'h03
`define NM_H_DATA 5'h04
`define NM_H_INJECT 5'h05
`define NM_H_PAYLOAD 5'h06
`define NM_H_TIMESTEPS 5'h07
`define NM_H_REWARD 5'h08
`define NM_H_TIME 5'h09
`define NM_H_FAULT 5'h0a
`define NM_H_SHAPE 5'h0b
`define NM_H_COUNT 5'h10

`define NM_CMD_STEP 2'd1
`define NM_CMD_RESET 2'd2
`define NM_CMD_CLEAR_FAULT 2'd3

`define NM_MEM_PROGRAM 4'd0
`define NM_MEM_REGISTERS 4'd1
`define NM_MEM_ACCUMULATORS 4'd2
`define NM_MEM_PREDICATES 4'd3
`define NM_MEM_SPIKES 4'd4
`define NM_MEM_PENDING 4'd5
`define NM_MEM_AXONS 4'd6
`define NM_MEM_SYNAPSES 4'd7
`define NM_MEM_POINTERS 4'd8
`define NM_MEM_ROUTES 4'd9
`define NM_MEM_PAYLOADS 4'd10
`define NM_MEM_SPIKE_PAYLOADS 4'd11
`define NM_MEM_TRACES 4'd12
`define NM_MEM_DELIVERED 4'd13
`define NM_MEM_RANDOM 4'd14
`define NM_MEM_CONTROL 4'd15

`define NM_FAULT_NONE 4'd0
`define NM_FAULT_OPCODE 4'd1
`define NM_FAULT_OPERAND 4'd2
`define NM_FAULT_PC 4'd3
`define NM_FAULT_FORMAT 4'd4
`define NM_FAULT_BLOCK 4'd5
`define NM_FAULT_WORD 4'd6
`define NM_FAULT_ROUTE 4'd7
`define NM_FAULT_HOST 4'd8

`endif
