"""snnTorch: Sequential of Linear and neurons with init_hidden=True, as its documentation exports them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .cell import HIDDEN, IMAGE, INPUTS, OUTPUTS, Cell, Trained, torch_layers

NAME = "snnTorch 1.0.0"


def build(hidden: Callable[[int], Any], last: Callable[[int], Any], kind: str = "dense", gain: float = 3.0) -> Trained:
    """Neurons made by a function of their number (or, of a convolution, their shape)."""
    import torch
    from snntorch.export_nir import export_to_nir

    first, second = torch_layers(gain, kind)
    between: list[Any] = [torch.nn.Flatten()] if kind == "conv" else []
    net = torch.nn.Sequential(first, hidden(HIDDEN), *between, second, last(OUTPUTS))
    shape = IMAGE if kind == "conv" else (INPUTS,)

    def run(x: np.ndarray) -> np.ndarray:
        for module in net.modules():
            for state in ("mem", "syn", "spk"):
                if isinstance(getattr(module, state, None), torch.Tensor):
                    setattr(module, state, torch.zeros(0))
        out = []
        with torch.no_grad():
            for t in range(x.shape[1]):
                sent = net(torch.tensor(x[:, t], dtype=torch.float32).reshape(-1, *shape))
                out.append(sent[0] if isinstance(sent, tuple) else sent)
        return torch.stack(out, dim=1).numpy()

    sample = torch.zeros(1, *shape)
    return Trained(net, sample, run, lambda: export_to_nir(net, sample, ignore_dims=[0]))


def neuron(kind: str, n: int, *, output: bool = False, per: bool = True, **options: Any) -> Any:
    """A class with one parameter a neuron (`per`), which its exporter can write, or with scalars, its default."""
    import snntorch as snn
    import torch

    spread = (lambda v: torch.full((n,), float(v))) if per else float
    given = {"beta": spread(options.pop("beta", 0.9)), "threshold": spread(options.pop("threshold", 1.0))}
    if kind in ("Synaptic", "RSynaptic"):
        given["alpha"] = spread(options.pop("alpha", 0.8))
    if kind in ("RLeaky", "RSynaptic"):
        given["linear_features"] = n
        options.setdefault("reset_mechanism", "subtract")
    made = getattr(snn, kind)(**given, init_hidden=True, output=output, **options)
    return made


def betas(values: list[float], n: int, **options: Any) -> Any:
    """Leaky with betas that training left anywhere."""
    import snntorch as snn
    import torch

    beta = torch.tensor(values, dtype=torch.float32).repeat(n // len(values) + 1)[:n]
    return snn.Leaky(beta=beta, threshold=torch.ones(n), init_hidden=True, **options)


def cells() -> Iterator[Cell]:
    def both(kind: str, **options: Any) -> Callable[[], Trained]:
        return partial(build, lambda n: neuron(kind, n, **options), lambda n: neuron(kind, n, output=True, **options))

    yield Cell(NAME, "Leaky", both("Leaky"), "snntorch")
    yield Cell(NAME, "Leaky, scalar parameters", both("Leaky", per=False), "snntorch")
    yield Cell(NAME, "Leaky, reset zero", both("Leaky", reset_mechanism="zero"), "snntorch-zero")
    yield Cell(
        NAME, "Leaky, reset none", both("Leaky", reset_mechanism="none", threshold=2.0), "snntorch", ("reset=none",)
    )
    late = "reset=recharged-subtract"
    yield Cell(NAME, "Leaky, reset_delay=False", both("Leaky", reset_delay=False), "snntorch", (late,))
    zero = both("Leaky", reset_delay=False, reset_mechanism="zero")
    yield Cell(NAME, "Leaky, zero, reset_delay=False", zero, "snntorch-zero")
    last = partial(neuron, "Leaky", output=True, reset_mechanism="none")
    yield Cell(
        NAME,
        "Leaky, reset none at the output",
        partial(build, partial(neuron, "Leaky"), last),
        "snntorch",
        ("3:reset=none",),
    )
    for values, what in (([1.0], "1"), ([1.2], "above 1"), ([-0.3], "below 0"), ([1.0, 1.3, -0.2, 0.7], "mixed")):
        made = partial(betas, values)
        yield Cell(NAME, f"Leaky, beta {what}", partial(build, made, partial(made, output=True)), "snntorch")
    yield Cell(
        NAME,
        "Leaky, graded_spikes_factor=0.5 (hidden)",
        partial(build, partial(neuron, "Leaky", graded_spikes_factor=0.5), partial(neuron, "Leaky", output=True)),
        "snntorch",
        lost="the factor",
    )
    yield Cell(
        NAME,
        "Leaky, inhibition=True",
        both("Leaky", inhibition=True),
        "snntorch",
        lost="that one neuron of the layer fires",
        refused="lets one neuron of a layer fire",
    )
    yield Cell(
        NAME,
        "Leaky behind a convolution",
        partial(build, _image, partial(neuron, "Leaky", output=True), "conv"),
        "snntorch",
    )
    for kind in ("Synaptic", "RLeaky", "RSynaptic"):
        yield Cell(NAME, kind, both(kind), "snntorch")
        yield Cell(NAME, f"{kind}, reset zero", both(kind, reset_mechanism="zero"), "snntorch-zero")
        if kind == "RSynaptic":
            continue  # with reset_delay=False it fails in snnTorch 1.0.0 itself, which divides a spike that is None
        yield Cell(NAME, f"{kind}, reset_delay=False", both(kind, reset_delay=False), "snntorch", (late,))
        value = both(kind, reset_delay=False, reset_mechanism="zero")
        yield Cell(NAME, f"{kind}, zero, reset_delay=False", value, "snntorch-zero", ("reset=value",))
    lost = "the layer (not among what its exporter knows)"
    yield Cell(NAME, "Lapicque", partial(build, _lapicque, partial(_lapicque, output=True)), "snntorch", lost=lost)


def _image(_: int) -> Any:
    import snntorch as snn
    import torch

    return snn.Leaky(beta=torch.full((4, 8, 8), 0.9), threshold=torch.ones(4, 8, 8), init_hidden=True)


def _lapicque(n: int, output: bool = False) -> Any:
    import snntorch as snn

    return snn.Lapicque(beta=0.9, init_hidden=True, output=output, threshold=0.2)
