"""Rockpool: Sequential of LinearTorch and LIFTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .cell import HIDDEN, INPUTS, OUTPUTS, Cell, Trained

NAME = "Rockpool 3.1.0"


def build(hidden: Callable[[int], Any], last: Callable[[int], Any], gain: float = 0.3) -> Trained:
    import torch
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    torch.manual_seed(1)
    layers = [LinearTorch((INPUTS, HIDDEN)), LinearTorch((HIDDEN, OUTPUTS))]
    for layer in layers:
        layer.weight.data *= gain
    net = Sequential(layers[0], hidden(HIDDEN), layers[1], last(OUTPUTS))

    def run(x: np.ndarray) -> np.ndarray:
        out = []
        with torch.no_grad():
            for sample in x:
                net.reset_state()
                out.append(net(torch.tensor(sample, dtype=torch.float32)[None])[0][0])
        return torch.stack(out).numpy()

    return Trained(net, torch.zeros(1, 4, INPUTS), run, lambda: to_nir(net))


def layer(kind: str, n: int, **options: Any) -> Any:
    import rockpool.nn.modules as modules
    import torch
    from rockpool.nn.modules.torch.lif_neuron_torch import LIFNeuronTorch

    torch.manual_seed(n)
    made = LIFNeuronTorch if kind == "LIFNeuronTorch" else getattr(modules, kind)
    return made(n, **options)


def cells() -> Iterator[Cell]:
    def both(kind: str, gain: float = 0.3, **options: Any) -> Callable[[], Trained]:
        made = partial(layer, kind, **options)
        return partial(build, made, made, gain)

    yield Cell(NAME, "LIFTorch", both("LIFTorch"), "rockpool")
    yield Cell(NAME, "LIFTorch, above 31 spikes a timestep", both("LIFTorch", 0.8), "rockpool")
    capped = both("LIFTorch", max_spikes_per_dt=3)
    yield Cell(NAME, "LIFTorch, max_spikes_per_dt=3", capped, "rockpool", ("max_spikes=3",))
    yield Cell(
        NAME,
        "LIFTorch, threshold 2, tau_mem 5 ms, tau_syn 3 ms",
        both("LIFTorch", 1.5, threshold=2.0, tau_mem=5e-3, tau_syn=3e-3),
        "rockpool",
    )
    yield Cell(NAME, "LIFTorch, bias", both("LIFTorch", bias=0.2), "rockpool", lost="the neurons' bias")
    yield Cell(
        NAME,
        "LIFTorch, has_rec",
        partial(build, _recurrent, partial(layer, "LIFTorch")),
        "rockpool",
        lost="the recurrent weights",
    )
    yield Cell(NAME, "LIFTorch, dt 2 ms", both("LIFTorch", dt=2e-3), "rockpool", ("dt=2e-3",))
    yield Cell(NAME, "LIFNeuronTorch", both("LIFNeuronTorch", 1.0), "rockpool", ("integrator=unit-input",))
    readout = partial(build, partial(layer, "LIFTorch"), partial(layer, "ExpSynTorch"))
    yield Cell(NAME, "ExpSynTorch at the output", readout, "rockpool", membrane=True)


def _recurrent(n: int) -> Any:
    made = layer("LIFTorch", n, has_rec=True)
    made.w_rec.data *= 0.02
    return made
