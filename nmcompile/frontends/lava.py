"""Read lava-dl's network exchange file (`.net`, HDF5): integers, which run exactly as SLAYER and Lava run them.

`layer/<i>` has `type` and `shape`, and by type:

    input    shape; with a neuron: weight, bias of the affine transform 2 weight x - weight + bias of its graded input
    dense    weight (out, in), neuron; bias, delay
    conv     weight (out, in / groups, height, width[, 1]), stride, padding, dilation, groups, neuron; bias, delay
    pool     weight (one number, or a kernel), kernelSize, stride, padding, dilation, neuron; delay: a sum pool
    flatten  nothing: images are (channels, height, width), row-major

`neuron` has iDecay, vDecay, vThMant, refDelay (1: none) of a CUBA neuron; `delay` holds whole timesteps that each
neuron of the layer sends its spikes later.
Source: lava-dl 0.6, lib/dl/netx/README.md and hdf5.py; convolutions are cross-correlations, as PyTorch trained them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError
from emulator.spec.files import printable

from ..network.limits import INPUT, LARGEST_PAYLOAD
from ..network.network import Network, Population, Projection
from ..neurons.lif import LOIHI_BITS
from ..neurons.loihi import UNIT
from .hdf5 import LARGEST, check_text, integers, numbers, open_hdf5
from .linear import conv2d, uses2d

_NEAREST = {
    "average": "leave it out, and average the spike counts of each group of outputs",
    "concat": "write the network as NIR, where several edges may enter a node",
}
_KINDS = ("input", "dense", "conv", "pool", "flatten")


def read_lava(path: str | Path) -> Network:
    """Read a `.net` file.

    Raises:
        InputError: no such file, not a .net file or truncated, a layer that cannot be expressed (named, with the
            nearest choice), or shapes that do not fit each other.
    """
    path = Path(path)
    try:
        with open_hdf5(path) as file:
            layers = _layers(file)
    except InputError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more on damaged files
        raise InputError(
            f"{path}: not a lava-dl .net file, or truncated ({type(error).__name__}); export it again"
        ) from None
    return _Reader(printable(path.name), layers).network()


def _layers(file: h5py.File) -> dict[int, dict]:
    """Layers by number, as nested dictionaries of arrays and texts."""
    layers = file.get("layer")
    if not isinstance(layers, h5py.Group) or not all(name.isdecimal() and len(name) < 7 for name in layers):
        raise InputError("an HDF5 file, but no lava-dl network in it (`layer/0`, `layer/1`, ...); export it again")
    for name, group in layers.items():
        if not isinstance(group, h5py.Group):
            raise InputError(f"layer {name} is no group of values; export it again")
    return {int(name): _values(group) for name, group in layers.items()}


def _values(group: h5py.Group) -> dict:
    found: dict = {}
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            found[key] = _values(item)
        elif isinstance(item, h5py.Dataset) and item.shape is not None:
            check_text(item)
            value = np.asarray(item[()])
            found[key] = value
            if value.dtype.kind in "OSU" and value.size:
                text = value.reshape(-1)[0]
                found[key] = printable(text.decode(errors="replace") if isinstance(text, bytes) else str(text))
    return found


class _Reader:
    """Follows the layers in order. `shape` and `source` are of what flows, `matrix` what was linear since."""

    def __init__(self, origin: str, layers: dict[int, dict]):
        self.origin, self.layers = origin, layers
        self.shape: tuple[int, ...] | None = None
        self.input_shape: tuple[int, ...] = ()
        self.input_levels = 1
        self.source = INPUT
        self.delay: np.ndarray | None = None
        self.populations: list[Population] = []
        self.projections: list[Projection] = []

    def fail(self, number: int, text: str) -> InputError:
        return InputError(f"{self.origin}: layer {number} ({self.layers[number].get('type')}) {text}")

    def read(self, number: int, values: dict, key: str, default: float | np.ndarray | None = None) -> np.ndarray:
        """Real numbers of a layer or its neuron as float64, at least one of them, none absurdly large."""
        value = values.get(key, default)
        if value is None:
            raise self.fail(number, f"has no {key!r}; export it again")
        try:
            found = numbers(np.asarray(value), key)
        except ValueError as error:
            raise self.fail(number, f"cannot be read: {error}; export it again") from None
        if not found.size or not (np.abs(found) <= LARGEST).all():
            what = "nothing in it" if not found.size else "a number that is not finite, or beyond any machine"
            raise self.fail(number, f"cannot be read: {key} has {what}; export it again")
        return found

    def whole(
        self, number: int, values: dict, key: str, default: float | np.ndarray | None = None, least: int = -LARGEST
    ) -> np.ndarray:
        """(n,) whole numbers of a layer or its neuron, each `least` or more."""
        try:
            found = np.array(integers(self.read(number, values, key, default), key))
        except ValueError as error:
            raise self.fail(number, f"cannot be read: {error}") from None
        if found.min() < least:
            raise self.fail(number, f"has {key} = {found.min():,}; it must be {least} or more")
        return found

    def network(self) -> Network:
        for number in sorted(self.layers):
            layer = self.layers[number]
            kind = layer.get("type")
            if not isinstance(kind, str) or kind not in _KINDS:
                nearest = _NEAREST.get(str(kind), f"it reads {', '.join(_KINDS)}")
                raise self.fail(number, f"cannot be expressed; {nearest}")
            getattr(self, kind)(number, layer)
        if not self.populations:
            raise InputError(f"{self.origin}: no layer with neurons")
        if self.delay is not None and self.delay.any():
            raise InputError(
                f"{self.origin}: {self.source!r}, the output, has delays of up to {int(self.delay.max())} timesteps; "
                "set them to 0, and count its spikes that much later"
            )
        return Network(
            self.input_shape,
            tuple(self.populations),
            tuple(self.projections),
            self.source,
            self.origin,
            self.input_levels,
        )

    # -------------------------------------------------------------------------------------------- layers
    def input(self, number: int, layer: dict) -> None:
        if self.populations or self.shape is not None:
            raise self.fail(number, "is not the first; a network has one input")
        shape = self.sizes(number, layer)
        self.begin(shape)
        if "neuron" not in layer:
            return
        weight = float(self.whole(number, layer, "weight", UNIT)[0])
        bias = float(self.whole(number, layer, "bias", 0)[0])
        self.input_levels = LARGEST_PAYLOAD
        n = math.prod(shape)
        # the transform acts on the current without the factor that weights have
        matrix = sparse.diags_array(np.full(n, 2 * weight / UNIT), format="csr")
        self.add(number, layer | {"bias": 0}, matrix, shape, drive=bias - weight)

    def sizes(self, number: int, layer: dict) -> tuple[int, ...]:
        shape = tuple(self.whole(number, layer, "shape", least=1).tolist())
        if math.prod(shape) > LARGEST:
            raise self.fail(number, f"has shape {shape}; at most {LARGEST:,} in all")
        return shape

    def begin(self, shape: tuple[int, ...]) -> None:
        self.shape = self.input_shape = shape

    def flatten(self, number: int, layer: dict) -> None:
        if self.shape is not None:
            self.shape = (math.prod(self.shape),)

    def dense(self, number: int, layer: dict) -> None:
        weight, out = self.read(number, layer, "weight"), math.prod(self.sizes(number, layer))
        if weight.size % out:
            raise self.fail(number, f"has {weight.size:,} weights for {out:,} neurons")
        weight = weight.reshape(out, -1)
        if self.shape is None:
            self.begin((weight.shape[1],))
        assert self.shape is not None
        if weight.shape[1] != math.prod(self.shape):
            raise self.fail(number, f"takes {weight.shape[1]:,} inputs, but {math.prod(self.shape):,} flow in")
        self.add(number, layer, sparse.csr_array(weight.T), (out,))

    def conv(self, number: int, layer: dict) -> None:
        weight = self.read(number, layer, "weight")
        if weight.ndim not in (4, 5) or math.prod(weight.shape[4:]) != 1:
            raise self.fail(number, f"has weights of shape {weight.shape}, expected (out, in / groups, height, width)")
        self.convolve(number, layer, weight.reshape(weight.shape[:4]), int(self.whole(number, layer, "groups", 1)[0]))

    def pool(self, number: int, layer: dict) -> None:
        channels = self.image(number)[0]
        kernel = self.pair(number, layer, "kernelSize", least=1)
        weight = np.ravel(self.read(number, layer, "weight"))
        if weight.size not in (1, math.prod(kernel)):
            raise self.fail(number, f"has {weight.size:,} weights for a kernel of {kernel[0]} x {kernel[1]}")
        weight = np.broadcast_to(weight, (math.prod(kernel),)).reshape(kernel)
        self.convolve(number, layer, np.tile(weight, (channels, 1, 1, 1)), channels, np.array(kernel))

    def pair(
        self, number: int, layer: dict, key: str, default: float | np.ndarray | None = None, least: int = 0
    ) -> tuple[int, int]:
        """Height and width; one number counts for both."""
        values = self.whole(number, layer, key, default, least)
        return int(values[0]), int(values[1 % len(values)])

    def image(self, number: int) -> tuple[int, int, int]:
        if self.shape is None or len(self.shape) != 3:
            raise self.fail(
                number, f"needs images of (channels, height, width), but {self.shape} flows in; add an input layer"
            )
        return self.shape[0], self.shape[1], self.shape[2]

    def convolve(self, number: int, layer: dict, weight: np.ndarray, groups: int, stride: np.ndarray | int = 1) -> None:
        given = self.image(number)

        arguments = (
            self.pair(number, layer, "stride", stride),
            self.pair(number, layer, "padding", 0),
            self.pair(number, layer, "dilation", 1),
            groups,
        )
        try:
            matrix, shape = conv2d(weight, given, *arguments)
        except ValueError as error:
            raise self.fail(number, str(error)) from None
        uses = uses2d(weight, given, *arguments)
        self.add(number, layer, matrix, shape, convolutional=True, parameters=weight.size, connections=uses)

    # ----------------------------------------------------------------------------------------- neurons
    def add(
        self,
        number: int,
        layer: dict,
        matrix: sparse.csr_array,
        shape: tuple[int, ...],
        drive: float = 0.0,
        convolutional: bool = False,
        parameters: int | None = None,
        connections: int | None = None,
    ) -> None:
        """A population of the layer's neurons behind its weights."""
        neuron, n, name = layer.get("neuron"), math.prod(shape), f"layer{number}"
        if not isinstance(neuron, dict):
            raise self.fail(number, "has no 'neuron'; export it again")
        kind = neuron.get("type", "CUBA")
        graded = bool(self.read(number, neuron, "gradedSpike", 0).any())
        if not isinstance(kind, str) or kind not in ("CUBA", "LOIHI") or graded:
            raise self.fail(
                number, f"has {'graded ' if graded else ''}{kind} neurons; train it with CUBA ones and plain spikes"
            )

        def each(key: str, values: dict, default: float | None = None, low: int = -LARGEST) -> np.ndarray:
            """(n,) whole numbers from one for all, one each, or one per channel."""
            flat = self.whole(number, values, key, default, low).astype(np.float64)
            if flat.size not in (1, n, shape[0]):
                raise self.fail(number, f"has {flat.size:,} values of {key} for {n:,} neurons")
            return flat.copy() if flat.size == n else np.repeat(flat, n // flat.size)

        params = {
            "i_decay": each("iDecay", neuron, low=0),
            "v_decay": each("vDecay", neuron, low=0),
            "v_threshold": each("vThMant", neuron),
            "refractory": np.maximum(each("refDelay", neuron, 1) - 1, 0),
            "drive": np.full(n, drive),
        }
        for key, values in (("iDecay", params["i_decay"]), ("vDecay", params["v_decay"])):
            if values.max() > 1 << LOIHI_BITS:
                raise self.fail(number, f"has {key} = {values.max():,.0f}; it must be {1 << LOIHI_BITS:,} or less")
        self.populations.append(Population(name, shape, "Loihi", params, each("bias", layer, 0)))
        projection = Projection(
            f"weights{number}",
            self.source,
            name,
            matrix,
            convolutional=convolutional,
            parameters=parameters,
            connections=connections,
        )
        self.projections += delayed(projection, self.delay)
        self.source, self.shape = name, shape
        self.delay = None
        if "delay" in layer:  # trained in fractions, taken down to whole timesteps as lava-dl does
            self.delay = each("delay", {"delay": np.floor(self.read(number, layer, "delay"))}, low=0)


def delayed(projection: Projection, delay: np.ndarray | None) -> list[Projection]:
    """One projection for every delay, in timesteps, (n_source,), that its source neurons have."""
    if delay is None:
        return [projection]
    steps = np.floor(delay).astype(int)
    found: list[Projection] = []
    for step in np.unique(steps):
        rows = sparse.diags_array((steps == step).astype(np.float64), format="csr")
        matrix = (rows @ projection.matrix).tocsr()
        matrix.eliminate_zeros()
        if matrix.nnz or len(found) == 0:
            name = projection.name if step == 0 else f"{projection.name} after {step}"
            found.append(replace(projection, name=name, matrix=matrix, delay=int(step)))
    return found
