// The link: requests in, operations on the chip's host port, replies out. rtl/LINK.md is its specification.
//
// One request at a time: header, then operation after operation straight out of the request buffer, what is read into
// the reply buffer, then the reply. W of the specification is word_q: it gathers what is written, and holds what is read
// and the digests (to read a word is to fold it into 0). The host port itself waits for an idle chip.
`default_nettype none
`include "nm_arith.vh"
`include "nm_link.vh"

module nm_link #(
    parameter logic [63:0] ARCH_HASH = '0,
    parameter int COUNTER_BITS = 48,
    parameter int REQUEST_BYTES = 512,  // powers of two, 512 at least
    parameter int REPLY_BYTES = 512
) (
    input  wire logic        clk_i,
    input  wire logic        rst_i,
    // line
    input  wire logic        rx_valid_i,
    input  wire logic        rx_broken_i,
    input  wire logic [ 7:0] rx_data_i,
    output logic             tx_valid_o,
    input  wire logic        tx_ready_i,
    output logic      [ 7:0] tx_data_o,
    output logic             busy_o,
    // the chip's host port
    output logic             req_valid_o,
    input  wire logic        req_ready_i,
    output logic             req_write_o,
    output logic      [ 4:0] req_addr_o,
    output logic      [31:0] req_data_o,
    input  wire logic        rsp_valid_i,
    output logic             rsp_ready_o,
    input  wire logic [31:0] rsp_data_i
);
  localparam int REQUEST_W = $clog2(REQUEST_BYTES);
  localparam int REPLY_W = $clog2(REPLY_BYTES);
  localparam logic [3:0] IDLE = 4'd0, HEADER = 4'd1, CHECK = 4'd2, SKIP = 4'd3, OPERATION = 4'd4, COUNT = 4'd5,
                         BYTES = 4'd6, WRITE = 4'd7, READ = 4'd8, ANSWER = 4'd9, PUT = 4'd10, REPLY = 4'd11,
                         SEND = 4'd12;

  // -------------------------------------------------------------------------------------------- the request
  logic any, byte_v, take, refuse, overrun, forget;
  logic [7:0] byte_;
  nm_link_receive #(.BYTES(REQUEST_BYTES)) i_receive (
      .clk_i, .rst_i, .valid_i(rx_valid_i), .broken_i(rx_broken_i), .data_i(rx_data_i), .any_o(any), .valid_o(byte_v),
      .data_o(byte_), .take_i(take), .refuse_o(refuse), .overrun_o(overrun), .forget_i(forget));

  logic [3:0] state_q;
  logic [7:0] last_q, ahead, kind_q, op_q;
  logic [7:0] count_q;  // words to go; before, the sequence number
  logic [REQUEST_W-1:0] left_q;  // bytes of the request; the receiver lets no longer ones pass
  logic [1:0] part_q, mode;  // the byte, of a word or of the header
  logic open_q, failed_q, is_open_q, is_run_q, empty, wants, ours, digest, fresh, again, sending;
  logic [31:0] word_q, folded;
  logic [REPLY_W:0] size_q;

  assign empty = left_q == '0;
  assign mode = op_q[6:5];
  assign ours = op_q[4:2] == 3'b111;
  assign digest = op_q[7:5] == {1'b0, `NM_L_READ_DIGEST};
  assign ahead = count_q - last_q;
  assign fresh = ahead == 8'd1;
  assign again = ahead == 8'd0;
  assign wants = state_q == HEADER || state_q == SKIP || state_q == OPERATION || state_q == COUNT || state_q == BYTES;
  assign take = byte_v && wants && (state_q == HEADER || !empty);
  assign forget = state_q == IDLE && refuse && !any;

  function automatic logic [1:0] parts(input logic [1:0] of);  // bytes of a word, less one
    parts = (of == `NM_L_READ_WORD) ? 2'd3 : (of == `NM_L_READ_HALF) ? 2'd1 : 2'd0;
  endfunction

  // ------------------------------------------------------------------------------------------------- the word
  // Bytes come in below and are read at the top; what is read is as long as the whole word, and its first bytes are not
  // put into the reply.
  logic clear, gather, fold, full, wanted, put, answered, load, last, counted;
  logic [7:0] constant, answer;
  assign clear = (state_q == COUNT && digest) || (state_q == READ && !digest && !ours);
  assign gather = (state_q == BYTES && take && mode != `NM_L_WRITE_STEP) || state_q == PUT;
  assign fold = state_q == ANSWER && rsp_valid_i;
  always_comb
    case ({op_q[1:0], part_q})
      {2'(`NM_L_R_LINK), 2'd3}: constant = `NM_L_VERSION;
      {2'(`NM_L_R_LINK), 2'd2}: constant = 8'(COUNTER_BITS);
      {2'(`NM_L_R_LINK), 2'd1}: constant = 8'(REQUEST_W);
      {2'(`NM_L_R_LINK), 2'd0}: constant = 8'(REPLY_W);
      {2'(`NM_L_R_HASH_HIGH), 2'd3}: constant = ARCH_HASH[63:56];
      {2'(`NM_L_R_HASH_HIGH), 2'd2}: constant = ARCH_HASH[55:48];
      {2'(`NM_L_R_HASH_HIGH), 2'd1}: constant = ARCH_HASH[47:40];
      {2'(`NM_L_R_HASH_HIGH), 2'd0}: constant = ARCH_HASH[39:32];
      {2'(`NM_L_R_HASH_LOW), 2'd3}: constant = ARCH_HASH[31:24];
      {2'(`NM_L_R_HASH_LOW), 2'd2}: constant = ARCH_HASH[23:16];
      {2'(`NM_L_R_HASH_LOW), 2'd1}: constant = ARCH_HASH[15:8];
      default: constant = ARCH_HASH[7:0];
    endcase
  assign answer = (ours && op_q[1:0] != 2'(`NM_L_R_DIGEST)) ? constant : word_q[31:24];
  assign full = size_q[REPLY_W];
  assign wanted = state_q == PUT && part_q <= parts(mode);
  assign put = wanted && !full;
  assign answered = state_q == ANSWER && (ours || rsp_valid_i);
  assign load = take && (state_q == COUNT || (state_q == HEADER && part_q == 2'd3));
  assign last = count_q == 8'd1;
  assign counted = (state_q == WRITE && (ours || req_ready_i)) || (answered && digest)
                   || (state_q == PUT && part_q == 2'd0);
  assign folded = {word_q[30:0], 1'b0} ^ (word_q[31] ? `NM_L_DIGEST_POLYNOMIAL : 32'd0) ^ rsp_data_i;
  always_ff @(posedge clk_i)
    if (clear) word_q <= '0;
    else begin
      if (gather || fold || (state_q == BYTES && take))
        word_q[15:0] <= fold ? folded[15:0] : gather ? {word_q[7:0], byte_} : word_q[15:0] + 16'(byte_);
      if ((gather && (state_q == PUT || mode == `NM_L_WRITE_WORD)) || fold)
        word_q[31:16] <= fold ? folded[31:16] : word_q[23:8];
    end
  assign rsp_ready_o = state_q == ANSWER;

  assign req_valid_o = (state_q == WRITE || state_q == READ) && !ours;
  assign req_write_o = op_q[7];
  assign req_addr_o = op_q[4:0];
  assign req_data_o = word_q;

  always_ff @(posedge clk_i)
    if (rst_i) begin
      state_q  <= IDLE;
      open_q   <= 1'b0;
      failed_q <= 1'b0;
      last_q   <= '0;
      size_q   <= '0;
    end else begin
      if (take) begin
        left_q <= `NM_DOWN(state_q == HEADER, ({left_q[REQUEST_W-9:0], byte_}), left_q);
        if (state_q == HEADER && part_q == 2'd2) {is_open_q, is_run_q} <= {byte_ == `NM_L_OPEN, byte_ == `NM_L_RUN};
      end
      if (load || counted) count_q <= `NM_DOWN(load, byte_, count_q);
      case (state_q)
        IDLE: begin
          part_q <= 2'd3;
          kind_q <= overrun ? `NM_L_OVERRUN : `NM_L_CORRUPT;
          if (any) state_q <= HEADER;
          else if (refuse) state_q <= REPLY;
        end
        HEADER:
        if (take) begin
          part_q <= part_q - 1'b1;
          if (part_q == 2'd0) state_q <= CHECK;
        end
        CHECK: begin
          state_q <= SKIP;
          if (is_open_q || (is_run_q && open_q && fresh)) begin
            state_q <= OPERATION;
            open_q <= 1'b1;
            failed_q <= 1'b0;
            last_q <= count_q;
            size_q <= '0;
          end else if (!is_run_q) kind_q <= `NM_L_UNKNOWN;
          else if (!open_q) kind_q <= `NM_L_CLOSED;
          else if (again) kind_q <= failed_q ? `NM_L_MALFORMED : `NM_L_DONE;
          else kind_q <= `NM_L_SEQUENCE;
        end
        SKIP: if (empty) state_q <= REPLY;

        OPERATION: begin
          kind_q <= `NM_L_DONE;
          if (empty) state_q <= REPLY;
          else if (take) begin
            op_q <= byte_;
            state_q <= COUNT;
          end
        end
        COUNT: begin
          part_q <= parts(mode);
          if (take) begin
            state_q <= !op_q[7] ? READ : (mode == `NM_L_WRITE_SAME) ? WRITE : BYTES;
          end
        end
        BYTES:
        if (take) begin
          part_q <= part_q - 1'b1;
          if (part_q == 2'd0) state_q <= WRITE;
        end
        WRITE:
        if (ours || req_ready_i) begin
          part_q  <= parts(mode);
          state_q <= last ? OPERATION : (mode == `NM_L_WRITE_SAME) ? WRITE : BYTES;
        end
        READ: begin
          part_q <= 2'd3;
          if (ours || req_ready_i) state_q <= ANSWER;
        end
        ANSWER: if (answered) state_q <= !digest ? PUT : last ? OPERATION : READ;
        PUT: begin
          part_q <= part_q - 1'b1;
          if (put) size_q <= size_q + 1'b1;
          if (part_q == 2'd0) state_q <= last ? OPERATION : READ;
        end
        REPLY: if (!sending) state_q <= SEND;  // a heartbeat may be on its way
        default: if (!sending) state_q <= IDLE;
      endcase
      // the request ends within an operation, or reads more than there is room for
      if (((state_q == COUNT || state_q == BYTES) && empty) || (wanted && full)) begin
        failed_q <= 1'b1;
        kind_q   <= `NM_L_MALFORMED;
        state_q  <= SKIP;
      end
    end

  // ---------------------------------------------------------------------------------------------- the reply
  logic ran;
  logic [REPLY_W-1:0] reply_addr;
  logic [7:0] reply_byte;
  assign ran = kind_q == `NM_L_DONE || kind_q == `NM_L_MALFORMED;

  nm_ram #(.WORDS(REPLY_BYTES), .WIDTH(8), .HELD(1)) i_reply (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(reply_addr), .rdata_o(reply_byte), .we_i(put),
      .waddr_i(size_q[REPLY_W-1:0]), .wdata_i(answer));
  nm_link_send #(.BYTES(REPLY_BYTES)) i_send (
      .clk_i, .rst_i, .start_i(state_q == REPLY && !sending), .busy_o(sending), .sequence_i(last_q), .kind_i(kind_q),
      .size_i(size_q), .empty_i(!ran || size_q == '0), .working_i(state_q != IDLE), .addr_o(reply_addr),
      .byte_i(reply_byte), .valid_o(tx_valid_o), .ready_i(tx_ready_i), .data_o(tx_data_o));
  assign busy_o = state_q != IDLE || any || refuse || sending;
endmodule

`default_nettype wire
