"""Handwritten digits on a board: compile, load, classify, and compare with the emulator.

python examples/mnist_on_board.py                         on a simulated board, started for the purpose
python examples/mnist_on_board.py --port /dev/ttyUSB1     on yours
"""

import argparse
from pathlib import Path

import nmcompile as nm

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", help="serial port of a board; without it, a simulated one")
    parser.add_argument("--baud", type=int, default=nm.BAUD)
    parser.add_argument("--arch", default="up5k")
    parser.add_argument("--samples", type=int, default=20)
    options = parser.parse_args()

    arch = nm.load_architecture(options.arch)
    image = nm.compile_network(HERE / "networks" / "mnist_mlp.nir", arch, "snntorch", weight_bits=8).image
    digits = nm.read_spikes(HERE / "data" / "mnist_mlp_test.npz", image.n_inputs).first(options.samples)

    if options.port:
        line = nm.SerialTransport(options.port, options.baud)
    else:
        line = nm.SimulatedTransport(nm.SimulatedBoard(arch))
    with nm.Board(line) as board:
        loaded = nm.flash(board, image)
        print(f"{loaded.written_bytes:,} of {loaded.total_bytes:,} bytes loaded in {loaded.elapsed_s:.1f} s")
        result = nm.run(board, image, digits, compare=True)
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
