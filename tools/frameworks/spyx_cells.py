"""Spyx: a Sequential of flax layers and neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .cell import HIDDEN, IMAGE, INPUTS, OUTPUTS, Cell, Trained

NAME = "Spyx 1.0.0"


def build(hidden: Callable[..., Any], last: Callable[..., Any], gain: float = 2.0, conv: bool = False) -> Trained:
    import jax.numpy as jnp
    import spyx.nn as sn
    from flax import nnx
    from spyx.nir import to_nir

    rngs = nnx.Rngs(3)
    size = INPUTS if conv else HIDDEN
    shape = (8, 8, 4) if conv else (HIDDEN,)
    first = nnx.Conv(1, 4, (3, 3), padding="SAME", rngs=rngs) if conv else nnx.Linear(INPUTS, HIDDEN, rngs=rngs)
    between = [sn.Flatten()] if conv else []
    second = nnx.Linear(4 * size if conv else HIDDEN, OUTPUTS, rngs=rngs)
    for layer in (first, second):
        layer.kernel = nnx.Param(layer.kernel[...] * gain)
    model = sn.Sequential(first, hidden(shape, rngs), *between, second, last((OUTPUTS,), rngs))

    def run(x: np.ndarray) -> np.ndarray:
        given = jnp.asarray(x, jnp.float32)
        if conv:
            given = given.reshape(*x.shape[:2], 8, 8, 1)
        out, _ = sn.run(model, given, batch_major=True)
        return np.asarray(out)

    sample = IMAGE if conv else (INPUTS,)
    ends = {"input": np.array(sample)}, {"output": np.array((OUTPUTS,))}
    return Trained(model, sample, run, lambda: to_nir(model, *ends, dt=1e-4))


def neuron(kind: str, shape: Any, rngs: Any, **options: Any) -> Any:
    import spyx.nn as sn

    return getattr(sn, kind)(shape, rngs=rngs, **options)


def cells() -> Iterator[Cell]:
    def both(kind: str, gain: float = 2.0, **options: Any) -> Callable[[], Trained]:
        made = partial(neuron, kind, **options)
        return partial(build, made, made, gain)

    for kind in ("IF", "LIF", "CuBaLIF"):
        yield Cell(NAME, kind, both(kind), "spyx")
    yield Cell(NAME, "LIF, beta=0.9", both("LIF", beta=0.9), "spyx")
    yield Cell(NAME, "LIF, beta=1", both("LIF", beta=1.0), "spyx")
    yield Cell(NAME, "LIF, beta=1.2", both("LIF", beta=1.2), "spyx")
    conv = partial(build, *[partial(neuron, "LIF")] * 2, 2.0, True)
    yield Cell(
        NAME, "LIF behind a convolution", conv, "spyx", lost="the order of elements behind Flatten (channels last)"
    )
    wiring = "the wiring (its input goes through the recurrent weights)"
    for kind in ("RIF", "RLIF", "RCuBaLIF"):
        made = partial(build, partial(_small, kind), partial(neuron, "LIF"))
        yield Cell(NAME, kind, made, "spyx", lost=wiring)
    readout = partial(build, partial(neuron, "LIF"), partial(neuron, "LI"))
    yield Cell(
        NAME, "LI at the output", readout, "spyx", lost="the layer (not among what its exporter knows)", membrane=True
    )
    yield Cell(NAME, "PSU_LIF", both("PSU_LIF"), "spyx", lost="that it is one neuron (an LI and a Threshold)")


def _small(kind: str, shape: Any, rngs: Any) -> Any:
    from flax import nnx

    made = neuron(kind, shape, rngs)
    made.recurrent_w = nnx.Param(made.recurrent_w[...] * 0.1)
    return made
