"""The bundled networks: trained with snnTorch by tools/train, with a thousand real test images each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from emulator.result import RunResult
from emulator.spec.errors import UsageError
from emulator.spec.files import shipped_folder

from ..coding.spikes import SpikeData, read_spikes
from ..frontends.nir import read_nir
from ..network.network import Network
from ..network.semantics import Semantics, choose_semantics
from ..pipeline import Compilation, compile_network
from .drift import drift_report
from .evaluate import evaluate


@dataclass(frozen=True)
class Example:
    """A bundled network: file name, the preset it was trained under, and what it is in a line."""

    name: str
    preset: str
    title: str

    @property
    def network(self) -> Network:
        """The trained network."""
        return read_nir(self.network_path())

    @property
    def semantics(self) -> Semantics:
        """What trained it."""
        return choose_semantics(self.preset)

    @property
    def calibration(self) -> SpikeData:
        """Sample inputs for `compile_network(calibrate=...)`; none of them is a test image."""
        return read_spikes(self.data_path("calib"))

    @property
    def test(self) -> SpikeData:
        """A thousand real test images, with labels and the accuracy in floats."""
        return read_spikes(self.data_path("test"))

    def network_path(self) -> str:
        return str(shipped_folder("examples") / "networks" / f"{self.name}.nir")

    def data_path(self, kind: str) -> str:
        """kind: "test" or "calib"."""
        return str(shipped_folder("examples") / "data" / f"{self.name}_{kind}.npz")


EXAMPLES = {
    example.name: example
    for example in (
        Example("mnist_mlp", "snntorch", "MNIST digits, rate coded, 784-80-10"),
        Example("mnist_conv", "snntorch-zero", "MNIST digits, rate coded, two convolutions and a readout"),
        Example("mnist_rows", "snntorch", "MNIST digits, row by row, 128 recurrent neurons"),
    )
}


def load_example(name: str = "mnist_mlp") -> Example:
    """A bundled network with its data: `network`, `semantics`, `calibration`, `test`.

    Args:
        name: mnist_mlp, mnist_conv or mnist_rows.
    """
    if name not in EXAMPLES:
        raise UsageError(f"no bundled network {name!r}; there are {', '.join(EXAMPLES)}")
    return EXAMPLES[name]


def run_demo(
    name: str, weight_bits: int = 8, limit: int | None = None, threads: int = 1, prices: str = "horowitz45"
) -> tuple[Compilation, SpikeData, RunResult]:
    """Compile a bundled network with calibration, run its test images, and put the drift report into the notes."""
    example = load_example(name)
    network, calibration = example.network, example.calibration
    compilation = compile_network(
        network,
        semantics=example.semantics,
        weight_bits=weight_bits,
        calibrate=calibration.spikes,
    )
    drift = drift_report(compilation, calibration.spikes)
    notes = replace(compilation.image.compiled, drift=drift, title=example.title)
    image = replace(compilation.image, notes=notes)
    data = example.test.first(limit)
    result = evaluate(image, data, threads=threads, prices=prices, record_spikes=True)
    return replace(compilation, image=image), data, result
