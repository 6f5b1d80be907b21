// The link: requests in, operations on the chip's host port, replies out. rtl/LINK.md is its specification.
//
// One request at a time: header, then operation after operation straight out of the request buffer, what is read into
// the reply buffer, then the reply. A word is gathered in word_q; the host port itself waits for an idle chip.
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
  localparam int REPLY_W = $clog2(REPLY_BYTES);
  localparam logic [31:0] LINK_WORD = {`NM_L_VERSION, 8'(COUNTER_BITS), 8'($clog2(REQUEST_BYTES)), 8'(REPLY_W)};
  localparam logic [3:0] IDLE = 4'd0, HEADER = 4'd1, CHECK = 4'd2, SKIP = 4'd3, OPERATION = 4'd4, COUNT = 4'd5,
                         BYTES = 4'd6, WRITE = 4'd7, READ = 4'd8, ANSWER = 4'd9, REPLY = 4'd10, SEND = 4'd11;

  // -------------------------------------------------------------------------------------------- the request
  logic any, byte_v, take, refuse, overrun, forget;
  logic [7:0] byte_;
  nm_link_receive #(.BYTES(REQUEST_BYTES)) i_receive (
      .clk_i, .rst_i, .valid_i(rx_valid_i), .broken_i(rx_broken_i), .data_i(rx_data_i), .any_o(any), .valid_o(byte_v),
      .data_o(byte_), .take_i(take), .refuse_o(refuse), .overrun_o(overrun), .forget_i(forget));

  logic [3:0] state_q;
  logic [7:0] sequence_q, code_q;  // these and the length are shifted in; then the length counts down
  logic [15:0] left_q;
  logic [1:0] index_q;
  logic [7:0] last_q, kind_q, count_q, op_q;
  logic open_q, failed_q, empty, wants, ours, fresh, again, sending;
  logic [31:0] word_q, answer, digest_q;
  logic [1:0] part_q, mode;
  logic [REPLY_W:0] size_q;

  assign empty = left_q == 16'h0000;
  assign mode = op_q[6:5];
  assign ours = op_q[4:2] == 3'b111;
  assign fresh = sequence_q == last_q + 8'd1;
  assign again = sequence_q == last_q;
  assign wants = state_q == HEADER || state_q == SKIP || state_q == OPERATION || state_q == COUNT || state_q == BYTES;
  assign take = byte_v && wants && (state_q == HEADER || !empty);
  assign forget = state_q == IDLE && refuse && !any;

  function automatic logic [1:0] parts(input logic [1:0] of);  // bytes of a word, less one
    parts = (of == `NM_L_READ_WORD) ? 2'd3 : (of == `NM_L_READ_HALF) ? 2'd1 : 2'd0;
  endfunction

  // --------------------------------------------------------------------------------------------- the answer
  always_comb begin
    answer = rsp_data_i;
    if (ours)
      case (op_q[1:0])
        2'(`NM_L_R_LINK): answer = LINK_WORD;
        2'(`NM_L_R_HASH_HIGH): answer = ARCH_HASH[63:32];
        2'(`NM_L_R_HASH_LOW): answer = ARCH_HASH[31:0];
        default: answer = digest_q;
      endcase
  end
  logic answer_v, full, put, answered;
  logic [7:0] answer_byte;
  assign answer_v = state_q == ANSWER && (ours || rsp_valid_i);
  assign full = size_q[REPLY_W];
  assign put = answer_v && mode != `NM_L_READ_DIGEST && !full;
  assign answered = answer_v && (mode == `NM_L_READ_DIGEST || part_q == 2'd0 || full);
  assign rsp_ready_o = answered;
  assign answer_byte = answer[{part_q, 3'b000}+:8];

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
      index_q  <= '0;
    end else begin
      if (take) begin
        left_q <= `NM_DOWN(state_q == HEADER, ({left_q[7:0], byte_}), left_q);
        if (state_q == HEADER) {sequence_q, code_q} <= {code_q, left_q[15:8]};
      end
      case (state_q)
        IDLE:
        if (any) state_q <= HEADER;
        else if (refuse) begin
          kind_q  <= overrun ? `NM_L_OVERRUN : `NM_L_CORRUPT;
          state_q <= REPLY;
        end
        HEADER:
        if (take) begin
          index_q <= index_q + 1'b1;
          if (index_q == 2'd3) state_q <= CHECK;
        end
        CHECK: begin
          state_q <= SKIP;
          if (code_q == `NM_L_OPEN || (code_q == `NM_L_RUN && open_q && fresh)) begin
            state_q <= OPERATION;
            open_q <= 1'b1;
            failed_q <= 1'b0;
            last_q <= sequence_q;
            size_q <= '0;
          end else if (code_q != `NM_L_RUN) kind_q <= `NM_L_UNKNOWN;
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
            count_q <= byte_;
            if (!op_q[7] && mode == `NM_L_READ_DIGEST) digest_q <= '0;
            state_q <= !op_q[7] ? READ : (mode == `NM_L_WRITE_SAME) ? WRITE : BYTES;
          end
        end
        BYTES:
        if (take) begin
          part_q <= part_q - 1'b1;
          if (mode == `NM_L_WRITE_STEP) word_q[15:0] <= word_q[15:0] + 16'(byte_);
          else word_q[15:0] <= {word_q[7:0], byte_};
          if (mode == `NM_L_WRITE_WORD) word_q[31:16] <= word_q[23:8];
          if (part_q == 2'd0) state_q <= WRITE;
        end
        WRITE:
        if (ours || req_ready_i) begin
          part_q  <= parts(mode);
          count_q <= count_q - 1'b1;
          state_q <= (count_q == 8'd1) ? OPERATION : (mode == `NM_L_WRITE_SAME) ? WRITE : BYTES;
        end
        READ: if (ours || req_ready_i) state_q <= ANSWER;
        ANSWER:
        if (answer_v) begin
          part_q <= part_q - 1'b1;
          if (put) size_q <= size_q + 1'b1;
          if (answered) begin
            part_q  <= parts(mode);
            count_q <= count_q - 1'b1;
            state_q <= (count_q == 8'd1) ? OPERATION : READ;
            if (mode == `NM_L_READ_DIGEST)
              digest_q <= {digest_q[30:0], 1'b0} ^ (digest_q[31] ? `NM_L_DIGEST_POLYNOMIAL : 32'd0) ^ answer;
          end
        end
        REPLY: if (!sending) state_q <= SEND;  // a heartbeat may be on its way
        default: if (!sending) state_q <= IDLE;
      endcase
      // the request ends within an operation, or reads more than there is room for
      if (((state_q == COUNT || state_q == BYTES) && empty) || (answer_v && full && mode != `NM_L_READ_DIGEST)) begin
        failed_q <= 1'b1;
        kind_q   <= `NM_L_MALFORMED;
        state_q  <= SKIP;
      end
    end

  // ---------------------------------------------------------------------------------------------- the reply
  logic beat, ran;
  logic [REPLY_W-1:0] reply_addr;
  logic [7:0] reply_byte;
  logic [`NM_L_HEARTBEAT_BITS-1:0] beat_q;
  assign ran = kind_q == `NM_L_DONE || kind_q == `NM_L_MALFORMED;
  always_ff @(posedge clk_i) beat_q <= (rst_i || state_q == IDLE) ? '0 : beat_q + 1'b1;
  assign beat = &beat_q && state_q != SEND;

  nm_ram #(.WORDS(REPLY_BYTES), .WIDTH(8)) i_reply (
      .clk_i, .ren_i(1'b1), .oen_i(1'b1), .raddr_i(reply_addr), .rdata_o(reply_byte), .we_i(put),
      .waddr_i(size_q[REPLY_W-1:0]), .wdata_i(answer_byte));
  nm_link_send #(.BYTES(REPLY_BYTES)) i_send (
      .clk_i, .rst_i, .start_i(state_q == REPLY && !sending), .busy_o(sending), .sequence_i(last_q), .kind_i(kind_q),
      .size_i(ran ? size_q : '0), .beat_i(beat), .addr_o(reply_addr), .byte_i(reply_byte), .valid_o(tx_valid_o),
      .ready_i(tx_ready_i), .data_o(tx_data_o));
  assign busy_o = state_q != IDLE || any || refuse || sending;
endmodule

`default_nettype wire
