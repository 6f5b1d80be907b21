"""Quantize: floats become the integers of one architecture.

Neuron n counts its state in units of 1/scale[n]. The weights onto it are integers of `weight_bits` bits, shifted left
by one amount per projection; a convolution's neurons share a scale per channel, others have one each.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError, UsageError

from ..discretize.discretize import DiscreteNetwork
from ..discretize.floatsim import FloatRun
from ..network.network import Population, Projection
from ..neurons.update import COEFFICIENT, STATE, Dynamics
from ..retime import Timing
from .fixed import fixed_weights
from .losses import loss_of
from .plastic import changing, check_plain, learns, plastic_layer
from .quantized import (
    WEIGHT_BITS,
    Loss,
    PlasticWeights,
    QuantizedLayer,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
)
from .scales import Layer


def quantize(
    discrete: DiscreteNetwork,
    arch: Architecture,
    weight_bits: int,
    timing: Timing,
    calibration: FloatRun | None = None,
) -> QuantizedNetwork:
    """Choose scales and round.

    Args:
        calibration: a recorded float run on sample inputs: its spikes weigh the rounding errors, its peaks set the
            headroom.

    Raises:
        DoesNotFitError: sums that an accumulator cannot hold, integers or spikes that the architecture has not,
            everything of that kind gathered.
    """
    if weight_bits not in WEIGHT_BITS:
        raise UsageError(f"{weight_bits} weight bits; the choices are {', '.join(map(str, WEIGHT_BITS))}")
    network = discrete.network
    populations = []
    projections: dict[int, QuantizedProjection] = {}
    warnings: list[str] = []
    losses: list[Loss] = []
    left_out: dict[str, str] = {}
    problems: list[str] = [
        f"{name!r} sends graded spikes (up to {payload}), {arch.name!r} has none; use an architecture that is graded"
        for name, payload in discrete.payloads.items()
        if discrete.graded(name) and not arch.graded
    ]
    for population in network.populations:
        d = discrete.dynamics[population.name]
        if arch.state_bits < d.state_bits:
            problems.append(
                f"{population.name!r} ({population.model}) needs a state of {d.state_bits} bits, {arch.name!r} has "
                f"{arch.state_bits}; use an architecture with more state_bits"
            )
            continue
        incoming = [i for i, p in enumerate(network.projections) if p.target == population.name]
        layer = _integers(discrete, population, incoming, arch, weight_bits, calibration, warnings, problems)
        for i, q, shift, bits, plastic in zip(
            incoming, layer.integers, layer.shifts, layer.bits, layer.plastic, strict=True
        ):
            p = network.projections[i]
            projections[i] = QuantizedProjection(
                name=p.name,
                source=p.source,
                target=p.target,
                matrix=q,
                shift=shift,
                bits=bits,
                delay=timing.delays[i],
                plastic=plastic,
                **_kept(p, discrete),
            )
        try:
            integer = _population(population, d, layer.scale, arch, warnings)
        except DoesNotFitError as error:
            problems += error.problems
            continue
        populations.append(replace(integer, changing=changing(population.name, layer.plastic, d)))
        onto = [network.projections[i] for i in incoming]
        if calibration is not None and layer.left_out:
            left_out[population.name] = layer.left_out
        losses.append(loss_of(population, onto, d, layer, integer, arch, warnings))
    if problems:
        raise DoesNotFitError(problems)
    return QuantizedNetwork(
        network.input_shape,
        tuple(populations),
        tuple(projections[i] for i in sorted(projections)),
        network.output,
        timing,
        network.origin,
        tuple(warnings),
        tuple(losses),
        left_out,
    )


def _kept(p: Projection, discrete: DiscreteNetwork) -> dict[str, Any]:
    """What a quantized projection keeps of its own."""
    uses = p.matrix.nnz if p.convolutional else math.prod(p.matrix.shape)
    return {
        "convolutional": p.convolutional,
        "parameters": p.matrix.nnz if p.parameters is None else p.parameters,
        "connections": uses if p.connections is None else p.connections,
        "pooled": p.pooled,
        "payload": discrete.payloads[p.source],
        "signed": discrete.signed(p.source),
    }


def _integers(
    discrete: DiscreteNetwork,
    population: Population,
    incoming: list[int],
    arch: Architecture,
    weight_bits: int,
    calibration: FloatRun | None,
    warnings: list[str],
    problems: list[str],
) -> QuantizedLayer:
    """The scale of a population and the integers of its projections, `incoming` of the network's."""
    d = discrete.dynamics[population.name]
    onto = [discrete.network.projections[i] for i in incoming]
    sent = [discrete.payloads[p.source] for p in onto]
    most_shift = min((isa.largest_shift(arch.state_bits, discrete.graded(p.source)) for p in onto), default=0)
    if learns(onto):
        check_plain(onto, discrete)
        return plastic_layer(population, onto, d, arch, weight_bits, discrete.semantics.dt, sent, most_shift, warnings)
    none: list[PlasticWeights | None] = [None] * len(onto)
    if d.scale is None:
        arriving = [discrete.delays[i] for i in incoming]
        layer = Layer(population, onto, d, arch, weight_bits, calibration, sent, most_shift, arriving)
        scale, shifts, integers = layer.quantize(warnings, problems)
        return QuantizedLayer(scale, shifts, integers, [weight_bits] * len(onto), none, layer.left_out)
    shifts, integers, bits = fixed_weights(population.name, onto, d, arch, weight_bits, sent, most_shift, problems)
    return QuantizedLayer(np.full(population.n, d.scale), shifts, integers, bits, none, "its model fixes its units")


def _population(
    population: Population, d: Dynamics, scale: np.ndarray, arch: Architecture, warnings: list[str]
) -> QuantizedPopulation:
    high = (1 << (arch.state_bits - 1)) - 1
    coef_shift = _coef_shift(population, d, arch)
    values = {}
    for name, value in d.values.items():
        unit = scale if value.unit == STATE else 2.0**coef_shift if value.unit == COEFFICIENT else 1.0
        q = np.rint(value.array * unit)
        if value.unit != COEFFICIENT:
            if np.abs(q).max(initial=0) > high:
                warnings.append(
                    f"{population.name!r}: {name} exceeds the {arch.state_bits}-bit state and is clamped; use an "
                    "architecture with more state_bits"
                )
            q = np.clip(q, -high - 1, high)
        values[name] = q.astype(np.int64)
    return QuantizedPopulation(
        population.name,
        population.shape,
        scale,
        d.update,
        values,
        {name: value.unit for name, value in d.values.items()},
        coef_shift,
        d.rounding,
        d.payload,
    )


def _coef_shift(population: Population, d: Dynamics, arch: Architecture) -> int:
    """Bits behind the point of the coefficients, as many as the largest allows. Raises DoesNotFitError if none do."""
    # A decay that is 1 everywhere needs no product, so it does not have to fit a coefficient.
    factors = [v.array for v in d.values.values() if v.unit == COEFFICIENT and not (v.array == 1).all()]
    largest = max((np.abs(a).max() for a in factors), default=0.0)
    bits = arch.coef_bits
    if any(np.ptp(a) > 0 for a in factors):  # a register of each neuron holds them
        bits = min(bits, arch.state_bits)
    shift = bits - 1 if d.coef_shift is None else d.coef_shift
    while round(largest * 2**shift) >= 1 << (bits - 1):
        if d.coef_shift is not None or shift == 0:
            raise DoesNotFitError(
                [
                    f"{population.name!r}: a decay of {largest:g} is beyond coefficients of {bits} bits; decays lie "
                    "between 0 and 1"
                ]
            )
        shift -= 1
    return shift
