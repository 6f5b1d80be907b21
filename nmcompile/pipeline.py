"""The passes in order: Network -> DiscreteNetwork -> QuantizedNetwork -> Placement -> Image."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emulator.spec.arch import Architecture, bundled_architectures, load_architecture
from emulator.spec.check import check_image
from emulator.spec.check_notes import check_notes
from emulator.spec.drawn import Drawn
from emulator.spec.errors import CompilerError, DoesNotFitError, InputError
from emulator.spec.image import Image
from emulator.spec.image_file import load_compiled

from .coding.spikes import read_spikes
from .discretize.discretize import DiscreteNetwork, discretize
from .discretize.floatsim import FloatRun, run_float
from .discretize.plausible import check_reading
from .emit.emit import emit
from .frontends import read_network
from .network.network import Network
from .network.semantics import Semantics, choose_semantics
from .place.parts import Placement
from .place.place import place
from .quantize.quantize import quantize
from .quantize.quantized import QuantizedNetwork
from .retime import retime


@dataclass(frozen=True)
class Compilation(Drawn):
    """A compiled network and every stage on the way to it.

    Attributes:
        calibration: the float run on the calibration inputs, if there were any.
        seconds: wall time.
    """

    image: Image
    discrete: DiscreteNetwork
    placement: Placement
    calibration: FloatRun | None
    seconds: float

    def __repr__(self) -> str:
        return f"<Compilation of {self.network!r} to {self.image!r} in {self.seconds:.2f} s>"

    @property
    def network(self) -> Network:
        return self.discrete.network

    @property
    def semantics(self) -> Semantics:
        return self.discrete.semantics

    @property
    def quantized(self) -> QuantizedNetwork:
        return self.placement.network

    def summary(self) -> dict[str, Any]:
        """The keys of `nmc compile --json`."""
        notes = self.image.compiled
        return {
            "architecture": self.image.arch.name,
            "cores": sum(bool(parts) for parts in notes.parts),
            "neurons": sum(p.n for p in self.quantized.populations),
            "synapses": int(sum(p.matrix.nnz for p in self.quantized.projections)),
            "axons": sum(p.axons for _, part in notes.placed for p in part.projections),
            "latency_timesteps": self.image.latency,
            "memory_bits": self.image.memory_bits,
            "semantics": self.semantics.describe(),
            "losses": [asdict(loss) for loss in self.quantized.losses],
            "calibration_left_out": self.quantized.left_out,
            "notes": [*self.network.notes, *self.discrete.rounded],
            "warnings": list(self.quantized.warnings),
            "seconds": self.seconds,
        }


def as_image(image: Image | Compilation | str | Path) -> Image:
    """The image of a compilation or of an .nmi file that a compiler wrote; an image as it is."""
    if isinstance(image, Compilation):
        return image.image
    return image if isinstance(image, Image) else load_compiled(image)


def compile_network(
    network: Any,
    arch: Architecture | str | Path | None = None,
    semantics: Semantics | str | None = None,
    weight_bits: int = 8,
    calibrate: Any = None,
) -> Compilation:
    """Compile a network.

    Args:
        network: a Network, or whatever `read_network` takes: a path, a NIR graph, a networkx graph.
        arch: an Architecture, the name of a bundled one, or a .toml file; None: the smallest that fits.
        semantics: what trained the network, the name of a preset or of `choose_semantics`; None: as the network
            says, or as NIR has it.
        calibrate: sample inputs, whatever `read_spikes` takes: a path, (samples, timesteps, inputs), SpikeData.

    Raises:
        InputError, UsageError: the network, the semantics or the inputs are wrong.
        DoesNotFitError: no core or not enough cores for it.
    """
    start = time.perf_counter()
    network = read_network(network)
    if isinstance(semantics, str):
        semantics = choose_semantics(semantics)
    discrete = discretize(network, semantics or network.semantics or choose_semantics())
    check_reading(discrete)
    calibration = None
    if calibrate is not None:
        inputs = read_spikes(calibrate, network.n_inputs, network.input_levels)
        calibration = run_float(discrete, inputs.spikes, record=True)
    if arch is not None and not isinstance(arch, Architecture):
        arch = load_architecture(str(arch))
    candidates = [arch] if arch else list(bundled_architectures().values())
    for candidate in candidates:
        try:
            placement, image = _lower(discrete, candidate, weight_bits, calibration)
        except DoesNotFitError:
            if candidate is candidates[-1]:
                raise
        else:
            if not _all_zero(placement.network, network):
                break
            if candidate is candidates[-1]:
                raise InputError(
                    f"{network.origin}: every weight rounds to 0 at {weight_bits} bits; use more --weight-bits, "
                    "another --semantics or --dt, or --calibrate"
                )
    return Compilation(image, discrete, placement, calibration, time.perf_counter() - start)


def _all_zero(quantized: QuantizedNetwork, network: Network) -> bool:
    """Is no weight left of those that there were?"""
    return all(p.matrix.nnz == 0 for p in quantized.projections) and any(
        p.matrix.data.any() for p in network.projections
    )


def _lower(
    discrete: DiscreteNetwork, arch: Architecture, weight_bits: int, calibration: FloatRun | None
) -> tuple[Placement, Image]:
    quantized = quantize(discrete, arch, weight_bits, retime(discrete, arch.delay_slots), calibration)
    placement = place(quantized, arch)
    image = emit(placement, discrete, weight_bits)
    try:
        check_image(image)
        check_notes(image)
    except InputError as error:
        raise CompilerError(
            f"{discrete.network.origin}: the compiler made an image that its own check refuses ({error}); this is our "
            "bug, not yours: please report it with the network, the command and what nmc --version says"
        ) from None
    return placement, image
