"""SpikingJelly: Sequential of its own layers and nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .cell import HIDDEN, IMAGE, INPUTS, OUTPUTS, Cell, Trained, torch_layers

NAME = "SpikingJelly 2.0.0"


def build(
    hidden: Callable[[], Any], last: Callable[[], Any], gain: float = 3.0, kind: str = "dense", many: bool = False
) -> Trained:
    import torch
    from spikingjelly.activation_based import functional, layer
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    first, second = torch_layers(gain, kind)
    mine = [layer.Conv2d(1, 4, 3, padding=1) if kind == "conv" else layer.Linear(INPUTS, HIDDEN)]
    mine.append(layer.Linear(second.in_features, OUTPUTS))
    for own, given in zip(mine, (first, second), strict=True):
        own.load_state_dict(given.state_dict())
    between = [layer.Flatten()] if kind == "conv" else []
    net = torch.nn.Sequential(mine[0], hidden(), *between, mine[1], last())
    if many:
        functional.set_step_mode(net, "m")
    shape = IMAGE if kind == "conv" else (INPUTS,)

    def run(x: np.ndarray) -> np.ndarray:
        functional.reset_net(net)
        given = torch.tensor(x, dtype=torch.float32).transpose(0, 1).reshape(x.shape[1], len(x), *shape)
        with torch.no_grad():
            out = net(given) if many else torch.stack([net(frame) for frame in given])
        if isinstance(out, list):  # of an integrator that does not spike
            out = torch.stack(out)
        return out.transpose(0, 1).reshape(len(x), x.shape[1], -1).numpy()

    sample = torch.zeros(*((2,) if many else ()), 1, *shape)

    def export() -> Any:
        functional.reset_net(net)
        return export_to_nir(net, sample)

    return Trained(net, sample, run, export)


def node(kind: str, **options: Any) -> Any:
    from spikingjelly.activation_based import neuron

    return getattr(neuron, kind)(**options)


def cells() -> Iterator[Cell]:
    def both(kind: str, gain: float = 3.0, **options: Any) -> Callable[[], Trained]:
        made = partial(node, kind, **options)
        return partial(build, made, made, gain)

    yield Cell(NAME, "IFNode", both("IFNode"), "spikingjelly")
    yield Cell(NAME, "IFNode, v_reset=-0.5", both("IFNode", v_reset=-0.5), "spikingjelly")
    soft = "a soft reset (refused by its exporter)"
    yield Cell(NAME, "IFNode, v_reset=None", both("IFNode", v_reset=None), "spikingjelly", lost=soft)
    yield Cell(
        NAME, "IFNode, step_mode m", partial(build, *[partial(node, "IFNode")] * 2, 3.0, "dense", True), "spikingjelly"
    )
    yield Cell(
        NAME, "IFNode behind a convolution", partial(build, *[partial(node, "IFNode")] * 2, 3.0, "conv"), "spikingjelly"
    )
    for kind, given in (("LIFNode", {}), ("ParametricLIFNode", {"init_tau": 3.0})):
        yield Cell(NAME, kind, both(kind, 5.0, **given), "spikingjelly")
        yield Cell(NAME, f"{kind}, v_reset=-0.5", both(kind, 12.0, v_reset=-0.5, **given), "spikingjelly")
        yield Cell(NAME, f"{kind}, decay_input=False", both(kind, decay_input=False, **given), "spikingjelly")
        yield Cell(NAME, f"{kind}, v_reset=None", both(kind, 5.0, v_reset=None, **given), "spikingjelly", lost=soft)
    yield Cell(NAME, "CUBALIFNode", both("CUBALIFNode"), "spikingjelly")
    yield Cell(NAME, "CUBALIFNode, v_reset=-0.5", both("CUBALIFNode", v_reset=-0.5), "spikingjelly")
    lost = "the layer (not among what its exporter knows)"
    readout = partial(build, partial(node, "IFNode"), partial(node, "NonSpikingLIFNode", tau=2.0), many=True)
    yield Cell(NAME, "NonSpikingLIFNode at the output", readout, "spikingjelly", lost=lost, membrane=True)
