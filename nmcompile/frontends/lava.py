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

from ..linear import conv2d
from ..loihi import UNIT
from ..network import INPUT, LARGEST_PAYLOAD, Network, Population, Projection

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
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            layers = _layers(file)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more on damaged files
        raise InputError(
            f"{path}: not a lava-dl .net file, or truncated ({type(error).__name__}); export it again"
        ) from None
    try:
        return _Reader(path.name, layers).network()
    except (KeyError, ValueError) as error:
        what = f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: {what}; export it again") from None


def _layers(file: h5py.File) -> dict[int, dict]:
    """Layers by number, as nested dictionaries of arrays and texts."""
    if "layer" not in file or not all(name.isdigit() for name in file["layer"]):
        raise InputError("an HDF5 file, but no lava-dl network in it (`layer/0`, `layer/1`, ...); export it again")
    return {int(name): _values(group) for name, group in file["layer"].items()}


def _values(group: h5py.Group) -> dict:
    found: dict = {}
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            found[key] = _values(item)
            continue
        value = np.asarray(item[()])
        text = value.dtype.kind in "OS"
        found[key] = (value.reshape(-1)[0] if text else value) if value.size else value
        if text and isinstance(found[key], bytes):
            found[key] = found[key].decode(errors="replace")
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

    def network(self) -> Network:
        for number in sorted(self.layers):
            layer = self.layers[number]
            kind = layer.get("type")
            if kind not in _KINDS:
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
        shape = tuple(int(n) for n in np.ravel(layer["shape"]))
        self.begin(shape)
        if "neuron" not in layer:
            return
        weight = float(np.ravel(layer.get("weight", UNIT))[0])
        bias = float(np.ravel(layer.get("bias", 0))[0])
        self.input_levels = LARGEST_PAYLOAD
        n = math.prod(shape)
        # the transform acts on the current without the factor that weights have
        matrix = sparse.diags_array(np.full(n, 2 * weight / UNIT), format="csr")
        self.add(number, layer | {"bias": 0}, matrix, shape, drive=bias - weight)

    def begin(self, shape: tuple[int, ...]) -> None:
        self.shape = self.input_shape = shape

    def flatten(self, number: int, layer: dict) -> None:
        if self.shape is not None:
            self.shape = (math.prod(self.shape),)

    def dense(self, number: int, layer: dict) -> None:
        weight = layer["weight"].astype(np.float64)
        out = math.prod(int(n) for n in np.ravel(layer["shape"]))
        weight = weight.reshape(out, -1)
        if self.shape is None:
            self.begin((weight.shape[1],))
        assert self.shape is not None
        if weight.shape[1] != math.prod(self.shape):
            raise self.fail(number, f"takes {weight.shape[1]:,} inputs, but {math.prod(self.shape):,} flow in")
        self.add(number, layer, sparse.csr_array(weight.T), (out,))

    def conv(self, number: int, layer: dict) -> None:
        weight = layer["weight"].astype(np.float64)
        weight = weight.reshape(weight.shape[:4])
        self.convolve(number, layer, weight, int(np.ravel(layer.get("groups", 1))[0]))

    def pool(self, number: int, layer: dict) -> None:
        channels = self.image(number)[0]
        kernel = np.ravel(layer["kernelSize"])[:2].astype(int)
        weight = np.ravel(layer["weight"]).astype(np.float64)
        weight = np.full(tuple(kernel), weight[0]) if weight.size == 1 else weight.reshape(tuple(kernel))
        self.convolve(number, layer, np.tile(weight, (channels, 1, 1, 1)), channels, kernel)

    def image(self, number: int) -> tuple[int, int, int]:
        if self.shape is None or len(self.shape) != 3:
            raise self.fail(
                number, f"needs images of (channels, height, width), but {self.shape} flows in; add an input layer"
            )
        return self.shape[0], self.shape[1], self.shape[2]

    def convolve(self, number: int, layer: dict, weight: np.ndarray, groups: int, stride: np.ndarray | int = 1) -> None:
        given = self.image(number)

        def pair(key: str, default: np.ndarray | int) -> tuple[int, int]:
            values = np.ravel(layer.get(key, default)).astype(int)
            return int(values[0]), int(values[1 % len(values)])

        arguments = (pair("stride", stride), pair("padding", 0), pair("dilation", 1), groups)
        try:
            matrix, shape = conv2d(weight, given, *arguments)
        except ValueError as error:
            raise self.fail(number, str(error)) from None
        self.add(number, layer, matrix, shape, convolutional=True, parameters=weight.size)

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
    ) -> None:
        """A population of the layer's neurons behind its weights."""
        neuron, n, name = layer["neuron"], math.prod(shape), f"layer{number}"
        kind = neuron.get("type", "CUBA")
        graded = bool(np.ravel(neuron.get("gradedSpike", 0))[0])
        if kind not in ("CUBA", "LOIHI") or graded:
            raise self.fail(
                number, f"has {'graded ' if graded else ''}{kind} neurons; train it with CUBA ones and plain spikes"
            )

        def each(values: np.ndarray | float, what: str) -> np.ndarray:
            """(n,) from one for all, one each, or one per channel."""
            flat = np.ravel(values).astype(np.float64)
            if flat.size not in (1, n, shape[0]):
                raise self.fail(number, f"has {flat.size:,} values of {what} for {n:,} neurons")
            return flat.copy() if flat.size == n else np.repeat(flat, n // flat.size)

        params = {
            "i_decay": each(neuron["iDecay"], "iDecay"),
            "v_decay": each(neuron["vDecay"], "vDecay"),
            "v_threshold": each(neuron["vThMant"], "vThMant"),
            "refractory": np.maximum(each(neuron.get("refDelay", 1), "refDelay") - 1, 0),
            "drive": np.full(n, drive),
        }
        self.populations.append(Population(name, shape, "Loihi", params, each(layer.get("bias", 0), "bias")))
        projection = Projection(f"weights{number}", self.source, name, matrix, 0, convolutional, parameters)
        self.projections += delayed(projection, self.delay)
        self.source, self.shape = name, shape
        self.delay = each(layer["delay"], "delay") if "delay" in layer else None


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
