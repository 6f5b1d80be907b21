// The C interface of one Verilated chip: bus words in and out, whole commands in one call, events in a buffer.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "Vnm_chip.h"
#include "verilated.h"

namespace {

template <typename T>
uint64_t bits(const T& value, int low, int width) {
  return (static_cast<uint64_t>(value) >> low) & (width == 64 ? ~0ull : (1ull << width) - 1);
}
template <std::size_t N>
uint64_t bits(const VlWide<N>& value, int low, int width) {
  uint64_t result = 0;
  for (int i = 0; i < width;) {
    const int at = low + i, room = 32 - at % 32, take = room < width - i ? room : width - i;
    const uint64_t part = (static_cast<uint64_t>(value[at / 32]) >> (at % 32)) & ((1ull << take) - 1);
    result |= part << i;
    i += take;
  }
  return result;
}

struct Chip {
  VerilatedContext context;
  Vnm_chip* top;
  uint64_t cycle = 0;
  bool record = false;
  std::vector<int64_t> events;  // kind, core, cycle, a, b, c

  explicit Chip(int seed) {
    context.randReset(2);
    context.randSeed(seed);
    top = new Vnm_chip(&context);
    top->req_valid_i = 0;
    top->rsp_ready_i = 1;
    top->rst_i = 1;
    for (int i = 0; i < 4; i++) clock();
    top->rst_i = 0;
    clock();
  }
  ~Chip() {
    top->final();
    delete top;
  }

  void note(int kind, int core, int64_t a, int64_t b, int64_t c) {
    const int64_t row[] = {kind, core, static_cast<int64_t>(cycle), a, b, c};
    events.insert(events.end(), row, row + 6);
  }

  void clock() {
    top->clk_i = 0;
    top->eval();
    if (record) watch();
    top->clk_i = 1;
    top->eval();
    cycle++;
  }

  void watch() {
    if (!(top->retire_op_o | top->retire_event_o | top->retire_row_o | top->retire_spike_o | top->retire_packet_o))
      return;
    for (int c = 0; c < NM_CORES; c++) {
      if (bits(top->retire_op_o, c, 1)) note(0, c, bits(top->retire_pc_o, c * 16, 16), 0, 0);
      if (bits(top->retire_event_o, c, 1))
        note(1, c, bits(top->retire_axon_o, c * 20, 20), bits(top->retire_factor_o, c * 9, 9),
             static_cast<int64_t>(bits(top->retire_entry_o, c * 64, 64)));
      if (bits(top->retire_spike_o, c, 1))
        note(2, c, bits(top->retire_neuron_o, c * 16, 16), bits(top->retire_payload_o, c * 8, 8), 0);
      if (bits(top->retire_packet_o, c, 1))
        note(3, c, bits(top->retire_route_o, c * 32, 32), bits(top->retire_packet_payload_o, c * 8, 8), 0);
      if (bits(top->retire_row_o, c, 1)) note(4, c, bits(top->retire_axon_o, c * 20, 20), 0, 0);
    }
  }

  // The bus: a request is taken in the clock in which ready is high; false if that takes unreasonably long.
  bool request(int address, bool write, uint32_t data, uint64_t limit = 1000000) {
    top->req_valid_i = 1;
    top->req_write_i = write;
    top->req_addr_i = address;
    top->req_data_i = data;
    for (uint64_t i = 0; i < limit; i++) {
      top->clk_i = 0;
      top->eval();
      const bool taken = top->req_ready_o;
      if (record) watch();
      top->clk_i = 1;
      top->eval();
      cycle++;
      if (taken) {
        top->req_valid_i = 0;
        return true;
      }
    }
    top->req_valid_i = 0;
    return false;
  }
  uint32_t response() {
    for (;;) {
      top->clk_i = 0;
      top->eval();
      const bool valid = top->rsp_valid_o;
      const uint32_t data = top->rsp_data_o;
      top->clk_i = 1;
      top->eval();
      cycle++;
      if (valid) return data;
    }
  }
};

}  // namespace

extern "C" {
void* nm_new(int seed) { return new Chip(seed); }
void nm_delete(void* chip) { delete static_cast<Chip*>(chip); }

int nm_write(void* chip, int address, uint32_t data) { return static_cast<Chip*>(chip)->request(address, true, data); }
int nm_read(void* chip, int address, uint32_t* data) {
  auto* c = static_cast<Chip*>(chip);
  if (!c->request(address, false, 0)) return 0;
  *data = c->response();
  return 1;
}
int nm_write_many(void* chip, int address, const uint32_t* data, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!nm_write(chip, address, data[i])) return 0;
  return 1;
}
int nm_read_many(void* chip, int address, uint32_t* data, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!nm_read(chip, address, data + i)) return 0;
  return 1;
}

// A command, and clocks until the chip is idle again: the clocks it took, or -1 if it is not idle after `limit`.
int64_t nm_command(void* chip, int address, uint32_t data, uint64_t limit) {
  auto* c = static_cast<Chip*>(chip);
  c->record = true;
  const uint64_t start = c->cycle;
  if (!c->request(address, true, data)) return -1;
  do {
    if (c->cycle - start > limit) {
      c->record = false;
      return -1;
    }
    c->clock();
  } while (c->top->busy_o);
  c->record = false;
  return static_cast<int64_t>(c->cycle - start);
}

uint64_t nm_cycles(void* chip) { return static_cast<Chip*>(chip)->cycle; }
int64_t nm_events(void* chip, const int64_t** data) {
  auto* c = static_cast<Chip*>(chip);
  *data = c->events.data();
  return static_cast<int64_t>(c->events.size());
}
void nm_forget(void* chip) { static_cast<Chip*>(chip)->events.clear(); }
}
