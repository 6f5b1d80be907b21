"""sinabs: Sequential of Linear and Squeeze layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .cell import HIDDEN, IMAGE, INPUTS, OUTPUTS, Cell, Trained, torch_layers

NAME = "sinabs 3.1.3"


def build(hidden: Callable[[int], Any], last: Callable[[int], Any], gain: float = 3.0, kind: str = "dense") -> Trained:
    import torch
    from sinabs.nir import to_nir

    first, second = torch_layers(gain, kind)
    between: list[Any] = [torch.nn.Flatten()] if kind == "conv" else []
    net = torch.nn.Sequential(first, hidden(HIDDEN), *between, second, last(OUTPUTS))
    shape = IMAGE if kind == "conv" else (INPUTS,)
    squeezed = type(net[1]).__name__.endswith("Squeeze")

    def reset() -> None:
        for module in net.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                setattr(module, name, torch.zeros_like(buffer[:0].reshape(-1)[:0]))

    def run(x: np.ndarray) -> np.ndarray:
        out = []
        with torch.no_grad():
            for sample in x:
                reset()
                given = torch.tensor(sample, dtype=torch.float32).reshape(-1, *shape)
                sent = net(given) if squeezed else net(given[None])[0]
                out.append(sent.reshape(len(sample), -1))
        return torch.stack(out).numpy()

    sample = torch.zeros(1, *shape) if squeezed else torch.zeros(1, 1, *shape)

    def export() -> Any:
        reset()
        return to_nir(net, sample)

    return Trained(net, sample, run, export)


def layer(kind: str, n: int, per: bool = False, **options: Any) -> Any:
    """A layer with scalar parameters, its default, or with one a neuron (`per`), which `nir.write` can write."""
    import sinabs.layers as sl
    import torch

    if per:
        options |= {"tau_mem": torch.full((n,), options["tau_mem"]), "spike_threshold": torch.ones(n)}

    if kind.endswith("Squeeze"):
        options["batch_size"] = 1
    return getattr(sl, kind)(**options)


def cells() -> Iterator[Cell]:
    from sinabs.activation import MaxSpike, MembraneReset, SingleSpike

    def both(kind: str, gain: float = 3.0, **options: Any) -> Callable[[], Trained]:
        made = partial(layer, kind, **options)
        return partial(build, made, made, gain)

    single = ("reset=subtract", "compare=>=")
    yield Cell(NAME, "IAFSqueeze", both("IAFSqueeze"), "sinabs")
    yield Cell(NAME, "IAF", both("IAF"), "sinabs")
    yield Cell(NAME, "IAFSqueeze, min_v_mem=-1", both("IAFSqueeze", min_v_mem=-1.0), "sinabs", ("v_min=-1",))
    yield Cell(NAME, "IAFSqueeze, SingleSpike", both("IAFSqueeze", spike_fn=SingleSpike), "sinabs", single)
    yield Cell(NAME, "IAFSqueeze, MaxSpike(2)", both("IAFSqueeze", spike_fn=MaxSpike(2)), "sinabs", ("max_spikes=2",))
    value = both("IAFSqueeze", reset_fn=MembraneReset())
    yield Cell(NAME, "IAFSqueeze, MembraneReset", value, "sinabs", ("reset=multi-spike-value",))
    value = both("IAFSqueeze", reset_fn=MembraneReset(), spike_fn=SingleSpike)
    yield Cell(NAME, "IAFSqueeze, SingleSpike, MembraneReset", value, "sinabs", ("reset=value", "compare=>="))
    wrong = both("IAFSqueeze", reset_fn=MembraneReset(reset_value=-0.2))
    yield Cell(
        NAME,
        "IAFSqueeze, MembraneReset(-0.2)",
        wrong,
        "sinabs",
        lost="the value, which is added in every timestep",
        refused="adds its reset_value",
    )
    yield Cell(
        NAME,
        "IAFSqueeze behind a convolution",
        partial(build, *[partial(layer, "IAFSqueeze")] * 2, 3.0, "conv"),
        "sinabs",
    )
    yield Cell(NAME, "LIFSqueeze", both("LIFSqueeze", 12.0, tau_mem=10.0), "sinabs")
    yield Cell(
        NAME,
        "LIFSqueeze, norm_input=False",
        both("LIFSqueeze", tau_mem=10.0, norm_input=False),
        "sinabs",
        ("integrator=unit-input",),
    )
    per = both("LIFSqueeze", tau_mem=10.0, norm_input=False, per=True)
    yield Cell(NAME, "LIFSqueeze, norm_input=False, one tau a neuron", per, "sinabs", ("integrator=unit-input",))
    yield Cell(
        NAME, "LIFSqueeze, tau_syn", both("LIFSqueeze", 6.0, tau_mem=10.0, tau_syn=4.0), "sinabs", lost="tau_syn"
    )
    yield Cell(
        NAME,
        "LIFSqueeze, train_alphas",
        both("LIFSqueeze", 12.0, tau_mem=10.0, train_alphas=True),
        "sinabs",
        lost="its decay",
    )
    lost = "the layer (its exporter knows no recurrent layers)"
    yield Cell(NAME, "IAFRecurrent", partial(build, _recurrent, partial(layer, "IAF")), "sinabs", lost=lost)
    readout = partial(build, partial(layer, "IAFSqueeze"), partial(layer, "ExpLeakSqueeze", tau_mem=10.0))
    yield Cell(NAME, "ExpLeakSqueeze at the output", readout, "sinabs", ("integrator=unit-input",), membrane=True)


def _recurrent(n: int) -> Any:
    import sinabs.layers as sl
    import torch

    torch.manual_seed(4)
    return sl.IAFRecurrent(torch.nn.Linear(n, n))
