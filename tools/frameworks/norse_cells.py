"""Norse: SequentialState of Linear and cells with their default parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .cell import HIDDEN, INPUTS, OUTPUTS, Cell, Trained, torch_layers

NAME = "Norse 1.1.0"


def build(
    hidden: Callable[[int], Any], last: Callable[[int], Any], gain: float = 8.0, recurrent: bool = False
) -> Trained:
    import torch
    from norse.torch import SequentialState
    from norse.torch.utils.export_nir import to_nir

    first, second = torch_layers(gain)
    if recurrent:
        net = SequentialState(hidden(HIDDEN), second, last(OUTPUTS))
    else:
        net = SequentialState(first, hidden(HIDDEN), second, last(OUTPUTS))

    def run(x: np.ndarray) -> np.ndarray:
        state, out = None, []
        with torch.no_grad():
            for t in range(x.shape[1]):
                sent, state = net(torch.tensor(x[:, t], dtype=torch.float32), state)
                out.append(sent)
        return torch.stack(out, dim=1).numpy()

    sample = torch.zeros(1, INPUTS)
    return Trained(net, sample, run, lambda: to_nir(net, sample))


def cell(kind: str, n: int, per: bool = True, **parameters: Any) -> Any:
    """A cell with its default parameters (scalars), or one a neuron, which its exporter can write."""
    import norse.torch as snn
    import torch
    from norse.torch.functional.iaf import IAFParameters
    from norse.torch.functional.leaky_integrator_box import LIBoxParameters
    from norse.torch.functional.lif import LIFParameters
    from norse.torch.functional.lif_box import LIFBoxParameters

    of = {
        "LIFCell": LIFParameters,
        "LIFBoxCell": LIFBoxParameters,
        "IAFCell": IAFParameters,
        "LIBoxCell": LIBoxParameters,
    }
    default = of[kind]()
    values = default._asdict() if hasattr(default, "_asdict") else dict(zip(default._fields, default, strict=True))
    values |= {
        name: torch.as_tensor(value) if isinstance(value, float) else value for name, value in parameters.items()
    }
    if per:
        for name in ("tau_syn_inv", "tau_mem_inv", "v_leak", "v_th", "v_reset"):
            if name in values:
                values[name] = torch.full((n,), float(values[name]))
    return getattr(snn, kind)(of[kind](**values)) if hasattr(snn, kind) else _found(kind)(of[kind](**values))


def _found(kind: str) -> Any:
    import norse.torch.module.iaf as iaf
    import norse.torch.module.leaky_integrator_box as box

    return getattr(iaf, kind, None) or getattr(box, kind)


def recurrent(n: int) -> Any:
    import torch
    from norse.torch import LIFRecurrentCell

    torch.manual_seed(2)
    made = LIFRecurrentCell(INPUTS, n)
    made.input_weights.data *= 10
    return made


def cells() -> Iterator[Cell]:
    def both(kind: str, gain: float = 8.0, **parameters: Any) -> Callable[[], Trained]:
        made = partial(cell, kind, **parameters)
        return partial(build, made, made, gain)

    for kind, gain in (("LIFCell", 8.0), ("LIFBoxCell", 25.0), ("IAFCell", 2.0)):
        yield Cell(NAME, kind, both(kind, gain), "norse")
        yield Cell(NAME, f"{kind}, scalar parameters", both(kind, gain, per=False), "norse")
        yield Cell(NAME, f"{kind}, v_reset", both(kind, gain, v_reset=-0.5), "norse", lost="v_reset")
    for kind, gain in (("LIFCell", 8.0), ("LIFBoxCell", 25.0)):
        yield Cell(NAME, f"{kind}, v_leak", both(kind, gain, v_leak=0.3), "norse")
        yield Cell(NAME, f"{kind}, time constants", both(kind, gain, tau_mem_inv=250.0), "norse")
    lost = "the layer (its exporter knows no recurrent cells)"
    yield Cell(
        NAME,
        "LIFRecurrentCell",
        partial(build, recurrent, partial(cell, "LIFCell"), recurrent=True),
        "norse",
        lost=lost,
    )
    readout = partial(build, partial(cell, "LIFBoxCell"), partial(cell, "LIBoxCell"), 25.0)
    yield Cell(NAME, "LIBoxCell at the output", readout, "norse", membrane=True)
