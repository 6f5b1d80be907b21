"""What flows where when a PyTorch module runs a sample: calls of its layers, and what becomes of their results between.

Layers are seen by forward hooks, what happens between them by a mode that sees every torch function. Nothing of torch
is imported: it is there, as the module is made of it.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from emulator.spec.errors import InputError

from .frameworks import framework_of


class Expr:
    """What a tensor is, in terms of the input and of layers' results."""


@dataclass(frozen=True)
class Source(Expr):
    """The sample, or a piece of it."""


@dataclass(frozen=True)
class Result(Expr):
    """Of the call of that number; part 0 is what the layer sends, others are its states."""

    call: int
    part: int = 0


@dataclass(frozen=True, eq=False)
class View(Expr):
    """Elements of another, moved; `index` says which of its flat elements lies where."""

    of: Expr
    index: np.ndarray


@dataclass(frozen=True)
class Sum(Expr):
    parts: tuple[Expr, ...]


@dataclass(frozen=True)
class Scaled(Expr):
    of: Expr
    factor: float


@dataclass(frozen=True)
class Opaque(Expr):
    """Something that cannot be followed, and why."""

    why: str


@dataclass(frozen=True)
class Call:
    """A layer at work: its name, and the shapes of the tensors that went in and came out."""

    name: str
    module: Any
    given: Expr
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]


_SAME = {"detach", "clone", "contiguous", "float", "double", "half", "to", "cpu", "requires_grad_"}
_SAME |= {"dropout", "feature_dropout", "alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "type", "type_as"}
_MOVED = {
    "flatten",
    "view",
    "reshape",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "movedim",
    "moveaxis",
    "swapaxes",
}
_MOVED |= {"__getitem__", "select", "narrow", "unbind", "split", "chunk", "unflatten", "swapdims", "index_select"}
_ADDED = {"add", "__add__", "__radd__", "__iadd__", "add_"}
_TIMES = {"mul", "__mul__", "__rmul__", "__imul__", "mul_"}
_OVER = {"div", "__truediv__", "__div__", "true_divide", "div_", "__itruediv__"}
_GATHERED = {"stack", "cat", "concat", "concatenate"}
_OVER_TIME = {"sum", "mean"}
_NOT_LAYERS = ("Flatten", "Unflatten", "Identity", "Dropout", "AlphaDropout", "FeatureAlphaDropout")


class Tracer:
    """Runs the module once; afterwards `calls` and `output` say what happened."""

    def __init__(self, module: Any, sample: Any):
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(module, torch.nn.Module):
            raise InputError(f"a {type(module).__name__} is no PyTorch module; give the trained torch.nn.Module")
        self.torch = torch
        self.calls: list[Call] = []
        self.inside = 0
        self.known: dict[int, tuple[Any, Expr]] = {}  # id of a tensor: the tensor, so that no other takes its id
        sample = torch.as_tensor(sample)
        if not sample.is_floating_point():
            sample = sample.to(torch.get_default_dtype())
        self.sample_shape = tuple(sample.shape)
        self.remember(sample, Source())
        every = list(torch.nn.Module.modules(module))  # Rockpool's own `modules` is something else
        with _undisturbed(module, every) as root:
            out = self.run(root, sample)
        self.output = next((self.known[id(t)][1] for t in _tensors(out) if id(t) in self.known), None)
        if self.output is None:
            raise InputError("what the module returns has nothing to do with its sample; return the last spikes")

    def run(self, root: Any, sample: Any) -> Any:
        """What the module returns for the sample, with every layer's call noted."""
        root.eval()
        hooks = []
        for name, layer in self.find_layers("", root):
            hooks.append(layer.register_forward_pre_hook(self.entering))
            hooks.append(layer.register_forward_hook(self.leaving(name or "net")))
        try:
            with self.torch.no_grad(), self.mode():
                return root(sample)
        except InputError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(f"the module does not run on a sample of shape {self.sample_shape}: {text}") from error
        finally:
            for hook in hooks:
                hook.remove()

    def find_layers(self, prefix: str, module: Any) -> Iterator[tuple[str, Any]]:
        """Modules that are one step each: neurons of a framework, and whatever has no modules in it."""
        if type(module).__name__ in _NOT_LAYERS or type(module).__name__.startswith("Dropout"):
            return
        children = list(self.torch.nn.Module.named_children(module))
        if framework_of(module) or not children:
            yield prefix, module
            return
        for name, child in children:
            yield from self.find_layers(f"{prefix}.{name}" if prefix else name, child)

    # --------------------------------------------------------------------------------------------- hooks
    def remember(self, tensor: Any, what: Expr) -> None:
        self.known[id(tensor)] = (tensor, what)

    def what_is(self, tensor: Any) -> Expr | None:
        held = self.known.get(id(tensor))
        return held[1] if held else None

    def entering(self, module: Any, given: tuple[Any, ...]) -> None:
        self.inside += 1

    def leaving(self, name: str) -> Callable[[Any, tuple[Any, ...], Any], None]:
        def hook(module: Any, given: tuple[Any, ...], out: Any) -> None:
            self.inside -= 1
            if self.inside:
                return
            first = given[0] if given else None
            results = list(_tensors(out))
            if first is None or not results:
                return
            what = self.what_is(first) or Opaque(f"what flows into {name!r} does not come from the sample")
            self.calls.append(Call(name, module, what, tuple(first.shape), tuple(results[0].shape)))
            for part, tensor in reversed(list(enumerate(results))):  # what it sends may be among its states, too
                self.remember(tensor, Result(len(self.calls) - 1, part))

        return hook

    def mode(self) -> Any:
        tracer = self

        class Mode(self.torch.overrides.TorchFunctionMode):  # type: ignore[name-defined]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                out = func(*args, **(kwargs or {}))
                return out if tracer.inside else tracer.follow(func, args, kwargs or {}, out)

        return Mode()

    # ----------------------------------------------------------------------------------------- functions
    def follow(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        """Note what a function made of tensors that are known."""
        name = getattr(func, "__name__", str(func))
        if name == "__iter__":
            pieces = list(out)
            for i, piece in enumerate(pieces):
                self.moved(args[0], piece, partial(_piece, list, i))
            return iter(pieces)
        results = list(_tensors(out))
        inputs = [t for t in _tensors((args, kwargs)) if self.what_is(t) is not None]
        if not results or not inputs:
            return out
        what = self.what_is(inputs[0])
        assert what is not None
        if name in _SAME:
            for t in results:
                self.remember(t, what)
        elif name in _MOVED:
            for i, t in enumerate(results):
                self.moved(inputs[0], t, partial(_piece, lambda a: _tensors(func(a, *args[1:], **kwargs)), i))
        elif name in ("max_pool2d", "avg_pool2d", "_max_pool2d", "boolean_dispatch"):
            self.pooled(name, args, kwargs, what, inputs[0], results[0])
        elif name in _GATHERED and len(inputs) == len(list(_tensors(args[0]))):
            last = self.what_is(list(_tensors(args[0]))[-1])
            same = {_layer(self.what_is(t), self.calls) for t in inputs}
            self.remember(results[0], last if len(same) == 1 and last else Opaque(f"torch.{name} of several layers"))
        elif name in _ADDED and len(args) == 2 and not kwargs:
            self.remember(results[0], self.added(args, inputs))
        elif name in _TIMES | _OVER and len(args) == 2:
            self.remember(results[0], self.scaled(name, args, what))
        elif name in _OVER_TIME and isinstance(what, Result | View):
            self.remember(results[0], Opaque(f"torch.{name}") if isinstance(what, Source) else what)
        else:
            for t in results:
                self.remember(t, Opaque(f"torch function {name!r}"))
        return out

    def moved(self, source: Any, result: Any, move: Callable[[Any], Any]) -> None:
        """A function that moves elements does it to their numbers, too."""
        what = self.what_is(source)
        if what is None:
            return
        numbers = self.torch.arange(math.prod(source.shape), dtype=self.torch.float64).reshape(tuple(source.shape))
        with self.torch._C.DisableTorchFunction():
            index = move(numbers).numpy().astype(np.int64)
        self.remember(result, Opaque(what.why) if isinstance(what, Opaque) else View(what, index))

    def added(self, args: tuple[Any, ...], inputs: list[Any]) -> Expr:
        parts = [self.what_is(a) for a in args]
        if all(part is not None for part in parts):
            return Sum(tuple(part for part in parts if part is not None))
        other = args[1] if parts[0] is not None else args[0]
        zero = not bool(self.torch.as_tensor(other).any())
        known = parts[0] or parts[1]
        return known if zero and known else Opaque("a constant is added; put it into a bias")

    def scaled(self, name: str, args: tuple[Any, ...], what: Expr) -> Expr:
        other = args[1] if self.what_is(args[0]) is not None else args[0]
        if self.what_is(other) is not None or self.torch.as_tensor(other).numel() != 1:
            return Opaque(f"torch function {name!r} of two signals")
        if name in _OVER and other is args[0]:
            return Opaque(f"torch function {name!r}")
        factor = float(self.torch.as_tensor(other))
        return Scaled(what, 1 / factor if name in _OVER else factor)

    def pooled(self, name: str, args: Any, kwargs: Any, what: Expr, given: Any, out: Any) -> None:
        """A pool that was called as a function is a layer without a name."""
        kind = "AvgPool2d" if "avg" in name else "MaxPool2d"
        layer = getattr(self.torch.nn, kind)(*args[1:], **{k: v for k, v in kwargs.items() if k != "input"})
        self.calls.append(Call(kind.lower(), layer, what, tuple(given.shape), tuple(out.shape)))
        self.remember(out, Result(len(self.calls) - 1))


@contextmanager
def _undisturbed(module: Any, every: list[Any]) -> Iterator[Any]:
    """A copy, whose states the sample may change; where it cannot be copied, itself, put back afterwards."""
    kept = [(m, dict(m._buffers), m.training) for m in every]
    for m, buffers, _ in kept:  # states in the graph of a training step cannot be copied
        m._buffers.update({key: None if b is None else b.detach() for key, b in buffers.items()})
    try:
        try:
            yield copy.deepcopy(module)
        except (RuntimeError, AttributeError, TypeError):
            yield module
    finally:
        for m, buffers, training in kept:
            m._buffers.clear()
            m._buffers.update(buffers)
            m.training = training


def _piece(parts: Callable[[Any], Any], number: int, tensor: Any) -> Any:
    """The result of that number of a function that gives several."""
    return list(parts(tensor))[number]


def _layer(what: Expr | None, calls: list[Call]) -> str | None:
    while isinstance(what, View | Scaled):
        what = what.of
    return calls[what.call].name + str(what.part) if isinstance(what, Result) else None


def _tensors(value: Any) -> Iterator[Any]:
    """Every tensor in nested tuples, lists and dictionaries, in order."""
    if hasattr(value, "numel") and hasattr(value, "shape"):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
