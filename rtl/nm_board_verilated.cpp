// The C interface of a Verilated board: bytes to and from its UART pins, clock by clock, whole batches in one call.
#include <cstdint>

#include "Vnm_board.h"
#include "verilated.h"

namespace {

struct Board {
  VerilatedContext context;
  Vnm_board* top;
  uint64_t clocks = 0;
  const uint64_t bit;       // clocks of a bit, 32.32
  uint64_t sent_bit;        // the same of what the host sends: another clock
  uint64_t gap = 0;         // between two bytes, in its bits
  uint64_t until = 0;       // the line keeps its level until then
  unsigned shift = 0;       // what is left to send of a byte, a one above it
  uint64_t sample = 0;      // when the next bit is received
  int received = -1;        // bits so far; -1: no start bit yet
  unsigned value = 0;
  uint64_t quiet_since = 0;

  Board(int seed, int clocks_per_bit) : bit(static_cast<uint64_t>(clocks_per_bit) << 32), sent_bit(bit) {
    context.randReset(2);
    context.randSeed(seed);
    top = new Vnm_board(&context);
    top->rx_i = 1;
    reset();
  }
  ~Board() {
    top->final();
    delete top;
  }
  void reset() {
    top->rst_i = 1;
    for (int i = 0; i < 8; i++) clock();
    top->rst_i = 0;
  }
  void clock() {
    top->clk_i = 0;
    top->eval();
    top->clk_i = 1;
    top->eval();
    clocks++;
  }
  bool quiet() const { return !top->busy_o && received < 0 && clocks - quiet_since > 4 * (bit >> 32); }

  // Until everything was sent and nothing moves any more, or `limit` clocks; the bytes that came.
  int64_t run(const uint8_t* in, int64_t n_in, int64_t* used, uint8_t* out, int64_t room, uint64_t limit) {
    int64_t at = 0, n_out = 0;
    for (uint64_t i = 0; i < limit && n_out < room; i++) {
      const uint64_t now = clocks << 32;
      if (now >= until) {
        if (shift > 1) {
          top->rx_i = shift & 1;
          shift >>= 1;
          until += sent_bit;
          if (shift == 1) until += gap * sent_bit;
        } else if (at < n_in) {
          top->rx_i = 0;
          shift = 0x600u | in[at++] << 1;  // start, data, stop, end
          shift >>= 1;
          until = (until + (1ull << 32) > now ? until : now) + sent_bit;  // bytes follow without rounding
        } else {
          shift = 0;
        }
      }
      clock();
      if (shift > 1 || top->busy_o || !top->tx_o) quiet_since = clocks;
      const uint64_t later = clocks << 32;
      if (received < 0) {
        if (!top->tx_o) {
          received = 0;
          sample = later + bit / 2;
        }
      } else if (later >= sample) {
        sample += bit;
        if (received == 9) {
          if (top->tx_o) out[n_out++] = static_cast<uint8_t>(value >> 1);
          received = -1;
          value = 0;
        } else {
          value |= static_cast<unsigned>(top->tx_o) << received;
          received++;
        }
      }
      if (at == n_in && shift <= 1 && quiet()) break;
    }
    *used = at;
    return n_out;
  }
};

}  // namespace

extern "C" {
void* nm_board_new(int seed, int clocks_per_bit) { return new Board(seed, clocks_per_bit); }
void nm_board_delete(void* board) { delete static_cast<Board*>(board); }
void nm_board_reset(void* board) { static_cast<Board*>(board)->reset(); }
void nm_board_line(void* board, double skew, int gap) {
  auto* b = static_cast<Board*>(board);
  b->sent_bit = static_cast<uint64_t>(static_cast<double>(b->bit) * (1 + skew));
  b->gap = static_cast<uint64_t>(gap);
}
int nm_board_quiet(void* board) { return static_cast<Board*>(board)->quiet(); }
uint64_t nm_board_clocks(void* board) { return static_cast<Board*>(board)->clocks; }
int64_t nm_board_run(void* board, const uint8_t* in, int64_t n_in, int64_t* used, uint8_t* out, int64_t room,
                     uint64_t limit) {
  return static_cast<Board*>(board)->run(in, n_in, used, out, room, limit);
}
}
