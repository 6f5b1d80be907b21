"""PyTorch's layers without neurons, as nodes of a NIR graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.spec.errors import InputError

from ..network.nir_graph import Node
from .frameworks.neuron import array
from .linear import LARGEST

Shape = tuple[int, ...]
_Nodes = tuple[tuple[str, str, dict[str, np.ndarray]], ...]


@dataclass(frozen=True)
class Layer:
    """What a layer is in NIR.

    Attributes:
        nodes: (suffix of its name, type, parameters) of the nodes in a row that it becomes.
        notes: what was assumed.
        norm: (scale, shift) per channel, of a normalisation, which the layer before can take up.
    """

    nodes: _Nodes = ()
    notes: tuple[str, ...] = ()
    norm: tuple[np.ndarray, np.ndarray] | None = None


def linear_layer(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape]:
    """A module without neurons that takes `shape`: its nodes, and the shape that it gives.

    A module that is none of PyTorch's common ones is asked what it does to each input alone, and must be linear.

    Raises:
        InputError: it is not linear, or an option of it cannot be expressed.
    """
    kind = type(module).__name__
    for ancestor in type(module).__mro__:  # sinabs and SpikingJelly derive theirs
        if ancestor.__name__ in _KINDS and (ancestor.__module__.startswith("torch.") or ancestor is type(module)):
            kind = ancestor.__name__
            break
    if kind in _KINDS:
        found = _KINDS[kind](name, module, shape)
        if found is not None:
            return found
    return _probed(name, module, shape)


def _linear(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape]:
    weight = array(module.weight)
    if shape[-1:] != weight.shape[1:] or math.prod(shape) != weight.shape[1]:
        raise InputError(f"{name!r} (Linear) takes {weight.shape[1]} inputs, but {shape} flows in; flatten it first")
    return _affine(weight, None if module.bias is None else array(module.bias)), (len(weight),)


def _rockpool_linear(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape]:
    weight = array(module.weight).T
    return _affine(weight, None if module.bias is None else array(module.bias)), (len(weight),)


def _affine(weight: np.ndarray, bias: np.ndarray | None) -> Layer:
    if bias is None:
        return Layer((("", "Linear", {"weight": weight}),))
    return Layer((("", "Affine", {"weight": weight, "bias": bias}),))


def _conv(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape] | None:
    if module.padding_mode != "zeros":
        return None  # what it does at the edges is found by asking
    axes = array(module.weight).ndim - 2
    padding = module.padding
    values = {
        "weight": array(module.weight),
        "bias": np.zeros(module.out_channels) if module.bias is None else array(module.bias),
        "stride": np.array(module.stride),
        "padding": np.array(padding if isinstance(padding, str) else tuple(padding)),
        "dilation": np.array(module.dilation),
        "groups": np.array(module.groups),
        "input_shape": np.array(shape[-axes:]),
    }
    kernel = array(module.weight).shape[2:]
    sizes = []
    for i, size in enumerate(shape[-axes:]):
        reach = module.dilation[i] * (kernel[i] - 1)
        around = reach if padding == "same" else 0 if padding == "valid" else 2 * padding[i]
        sizes.append((size + around - reach - 1) // module.stride[i] + 1)
    return Layer((("", f"Conv{axes}d", values),)), (module.out_channels, *sizes)


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(int(v) for v in np.ravel(np.asarray(value)))
    return (values[0], values[-1])


def _window(module: Any, shape: Shape, padding: Any) -> tuple[dict[str, np.ndarray], Shape]:
    kernel, around = _pair(module.kernel_size), _pair(padding)
    stride = kernel if module.stride is None else _pair(module.stride)
    sizes = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[-2:], around, kernel, stride, strict=True)]
    values = {"kernel_size": np.array(kernel), "stride": np.array(stride), "padding": np.array(around)}
    return values, (*shape[:-2], *sizes)


def _average(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape] | None:
    odd = module.ceil_mode or module.divisor_override is not None
    if odd or (not module.count_include_pad and any(_pair(module.padding))):
        return None
    values, out = _window(module, shape, module.padding)
    return Layer((("", "AvgPool2d", values),)), out


def _sum(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape] | None:
    if getattr(module, "ceil_mode", False):
        return None
    values, out = _window(module, shape, 0)
    return Layer((("", "SumPool2d", values),)), out


def _maximum(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape]:
    if module.ceil_mode or _pair(module.dilation) != (1, 1):
        raise InputError(f"{name!r} (MaxPool2d): ceil_mode and dilation cannot be expressed; leave them out")
    values, out = _window(module, shape, module.padding)
    note = f"{name!r}: the maximum of spikes is an OR, done by neurons of their own (a timestep more of latency)"
    threshold = {"threshold": np.full(out, 0.5)}
    return Layer((("", "SumPool2d", values), (".or", "Threshold", threshold)), (note,)), out


def _norm(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape]:
    if module.running_mean is None:
        raise InputError(f"{name!r} ({type(module).__name__}) keeps no running statistics; train it with them")
    scale = 1 / np.sqrt(array(module.running_var) + module.eps)
    shift = -array(module.running_mean) * scale
    if module.weight is not None:
        scale, shift = scale * array(module.weight), shift * array(module.weight) + array(module.bias)
    for extra in ("alpha", "v_th"):  # SpikingJelly's threshold-dependent ones multiply by both
        scale = scale * float(getattr(module, extra, 1.0)) if type(module).__name__.startswith("Threshold") else scale
    note = f"{name!r}: a normalisation by running statistics, as in eval(), is folded"
    if len(shape) == 3:
        values = {
            "weight": scale[:, None, None, None],
            "bias": shift,
            "stride": np.array([1, 1]),
            "padding": np.array([0, 0]),
            "dilation": np.array([1, 1]),
            "groups": np.array(len(scale)),
            "input_shape": np.array(shape[-2:]),
        }
        return Layer((("", "Conv2d", values),), (note,), (scale, shift)), shape
    if len(shape) == 2:
        scale, shift = (np.repeat(v, shape[1]) for v in (scale, shift))
    if len(scale) ** 2 > LARGEST:
        raise InputError(f"{name!r} normalises {len(scale):,} elements; put it right behind a layer with weights")
    per = (scale, shift) if len(shape) == 1 else None
    return Layer((("", "Affine", {"weight": np.diag(scale), "bias": shift}),), (note,), per), shape


def fold_norm(nodes: dict[str, Node], edges: list[tuple[str, str]], before: list[str], layer: Layer) -> bool:
    """Take a normalisation up into the weights before it, if nothing else hears of them."""
    if layer.norm is None or len(before) != 1 or nodes[before[0]].kind not in ("Linear", "Affine", "Conv1d", "Conv2d"):
        return False
    name, (scale, shift) = before[0], layer.norm
    values = nodes[name].values
    if any(source == name for source, _ in edges) or len(values["weight"]) != len(scale):
        return False
    by = scale.reshape(-1, *[1] * (values["weight"].ndim - 1))
    bias = values.get("bias", np.zeros(len(scale))) * scale + shift
    kind = "Affine" if nodes[name].kind == "Linear" else nodes[name].kind
    nodes[name] = Node(name, kind, values | {"weight": values["weight"] * by, "bias": bias})
    return True


def _probed(name: str, module: Any, shape: Shape) -> tuple[Layer, Shape]:
    """An affine layer of what a module does to nothing, and to each input alone."""
    import sys

    torch = sys.modules["torch"]
    kind, n = type(module).__name__, math.prod(shape)
    if n * n > LARGEST:
        raise InputError(f"{name!r} ({kind}) is unknown, and too large to be asked what it does ({n:,} inputs)")
    with torch.no_grad():
        try:
            nothing = module(torch.zeros(1, *shape))
            units = module(torch.eye(n).reshape(n, *shape))
            trial = torch.rand(3, *shape) * 2 - 1
            tried = module(trial)
        except Exception as error:
            raise InputError(f"{name!r} ({kind}) cannot be expressed ({error})".splitlines()[0]) from None
    bias, out = array(nothing).reshape(-1), tuple(nothing.shape[1:])
    if bias.size * n > LARGEST:
        raise InputError(f"{name!r} ({kind}) is unknown, and too large to be unrolled ({bias.size * n:,} weights)")
    weight = array(units).reshape(n, -1).T - bias[:, None]
    wanted = array(trial).reshape(3, -1) @ weight.T + bias
    if not np.allclose(array(tried).reshape(3, -1), wanted, rtol=1e-3, atol=1e-4):
        raise InputError(f"{name!r} ({kind}) is not linear, and no neuron that is known; leave it out, or replace it")
    note = f"{name!r}: a {kind} was unrolled into weights"
    return Layer((("", "Affine", {"weight": weight, "bias": bias}),), (note,)), out


_KINDS: dict[str, Callable[[str, Any, Shape], tuple[Layer, Shape] | None]] = {
    "Linear": _linear,
    "LinearTorch": _rockpool_linear,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "AvgPool2d": _average,
    "SumPool2d": _sum,
    "MaxPool2d": _maximum,
    "BatchNorm1d": _norm,
    "BatchNorm2d": _norm,
}
