"""One cell of the matrix: a class of neurons with an option, in a network of default layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SAMPLES, TIMESTEPS, INPUTS, HIDDEN, OUTPUTS = 40, 20, 64, 32, 10
IMAGE = (1, 8, 8)


@dataclass(frozen=True)
class Trained:
    """A network as its user has it.

    Attributes:
        module: what `from_torch` or `from_spyx` takes, with `sample`.
        run: (samples, timesteps, inputs) 0/1 to (samples, timesteps, outputs), by the framework itself.
        export: the framework's own exporter, to a NIR graph.
    """

    module: Any
    sample: Any
    run: Callable[[np.ndarray], np.ndarray]
    export: Callable[[], Any]


@dataclass(frozen=True)
class Cell:
    """A class and an option of it.

    Attributes:
        framework: name and version.
        name: class and option, as the matrix shows them.
        build: makes the network, always the same.
        preset: `--semantics` for what its exporter writes.
        options: further options of the command line that the file needs, FIELD=VALUE or NAME:FIELD=VALUE.
        lost: what the exporter does not write and no option brings back; then the file is not measured.
        refused: what from_torch says, where the class cannot be expressed.
        membrane: the network returns potentials, not spikes.
    """

    framework: str
    name: str
    build: Callable[[], Trained]
    preset: str
    options: tuple[str, ...] = ()
    lost: str = ""
    refused: str = ""
    membrane: bool = False
    notes: tuple[str, ...] = field(default=())


def inputs(seed: int = 0) -> np.ndarray:
    """(samples, timesteps, inputs) uint8 spikes, a third of all."""
    return (np.random.default_rng(seed).random((SAMPLES, TIMESTEPS, INPUTS)) < 0.3).astype(np.uint8)


def torch_layers(gain: float = 3.0, kind: str = "dense", bias: bool = True) -> list[Any]:
    """Two layers as PyTorch initialises them, times `gain`, so that every layer fires."""
    import torch

    torch.manual_seed(1)
    if kind == "conv":
        layers = [torch.nn.Conv2d(1, 4, 3, padding=1, bias=bias), torch.nn.Linear(4 * 8 * 8, OUTPUTS, bias=bias)]
    else:
        layers = [torch.nn.Linear(INPUTS, HIDDEN, bias=bias), torch.nn.Linear(HIDDEN, OUTPUTS, bias=bias)]
    for layer in layers:
        layer.weight.data *= gain
    return layers
