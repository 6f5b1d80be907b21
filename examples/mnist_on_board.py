"""Handwritten digits on a board: compile, load, classify, and compare with the emulator.

python examples/mnist_on_board.py                         on a simulated board, started for the purpose
python examples/mnist_on_board.py --port /dev/ttyUSB1     on yours
"""

import argparse
from pathlib import Path

from emulator.spec.arch import load_architecture
from nmcompile.board.flash import flash
from nmcompile.board.link import BAUD, Board, SerialTransport
from nmcompile.board.run import run_on_board
from nmcompile.board.simulated import SimulatedBoard, SimulatedTransport
from nmcompile.coding.spikes import read_spikes
from nmcompile.frontends import read_network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", help="serial port of a board; without it, a simulated one")
    parser.add_argument("--baud", type=int, default=BAUD)
    parser.add_argument("--arch", default="up5k")
    parser.add_argument("--samples", type=int, default=20)
    options = parser.parse_args()

    arch = load_architecture(options.arch)
    network = read_network(HERE / "networks" / "mnist_mlp.nir")
    image = compile_network(network, arch, choose_semantics("snntorch"), weight_bits=8).image
    digits = read_spikes(HERE / "data" / "mnist_mlp_test.npz", image.n_inputs).first(options.samples)

    line = SerialTransport(options.port, options.baud) if options.port else SimulatedTransport(SimulatedBoard(arch))
    with Board(line) as board:
        loaded = flash(board, image)
        print(f"{loaded.written_bytes:,} of {loaded.total_bytes:,} bytes loaded in {loaded.elapsed_s:.1f} s")
        result = run_on_board(board, image, digits, compare=True)
    for number, (label, guess) in enumerate(zip(digits.labels, result.predictions, strict=True)):
        print(f"digit {number:3}: a {label}, taken for a {guess}" + ("" if label == guess else "   <- wrong"))
    right = int((result.predictions == digits.labels).sum())
    cycles = result.sample_cycles.mean()
    print(
        f"{right} of {len(digits.labels)} right; {cycles:,.0f} cycles a digit, {1e3 * cycles / arch.clock_hz:.2f} ms "
        f"at {arch.clock_hz / 1e6:.0f} MHz; spikes, cycles and counters equal the emulator's"
    )


if __name__ == "__main__":
    main()
