"""Spyx's layers without neurons: flax has channels last, weights (in, out), kernels (height, width, in, out)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emulator.spec.errors import InputError

from .frameworks.neuron import array
from .layers import Layer

Shape = tuple[int, ...]


def spyx_layer(name: str, layer: Any, shape: Shape) -> tuple[Layer, Shape]:
    """Nodes of a layer that takes `shape`, channels first, and the shape that it gives.

    Raises:
        InputError: no layer that is known.
    """
    kind = type(layer).__name__
    if kind == "Linear":
        weight = array(layer.kernel[...]).T
        if math.prod(shape) != weight.shape[1]:
            raise InputError(f"{name!r} (Linear) takes {weight.shape[1]} inputs, but {shape} flows in")
        if len(shape) == 3:  # behind a Flatten of an image whose channels were last
            order = np.arange(math.prod(shape)).reshape(*shape[1:], shape[0])
            weight = weight[:, np.moveaxis(order, -1, 0).reshape(-1)]
        if layer.bias is None:
            return Layer((("", "Linear", {"weight": weight}),)), (len(weight),)
        return Layer((("", "Affine", {"weight": weight, "bias": array(layer.bias[...])}),)), (len(weight),)
    if kind == "Flatten":
        return Layer(), shape
    if kind in ("Dropout", "Identity"):
        return Layer(), shape
    if kind == "Conv":
        weight = array(layer.kernel[...]).transpose(3, 2, 0, 1)
        bias = np.zeros(len(weight)) if layer.bias is None else array(layer.bias[...])
        stride, dilation = (_pair(getattr(layer, key, 1)) for key in ("strides", "kernel_dilation"))
        groups = int(getattr(layer, "feature_group_count", 1))
        padding = _padding(name, layer.padding, stride)
        values = {
            "weight": weight,
            "bias": bias,
            "stride": np.array(stride),
            "padding": np.array(padding),
            "dilation": np.array(dilation),
            "groups": np.array(groups),
            "input_shape": np.array(shape[-2:]),
        }
        sizes = []
        for i, size in enumerate(shape[-2:]):
            reach = dilation[i] * (weight.shape[2 + i] - 1)
            around = reach if padding == "same" else 0 if padding == "valid" else 2 * int(padding[i])
            sizes.append((size + around - reach - 1) // stride[i] + 1)
        return Layer((("", "Conv2d", values),)), (len(weight), *sizes)
    if kind == "SumPool" and str(layer.padding).upper() == "VALID":
        window, stride = _pair(layer.window_shape), _pair(layer.strides)
        sizes = [(n - k) // s + 1 for n, k, s in zip(shape[-2:], window, stride, strict=True)]
        values = {"kernel_size": np.array(window), "stride": np.array(stride), "padding": np.array([0, 0])}
        return Layer((("", "SumPool2d", values),)), (shape[0], *sizes)
    raise InputError(f"{name!r} is a {kind} of {type(layer).__module__}, which is unknown; leave it out, or replace it")


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(int(v) for v in np.ravel(np.asarray(1 if value is None else value)))
    return values[0], values[-1]


def _padding(name: str, padding: Any, stride: tuple[int, int]) -> Any:
    """'same', 'valid' or two numbers; one that pads more on one side than on the other is refused."""
    if isinstance(padding, str):
        word = padding.lower()
        if word == "valid" or (word == "same" and stride == (1, 1)):
            return word
        raise InputError(f"{name!r}: padding {padding!r} with a stride cannot be expressed; give numbers")
    sides = [tuple(np.ravel(p)) for p in padding]
    if any(len(side) == 2 and side[0] != side[1] for side in sides):
        raise InputError(f"{name!r}: padding {padding} differs between two sides; give the same")
    return [int(side[0]) for side in sides]
