"""Each framework runs a network of its own, exports it, and the compiled network must fire the same spikes.

    python tools/conformance.py [FRAMEWORK ...]

prints a Markdown table: framework x feed-forward, recurrent, convolution; wrong output bits of all, in floats and on
the machine with 16-bit weights. It needs the frameworks in the same environment (`pip install torch` first, norse,
spikingjelly, sinabs and rockpool with --no-deps); one that is missing, or a case that its exporter does not write, is
said in the table. Weights are random and of a size at which every layer fires; inputs are random spikes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import nir
import numpy as np

import emulator
from emulator.spec.arch import load_architecture
from nmcompile.floatsim import run_float
from nmcompile.frontends.nir import read_nir
from nmcompile.pipeline import compile_network
from nmcompile.semantics import choose_semantics

TIMESTEPS, INPUTS, HIDDEN, OUTPUTS = 60, 12, 20, 6
IMAGE = (2, 8, 8)
CASES = ("feed-forward", "recurrent", "convolution")
Recorded = tuple[nir.NIRGraph, np.ndarray, np.ndarray, str, dict]  # graph, inputs, outputs, preset, overrides


class NotExportedError(Exception):
    """The framework's exporter does not write this case."""


def inputs(case: str) -> np.ndarray:
    """(timesteps, inputs...) float32 zeros and ones."""
    shape = IMAGE if case == "convolution" else (INPUTS,)
    return (np.random.default_rng(0).random((TIMESTEPS, *shape)) < 0.3).astype(np.float32)


def torch_layers(case: str, scale: float = 1.0) -> list:
    """The weights between the neurons, the same for every framework on PyTorch."""
    import torch

    torch.manual_seed(1)
    if case == "convolution":
        layers = [torch.nn.Conv2d(IMAGE[0], 4, 3, padding=1), torch.nn.Conv2d(4, 3, 3, stride=2)]
    else:
        layers = [torch.nn.Linear(INPUTS, HIDDEN), torch.nn.Linear(HIDDEN, OUTPUTS)]
    for layer in layers:
        layer.weight.data = layer.weight.data * 3 * scale + 0.1 * scale
        layer.bias.data *= 0.3 * scale
    return layers


def step_by_step(net: Callable, x: np.ndarray) -> np.ndarray:
    """(timesteps, outputs) of a module that keeps its state."""
    import torch

    with torch.no_grad():
        out = [net(torch.tensor(frame)[None]) for frame in x]
    return np.stack([np.asarray(o[0] if isinstance(o, tuple) else o).reshape(-1) for o in out])


# --------------------------------------------------------------------------------------------- the frameworks
def snntorch(case: str, reset: str = "subtract") -> Recorded:
    import snntorch as snn
    import torch
    from snntorch.export_nir import export_to_nir

    first, second = torch_layers(case)
    if case == "recurrent":
        hidden = snn.RLeaky(beta=0.85, linear_features=HIDDEN, init_hidden=True, reset_mechanism=reset)
        hidden.recurrent.weight.data *= 1.5
    else:
        shape = (4, 8, 8) if case == "convolution" else (HIDDEN,)
        hidden = snn.Leaky(
            beta=torch.full(shape, 0.85), threshold=torch.ones(shape), init_hidden=True, reset_mechanism=reset
        )
    shape = (3, 3, 3) if case == "convolution" else (OUTPUTS,)
    last = snn.Leaky(
        beta=torch.full(shape, 0.9), threshold=torch.ones(shape), init_hidden=True, output=True, reset_mechanism=reset
    )
    net = torch.nn.Sequential(first, hidden, second, last)
    x = inputs(case)
    graph = export_to_nir(net, torch.tensor(x[:1]), ignore_dims=[0])
    for module in (hidden, last):
        module.reset_mem()
    out = step_by_step(net, x)
    if reset == "subtract":
        return graph, x, out, "snntorch", {}
    return graph, x, out, "snntorch-zero", {"reset": "delayed-value"} if case == "recurrent" else {}


def snntorch_zero(case: str) -> Recorded:
    if case == "recurrent":
        raise NotExportedError("Leaky and RLeaky reset differently, NIR cannot tell them apart")
    return snntorch(case, "zero")


def norse(case: str) -> Recorded:
    import torch
    from norse.torch import LIFBoxCell, SequentialState
    from norse.torch.functional.lif_box import LIFBoxParameters
    from norse.torch.utils.export_nir import to_nir

    if case == "recurrent":
        raise NotExportedError("its recurrent cells are not exported")
    layers = torch_layers(case, 10.0)
    shapes = ((4, 8, 8), (3, 3, 3)) if case == "convolution" else ((HIDDEN,), (OUTPUTS,))
    cells = []
    for shape in shapes:
        full = [torch.full(shape, value) for value in (100.0, 0.0, 1.0, 0.0)]
        cells.append(LIFBoxCell(LIFBoxParameters(*full)))
    net = SequentialState(layers[0], cells[0], layers[1], cells[1])
    x, state, out = inputs(case), None, []
    with torch.no_grad():
        for frame in x:
            spikes, state = net(torch.tensor(frame)[None], state)
            out.append(spikes.numpy().reshape(-1))
    # its exporter writes tau = dt / tau_inv, 1e-5 s for 0.01 s: read with dt = dt^2 the decay is 0.9 again
    return to_nir(net, torch.tensor(x[:1])), x, np.array(out), "norse", {"dt": 1e-6}


def sinabs(case: str) -> Recorded:
    import sinabs.layers as sl
    import torch
    from sinabs.nir import to_nir

    if case == "recurrent":
        raise NotExportedError("its recurrent layers are not exported")
    layers = torch_layers(case)
    cells = [sl.IAFSqueeze(batch_size=1, min_v_mem=-1.0), sl.IAFSqueeze(batch_size=1, min_v_mem=-1.0)]
    net = torch.nn.Sequential(layers[0], cells[0], layers[1], cells[1])
    x = inputs(case)
    with torch.no_grad():
        out = net(torch.tensor(x)).numpy().reshape(TIMESTEPS, -1)
        graph = to_nir(net, torch.tensor(x[:1]))
    return graph, x, out, "sinabs", {}


def spikingjelly(case: str) -> Recorded:
    import torch
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    if case == "recurrent":
        raise NotExportedError("its recurrent containers are not exported")
    weights = torch_layers(case, 2.0)
    for i, w in enumerate(weights):
        if case == "convolution":
            mine = layer.Conv2d(w.in_channels, w.out_channels, 3, stride=w.stride, padding=w.padding)
        else:
            mine = layer.Linear(w.in_features, w.out_features)
        mine.load_state_dict(w.state_dict())
        weights[i] = mine
    net = torch.nn.Sequential(weights[0], neuron.LIFNode(tau=4.0, v_reset=0.0), weights[1], neuron.IFNode(v_reset=0.0))
    x = inputs(case)
    graph = export_to_nir(net, torch.tensor(x[:1]))
    functional.reset_net(net)
    return graph, x, step_by_step(net, x), "spikingjelly", {}


def rockpool(case: str) -> Recorded:
    import torch
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    if case != "feed-forward":
        raise NotExportedError("its exporter drops recurrent weights, and has no convolutions")
    torch.manual_seed(2)
    dt = 1e-3
    options = {"tau_mem": 0.02, "tau_syn": 0.01, "threshold": 1.0, "bias": 0.0, "dt": dt}
    net = Sequential(
        LinearTorch((INPUTS, HIDDEN), has_bias=False),
        LIFTorch(HIDDEN, **options),
        LinearTorch((HIDDEN, OUTPUTS), has_bias=False),
        LIFTorch(OUTPUTS, **options),
    )
    x = inputs(case)
    with torch.no_grad():
        graph = to_nir(net, torch.tensor(x[:1])[None])
        net.reset_state()
        out = net(torch.tensor(x)[None])[0].numpy()[0]
    return graph, x, out, "rockpool", {"dt": dt}


def spyx(case: str) -> Recorded:
    import jax.numpy as jnp
    import spyx.nn as sn
    from flax import nnx
    from spyx.nir import to_nir

    if case == "convolution":
        raise NotExportedError("its exporter wants flax's channels last; not tried")
    rngs = nnx.Rngs(3)
    hidden = (
        sn.RLIF((HIDDEN,), beta=0.85, rngs=rngs) if case == "recurrent" else sn.LIF((HIDDEN,), beta=0.85, rngs=rngs)
    )
    layers = [nnx.Linear(INPUTS, HIDDEN, rngs=rngs), hidden, nnx.Linear(HIDDEN, OUTPUTS, rngs=rngs)]
    layers.append(sn.LIF((OUTPUTS,), beta=0.9, rngs=rngs))
    for i in (0, 2):
        layers[i].kernel = nnx.Param(layers[i].kernel[...] * 2 + 0.1)
    x, out = inputs(case), []
    states = [None, layers[1].initial_state(1), None, layers[3].initial_state(1)]
    for frame in x:
        value = jnp.asarray(frame)[None]
        for i, layer in enumerate(layers):
            if states[i] is None:
                value = layer(value)
            else:
                value, states[i] = layer(value, states[i])
        out.append(np.asarray(value).reshape(-1))
    shapes = {"input": np.array([INPUTS])}, {"output": np.array([OUTPUTS])}
    graph = to_nir(nnx.Sequential(*layers), *shapes, dt=1e-4)
    for node in graph.nodes.values():  # its exporter leads the input through the recurrent weights; put that right
        if isinstance(node, nir.NIRGraph):
            node.edges = [(a, b.replace("w_rec", "lif") if a.endswith(".input") else b) for a, b in node.edges]
    return graph, x, np.array(out), "spyx", {}


FRAMEWORKS: dict[str, Callable[[str], Recorded]] = {
    "snnTorch": snntorch,
    "snnTorch, zero": snntorch_zero,
    "Norse": norse,
    "sinabs": sinabs,
    "SpikingJelly": spikingjelly,
    "Rockpool": rockpool,
    "Spyx": spyx,
}


# ------------------------------------------------------------------------------------------------- comparison
def write(group: h5py.Group, values: dict) -> None:
    """As `nir.write` does, which fails on the None that exporters leave for the shape of an image."""
    for name, value in values.items():
        if isinstance(value, dict):
            write(group.create_group(name), value)
        elif name == "edges":
            group.create_dataset(name, data=np.array(value, dtype=h5py.string_dtype()))
        elif value is not None:
            group.create_dataset(name, data=value)


def compare(recorded: Recorded, folder: Path) -> str:
    """Wrong output bits, in floats and on the machine."""
    graph, x, out, preset, overrides = recorded
    path = folder / "net.nir"
    with h5py.File(path, "w") as file:
        write(file.create_group("node"), graph.to_dict())
    network, semantics = read_nir(path), choose_semantics(preset, **overrides)
    spikes = x.reshape(1, len(x), -1).astype(np.uint8)
    exact = run_float(network, semantics, spikes, record=True).spikes[network.output][0] != 0
    late = semantics.output_delay
    exact = np.concatenate([0 * exact[:late], exact])[: len(x)]
    compilation = compile_network(network, load_architecture("ecp5"), semantics, 16, calibrate=spikes)
    image = compilation.image
    result = emulator.run(image, spikes, record_spikes=True)
    assert result.spikes is not None
    population = image.population(network.output)
    place = {tuple(where): i for i, where in enumerate(population.location.tolist())}
    fired = np.zeros_like(exact)
    for _, t, core, neuron in result.spikes.tolist():
        if (core, neuron) in place and 0 <= t - population.depth < len(x):
            fired[t - population.depth, place[core, neuron]] = True
    wanted = out != 0
    wrong = [int((spiked != wanted).sum()) for spiked in (exact, fired)]
    return f"{wrong[0]} / {wrong[1]} of {wanted.size:,} ({int(wanted.sum())} spikes)"


def main(names: list[str]) -> None:
    print(f"| framework | {' | '.join(CASES)} |")
    print("|---" * (len(CASES) + 1) + "|")
    for name in names or FRAMEWORKS:
        cells = []
        for case in CASES:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    cells.append(compare(FRAMEWORKS[name](case), Path(folder)))
            except NotExportedError as error:
                cells.append(f"not exported: {error}")
            except ModuleNotFoundError as error:
                cells.append(f"not installed: {error.name}")
            except Exception as error:  # one framework's trouble must not hide the others
                cells.append(f"failed: {type(error).__name__}: {error}".replace("\n", " ")[:160])
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
