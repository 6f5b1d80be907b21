"""The passes in order: Network -> QuantizedNetwork -> Placement -> Image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture, bundled_architectures
from emulator.spec.check import check_image
from emulator.spec.errors import DoesNotFitError, InputError
from emulator.spec.image import Image
from emulator.spec.spikes import SpikeTrains

from .discretize.discretize import framework_delays
from .discretize.floatsim import FloatRun, run_float
from .emit.emit import emit
from .network.network import Network
from .network.semantics import Semantics, choose_semantics
from .neurons.models import dynamics
from .place.place import place
from .quantize.quantize import quantize
from .quantize.quantized import QuantizedNetwork
from .retime import retime


@dataclass(frozen=True)
class Compilation:
    """A compiled network and what its compiler knew.

    Attributes:
        calibration: the float run on the calibration inputs, if there were any.
        seconds: wall time.
    """

    image: Image
    network: Network
    quantized: QuantizedNetwork
    semantics: Semantics
    calibration: FloatRun | None
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The keys of `nmc compile --json`."""
        return {
            "architecture": self.image.arch.name,
            "cores": sum(bool(c["parts"]) for c in self.image.meta["cores"]),
            "neurons": sum(p.n for p in self.quantized.populations),
            "synapses": int(sum(p.matrix.nnz for p in self.quantized.projections)),
            "axons": int(
                sum(p["axons"] for c in self.image.meta["cores"] for q in c["parts"] for p in q["projections"])
            ),
            "latency_timesteps": self.image.latency,
            "memory_bits": memory_bits(self.image),
            "semantics": self.semantics.describe(),
            "warnings": list(self.quantized.warnings),
            "seconds": self.seconds,
        }


def memory_bits(image: Image) -> int:
    """Bits of memory that the image fills."""
    arch, total = image.arch, 0
    for core in image.cores:
        total += len(core.program) * isa.WORD_BITS + len(core.axons) * 64 + core.synapses.size * 16
        total += len(core.pointers) * 32 + len(core.routes) * 32
        total += arch.registers * core.registers.shape[1] * arch.lanes * arch.state_bits
    return total


def compile_network(
    network: Network,
    arch: Architecture | None = None,
    semantics: Semantics | None = None,
    weight_bits: int = 8,
    calibrate: SpikeTrains | np.ndarray | None = None,
) -> Compilation:
    """Compile a network.

    Args:
        arch: None takes the smallest bundled one that fits.
        calibrate: (samples, timesteps, inputs) sample inputs.

    Raises:
        InputError, UsageError: the network, the semantics or the inputs are wrong.
        DoesNotFitError: no core or not enough cores for it.
    """
    start = time.perf_counter()
    semantics = semantics or choose_semantics()
    for population in network.populations:
        if not population.spiking and population.name != network.output:
            raise InputError(
                f"{network.origin}: {population.name!r} ({population.model}) does not spike, so nothing can follow it; "
                "only the output may be an I, LI or CubaLI"
            )
    calibration = None
    if calibrate is not None:
        if len(calibrate.shape) != 3 or calibrate.shape[2] != network.n_inputs:
            raise InputError(
                f"calibration inputs of shape {calibrate.shape}, expected (samples, timesteps, {network.n_inputs})"
            )
        trains = calibrate if isinstance(calibrate, SpikeTrains) else SpikeTrains.from_array(calibrate)
        if trains.largest > network.input_levels:
            raise InputError(
                f"calibration inputs go up to {trains.largest}, the network takes {network.input_levels}; "
                "use --input-levels for analog ones"
            )
        calibration = run_float(network, semantics, trains, record=True)
    candidates = [arch] if arch else list(bundled_architectures().values())
    for candidate in candidates:
        try:
            quantized, image = _lower(network, candidate, semantics, weight_bits, calibration)
        except DoesNotFitError:
            if candidate is candidates[-1]:
                raise
        else:
            break
    return Compilation(image, network, quantized, semantics, calibration, time.perf_counter() - start)


def _lower(
    network: Network, arch: Architecture, semantics: Semantics, weight_bits: int, calibration: FloatRun | None
) -> tuple[QuantizedNetwork, Image]:
    late = {p.name: dynamics(p, semantics).output_delay for p in network.populations}
    timing = retime(network, arch.delay_slots, framework_delays(network, semantics.dt, late), late)
    quantized = quantize(network, semantics, arch, weight_bits, timing, calibration)
    placement = place(quantized, arch)
    meta = {
        "network": network.origin,
        "input_shape": list(network.input_shape),
        "input_levels": network.input_levels,
        "output": network.output,
        "readout": "count" if network.population(network.output).spiking else "membrane",
        "semantics": semantics.describe(),
        "weight_bits": weight_bits,
        "warnings": list(quantized.warnings),
        "thresholds": _thresholds(quantized),
    }
    image = emit(placement, meta)
    check_image(image)
    return quantized, image


def _thresholds(network: QuantizedNetwork) -> dict[str, Any]:
    """Of each spiking population, in state units: one number where its neurons agree, else a list."""
    found: dict[str, Any] = {}
    for population in network.populations:
        if population.threshold is not None:
            values = population.threshold.tolist()
            found[population.name] = values[0] if len(set(values)) == 1 else values
    return found
