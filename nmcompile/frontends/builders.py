"""Networks made in Python: populations and projections without their arrays.

    x = inputs(64)
    e = population("e", "LIF", 100, tau=20e-3, r=20.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0)
    i = population("i", "LIF", 25, tau=10e-3, r=10.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0)
    to_e, e_i, i_e = dense(x, e, weights), all_to_all(e, i, 0.3), all_to_all(i, e, -1.0, delay=2)
    network = Network(x.shape, (e, i), (to_e, e_i, i_e), "e")

A projection is named after its ends unless it is given a name. Its delay counts timesteps, 0 being within the timestep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError

from ..network.limits import INPUT
from ..network.network import Network, Population, Projection
from .linear import conv2d as unrolled


@dataclass(frozen=True)
class Inputs:
    """Where spikes come in: stands where a population can."""

    shape: tuple[int, ...]
    name: str = INPUT

    @property
    def n(self) -> int:
        return math.prod(self.shape)


Source = Inputs | Population


def inputs(*shape: int) -> Inputs:
    """The input of a network: its size, or sizes, channels first."""
    return Inputs(shape)


def population(name: str, model: str, *shape: int, bias: Any = 0.0, **params: Any) -> Population:
    """A population.

    Args:
        shape: its size, or sizes, channels first.
        bias, params: a number for all neurons, or (n,) of them; `params` by the names that the model has for them.

    Raises:
        InputError: a parameter of another size.
    """
    n = math.prod(shape)
    return Population(
        name,
        shape,
        model,
        {key: _each(name, key, value, n) for key, value in params.items()},
        _each(name, "bias", bias, n),
    )


def dense(source: Source, target: Population, weights: Any, delay: int = 0, name: str | None = None) -> Projection:
    """A synapse for every weight that is not 0; `weights` (source, target), an array or a sparse one."""
    matrix = sparse.csr_array(weights, dtype=np.float64)
    matrix.eliminate_zeros()
    _check_shape(source, target, matrix.shape, "weights")
    return Projection(_name(source, target, name), source.name, target.name, matrix, delay)


def one_to_one(
    source: Source, target: Population, weight: Any = 1.0, delay: int = 0, name: str | None = None
) -> Projection:
    """Neuron i to neuron i; `weight` a number, or (n,) of them."""
    _check_shape(source, target, (target.n, target.n), "one to one: weights")
    return dense(source, target, sparse.diags_array(_each(target.name, "weight", weight, target.n)), delay, name)


def all_to_all(
    source: Source,
    target: Population,
    weight: float = 1.0,
    delay: int = 0,
    name: str | None = None,
    itself: bool = False,
) -> Projection:
    """Every neuron to every one with the same weight; `itself`: within a population, to itself, too."""
    weights = np.full((source.n, target.n), float(weight))
    if source.name == target.name and not itself:
        np.fill_diagonal(weights, 0.0)
    return dense(source, target, weights, delay, name)


def conv2d(
    source: Source,
    target: Population,
    kernel: Any,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    delay: int = 0,
    name: str | None = None,
) -> Projection:
    """A convolution (cross-correlation, as every framework has it) of images, channels first.

    Args:
        kernel: (out channels, in channels / groups, height, width).
        padding: zeros around the image, or "same" or "valid".

    Raises:
        InputError: kernel and populations do not fit; names the shape that would.
    """
    kernel = np.asarray(kernel, np.float64)
    where = _name(source, target, name)
    if kernel.ndim != 4 or len(source.shape) != 3:
        raise InputError(
            f"{where!r}: a kernel of shape {kernel.shape} on {source.name!r} of shape {source.shape}; give (out, in / "
            "groups, height, width) and (channels, height, width)"
        )
    around = padding if isinstance(padding, str) else _pair(padding)
    try:
        matrix, shape = unrolled(kernel, source.shape, _pair(stride), around, _pair(dilation), groups)
    except ValueError as error:
        raise InputError(f"{where!r}: {error}") from None
    if math.prod(shape) != target.n:
        raise InputError(f"{where!r}: gives {shape}, but {target.name!r} has shape {target.shape}; make it {shape}")
    return Projection(where, source.name, target.name, matrix, delay, True, kernel.size)


def conv1d(
    source: Source,
    target: Population,
    kernel: Any,
    stride: int = 1,
    padding: int | str = 0,
    dilation: int = 1,
    groups: int = 1,
    delay: int = 0,
    name: str | None = None,
) -> Projection:
    """A convolution of (channels, length), as `conv2d`; `kernel` (out channels, in channels / groups, length)."""
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 3 or len(source.shape) != 2:
        raise InputError(
            f"{_name(source, target, name)!r}: a kernel of shape {kernel.shape} on {source.name!r} of shape "
            f"{source.shape}; give (out, in / groups, length) and (channels, length)"
        )
    high = Inputs((source.shape[0], 1, source.shape[1]), source.name)
    around = padding if isinstance(padding, str) else (0, padding)
    return conv2d(
        high,
        target,
        kernel[:, :, None, :],
        (1, stride),
        around,
        (1, dilation),
        groups,
        delay,
        _name(source, target, name),
    )


def chain(source: Inputs, *stages: tuple[Any, Population], origin: str = "chain") -> Network:
    """A network of layers in a row; the last is read out.

    Args:
        stages: what leads to a population, and it: weights as for `dense`, or a function of source and target that
            makes the projection, for example `lambda a, b: conv2d(a, b, kernel, stride=2)`.

    Raises:
        InputError: no layers, or weights that do not fit.
    """
    if not stages:
        raise InputError(f"{origin}: no layers; give (weights, neurons) of at least one")
    before: list[Source] = [source, *(population for _, population in stages[:-1])]
    projections = tuple(
        link(a, b) if callable(link) else dense(a, b, link) for a, (link, b) in zip(before, stages, strict=True)
    )
    populations = tuple(population for _, population in stages)
    return Network(source.shape, populations, projections, populations[-1].name, origin)


def _name(source: Source, target: Population, name: str | None) -> str:
    return name or f"{source.name}->{target.name}"


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _each(name: str, what: str, value: Any, n: int) -> np.ndarray:
    values = np.asarray(value, np.float64)
    if values.shape not in ((), (n,)):
        raise InputError(f"{name!r}: {what} has shape {values.shape}; give a number, or {n:,} of them")
    return np.broadcast_to(values, (n,)).copy()


def _check_shape(source: Source, target: Population, shape: tuple[int, ...], what: str) -> None:
    if shape != (source.n, target.n):
        raise InputError(
            f"{source.name!r} to {target.name!r}: {what} of shape {shape}, but {source.n:,} and {target.n:,} neurons"
        )
