"""Each framework runs a network of its own, and the compiled network must fire the same spikes.

    python tools/conformance.py [--floats] [--timesteps N] [FRAMEWORK ...]

prints a Markdown table: framework x feed-forward, recurrent, convolution; wrong output values of all, in floats and on
the machine with 16-bit weights. It needs the frameworks in the same environment (`pip install torch` first, norse,
spikingjelly, sinabs and rockpool with --no-deps); one that is missing, or a case that it has not, is said in the table.
Networks go through the framework's own exporter; where that loses the recurrent weights, the NIR graph is built here
from the framework's own parameters ("by hand" in the table). Inputs are random spikes; weights are random multiples of
1/1024, which 16 bits hold exactly, and large enough that every layer fires: what differs would differ in meaning.
With --floats they are any float32 numbers, and what differs on the machine is what rounding costs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

import emulator
from emulator.spec.arch import load_architecture
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.nir import read_nir
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

INPUTS, HIDDEN, OUTPUTS = 12, 20, 6
IMAGE = (2, 8, 8)
GRID, TIMESTEPS = 1024, 60  # of weights, and of a run; options change them
CASES = ("feed-forward", "recurrent", "convolution")
Recorded = tuple[nir.NIRGraph, np.ndarray, np.ndarray, str, dict]  # graph, inputs, outputs, preset, overrides


class MissingError(Exception):
    """The framework has no such networks."""


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
        excitation = 0.01 if case == "convolution" else 0.1  # so that neurons fire in a third of all timesteps or so
        layer.weight.data = on_grid(layer.weight.data * 3 + excitation) * scale
        layer.bias.data = on_grid(layer.bias.data * 0.3) * scale
    return layers


def on_grid(values: Any) -> Any:
    """The nearest multiples of 1 / GRID; with a GRID of 0, the values as they are."""
    return (values * GRID).round() / GRID if GRID else values


def feedback(n: int, strength: float = 0.5) -> Any:
    """(n, n) recurrent weights."""
    import torch

    return on_grid(torch.randn((n, n), generator=torch.Generator().manual_seed(4)) * strength / n**0.5)


def by_hand(linear: list, neurons: list[nir.NIRNode], recurrent: nir.NIRNode) -> nir.NIRGraph:
    """The chain linear, neurons, linear, neurons, with feedback around the first neurons."""
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([INPUTS])), "output": nir.Output(np.array([OUTPUTS]))}
    for name, layer in zip(("in", "out"), linear, strict=True):
        weight, bias = layer.weight.detach().numpy(), layer.bias
        nodes[name] = nir.Linear(weight) if bias is None else nir.Affine(weight, bias.detach().numpy())
    nodes |= {"hidden": neurons[0], "last": neurons[1], "back": recurrent}
    chain = ["input", "in", "hidden", "out", "last", "output"]
    return nir.NIRGraph(nodes, [*pairwise(chain), ("hidden", "back"), ("back", "hidden")], type_check=False)


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
        hidden.recurrent.weight.data = on_grid(hidden.recurrent.weight.data * 1.5)
        hidden.recurrent.bias.data = on_grid(hidden.recurrent.bias.data)
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
    return graph, x, out, "snntorch" if reset == "subtract" else "snntorch-zero", {}


def norse(case: str) -> Recorded:
    import torch
    from norse.torch import LIFBoxCell, SequentialState
    from norse.torch.functional.lif_box import LIFBoxParameters
    from norse.torch.utils.export_nir import to_nir

    if case == "recurrent":
        return norse_recurrent()
    layers = torch_layers(case, 10.0)
    shapes = ((4, 8, 8), (3, 3, 3)) if case == "convolution" else ((HIDDEN,), (OUTPUTS,))
    cells = []
    for shape in shapes:
        full = [torch.full(shape, value) for value in (100.0, 0.0, 1.0, 0.0)]
        cells.append(LIFBoxCell(LIFBoxParameters(*full)))
    net = SequentialState(layers[0], cells[0], layers[1], cells[1])
    x = inputs(case)
    # its exporter writes tau = dt / tau_inv, 1e-5 s for 0.01 s: read with dt = dt^2 the decay is 0.9 again
    return to_nir(net, torch.tensor(x[:1])), x, norse_run(net, x), "norse", {"dt": 1e-6}


def norse_run(net: Any, x: np.ndarray) -> np.ndarray:
    import torch

    state, out = None, []
    with torch.no_grad():
        for frame in x:
            spikes, state = net(torch.tensor(frame)[None], state)
            out.append(spikes.numpy().reshape(-1))
    return np.array(out)


def norse_recurrent() -> Recorded:
    """LIFRecurrentCell, which has a synaptic current; its exporter knows no recurrent cells."""
    import torch
    from norse.torch import LIFCell, LIFParameters, LIFRecurrentCell, SequentialState

    p = LIFParameters(torch.tensor(200.0), torch.tensor(100.0), torch.tensor(0.0), torch.tensor(1.0), torch.tensor(0.0))
    hidden = LIFRecurrentCell(INPUTS, HIDDEN, p, autapses=True)
    first, second = torch_layers("feed-forward", 2.0)
    hidden.input_weights.data, hidden.recurrent_weights.data = first.weight.data, feedback(HIDDEN, 2.0)
    x = inputs("recurrent")
    out = norse_run(SequentialState(hidden, second, LIFCell(p)), x)
    dt, first.bias = 1e-3, None
    neurons = []
    for n in (HIDDEN, OUTPUTS):
        full = partial(np.full, n)
        tau_syn, tau_mem = full(1 / 200.0), full(1 / 100.0)
        neurons.append(nir.CubaLIF(tau_syn, tau_mem, full(1.0), full(0.0), full(1.0), full(0.0), tau_syn / dt))
    back = nir.Linear(hidden.recurrent_weights.detach().numpy())
    return by_hand([first, second], neurons, back), x, out, "norse", {"dt": dt}


def sinabs(case: str) -> Recorded:
    import sinabs.layers as sl
    import torch
    from sinabs.nir import to_nir

    layers = torch_layers(case)
    cells = [sl.IAFSqueeze(batch_size=1, min_v_mem=-1.0), sl.IAFSqueeze(batch_size=1, min_v_mem=-1.0)]
    back = torch.nn.Linear(HIDDEN, HIDDEN)
    back.weight.data, back.bias.data = feedback(HIDDEN), on_grid(back.bias.data)
    x = inputs(case)
    if case == "recurrent":  # its exporter knows no recurrent layers
        cells = [sl.IAFRecurrent(back, min_v_mem=-1.0), sl.IAF(min_v_mem=-1.0)]
    net = torch.nn.Sequential(layers[0], cells[0], layers[1], cells[1])
    with torch.no_grad():
        if case == "recurrent":
            out = net(torch.tensor(x)[None])[0].numpy()
        else:
            out = net(torch.tensor(x)).numpy().reshape(TIMESTEPS, -1)
            return to_nir(net, torch.tensor(x[:1])), x, out, "sinabs", {}
    neurons = [nir.IF(np.ones(n), np.ones(n), np.zeros(n)) for n in (HIDDEN, OUTPUTS)]
    recurrent = nir.Affine(back.weight.detach().numpy(), back.bias.detach().numpy())
    return by_hand(layers, neurons, recurrent), x, out, "sinabs", {}


def spikingjelly(case: str) -> Recorded:
    import torch
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    weights = torch_layers(case, 2.0)
    for i, w in enumerate(weights):
        if case == "convolution":
            mine = layer.Conv2d(w.in_channels, w.out_channels, 3, stride=w.stride, padding=w.padding)
        else:
            mine = layer.Linear(w.in_features, w.out_features)
        mine.load_state_dict(w.state_dict())
        weights[i] = mine
    hidden, last = neuron.LIFNode(tau=4.0, v_reset=0.0), neuron.IFNode(v_reset=0.0)
    x = inputs(case)
    if case != "recurrent":
        net = torch.nn.Sequential(weights[0], hidden, weights[1], last)
        graph = export_to_nir(net, torch.tensor(x[:1]))
        functional.reset_net(net)
        return graph, x, step_by_step(net, x), "spikingjelly", {}
    # its exporter knows no recurrent containers; this one leads inputs and last spikes through one linear layer
    around = layer.LinearRecurrentContainer(hidden, HIDDEN, HIDDEN)
    around.rc.weight.data = torch.cat([torch.eye(HIDDEN), feedback(HIDDEN)], dim=1)
    around.rc.bias.data *= 0
    net = torch.nn.Sequential(weights[0], around, weights[1], last)
    dt, back = 1e-4, around.rc.weight.detach()[:, HIDDEN:].numpy()
    lif = nir.LIF(np.full(HIDDEN, 4 * dt), np.ones(HIDDEN), np.zeros(HIDDEN), np.ones(HIDDEN), np.zeros(HIDDEN))
    neurons = [lif, nir.IF(np.full(OUTPUTS, 1 / dt), np.ones(OUTPUTS), np.zeros(OUTPUTS))]
    return by_hand(weights, neurons, nir.Linear(back)), x, step_by_step(net, x), "spikingjelly", {}


def rockpool(case: str) -> Recorded:
    import torch
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    if case == "convolution":
        raise MissingError("it has no convolutions")
    dt = 1e-3
    tau_mem, tau_syn = (-dt / np.log(decay) for decay in (0.9375, 0.90625))  # which 18 bits hold, too
    options = {"tau_mem": tau_mem, "tau_syn": tau_syn, "threshold": 1.0, "bias": 0.0, "dt": dt, "max_spikes_per_dt": 31}
    layers = [LinearTorch((n, m), has_bias=False) for n, m in ((INPUTS, HIDDEN), (HIDDEN, OUTPUTS))]
    for mine, w in zip(layers, torch_layers(case, 1 / 8), strict=True):
        mine.weight.data = w.weight.data.T.clone()
    hidden = LIFTorch(HIDDEN, has_rec=case == "recurrent", **options)
    if case == "recurrent":
        hidden.w_rec.data = feedback(HIDDEN) / 8
    net = Sequential(layers[0], hidden, layers[1], LIFTorch(OUTPUTS, **options))
    x = inputs(case)
    with torch.no_grad():
        graph = to_nir(net, torch.tensor(x[:1])[None])
        net.reset_state()
        out = net(torch.tensor(x)[None])[0].numpy()[0]
    if case == "recurrent":  # its exporter drops the recurrent weights: they are put back
        name = next(k for k, node in graph.nodes.items() if getattr(node, "tau_syn", np.zeros(0)).size == HIDDEN)
        graph.nodes["back"] = nir.Linear(hidden.w_rec.detach().numpy().T)
        graph.edges += [(name, "back"), ("back", name)]
    return graph, x, out, "rockpool", {"dt": dt}


def spyx(case: str) -> Recorded:
    import jax.numpy as jnp
    import spyx.nn as sn
    from flax import nnx
    from spyx.nir import to_nir

    rngs = nnx.Rngs(3)
    weights = torch_layers(case)
    if case == "convolution":  # flax has channels last
        kind, shapes = sn.LIF, ((8, 8, 4), (3, 3, 3))
        layers = [nnx.Conv(IMAGE[0], 4, (3, 3), padding=[(1, 1)] * 2, rngs=rngs)]
        layers.append(nnx.Conv(4, 3, (3, 3), strides=2, padding="VALID", rngs=rngs))
    else:
        kind, shapes = sn.RLIF if case == "recurrent" else sn.LIF, ((HIDDEN,), (OUTPUTS,))
        layers = [nnx.Linear(n, m, rngs=rngs) for n, m in ((INPUTS, HIDDEN), (HIDDEN, OUTPUTS))]
    for mine, w in zip(layers, weights, strict=True):
        mine.kernel = nnx.Param(jnp.asarray(w.weight.data.numpy().transpose(*range(2, w.weight.ndim), 1, 0)))
        mine.bias = nnx.Param(jnp.asarray(w.bias.data.numpy()))
    neurons = [kind(shapes[0], beta=0.85, rngs=rngs), sn.LIF(shapes[1], beta=0.9, rngs=rngs)]
    x, out = inputs(case), []
    states = [layer.initial_state(1) for layer in neurons]
    for frame in x:
        value = jnp.asarray(np.moveaxis(frame, 0, -1) if case == "convolution" else frame)[None]
        for i, (layer, lif) in enumerate(zip(layers, neurons, strict=True)):
            value, states[i] = lif(layer(value), states[i])
        fired = np.asarray(value)[0]
        out.append((np.moveaxis(fired, -1, 0) if case == "convolution" else fired).reshape(-1))
    size = IMAGE if case == "convolution" else (INPUTS,)
    ends = {"input": np.array(size)}, {"output": np.array((3, 3, 3) if case == "convolution" else (OUTPUTS,))}
    graph = to_nir(nnx.Sequential(layers[0], neurons[0], layers[1], neurons[1]), *ends, dt=1e-4)
    for node in graph.nodes.values():  # its exporter leads the input through the recurrent weights; put that right
        if isinstance(node, nir.NIRGraph):
            node.edges = [(a, b.replace("w_rec", "lif") if a.endswith(".input") else b) for a, b in node.edges]
    return graph, x, np.array(out), "spyx", {}


FRAMEWORKS: dict[str, Callable[[str], Recorded]] = {
    "snnTorch": snntorch,
    "snnTorch, zero": partial(snntorch, reset="zero"),
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
    """Wrong output values, in floats and on the machine, where also what graded spikes carry must add up."""
    graph, x, out, preset, overrides = recorded
    path = folder / "net.nir"
    with h5py.File(path, "w") as file:
        write(file.create_group("node"), graph.to_dict())
    network, semantics = read_nir(path), choose_semantics(preset, **overrides)
    spikes = x.reshape(1, len(x), -1).astype(np.uint8)
    exact = run_float(discretize(network, semantics), spikes, record=True).spikes[network.output][0]
    late = semantics.output_delay
    exact = np.concatenate([0 * exact[:late], exact])[: len(x)]
    image = compile_network(network, load_architecture("ecp5"), semantics, 16, calibrate=spikes).image
    result = emulator.run(image, spikes, record_spikes=True)
    assert result.spikes is not None
    population = image.population(network.output)
    place = {tuple(where): i for i, where in enumerate(population.location.tolist())}
    fired = np.zeros(exact.shape, bool)
    for _, t, core, neuron in result.spikes.tolist():
        if (core, neuron) in place and 0 <= t - population.depth < len(x):
            fired[t - population.depth, place[core, neuron]] = True
    wrong = int((fired != (out != 0)).sum()) + int((result.output_counts[0] != out.sum(axis=0)).sum())
    most = "" if out.max() == 1 else f" of up to {int(out.max())}"
    return f"{int((exact != out).sum())} / {wrong} of {out.size:,} ({int((out != 0).sum())} spikes{most})"


def main() -> None:
    global GRID, TIMESTEPS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frameworks", nargs="*", metavar="FRAMEWORK", help=", ".join(FRAMEWORKS))
    parser.add_argument("--floats", action="store_true", help="weights that 16 bits do not hold exactly")
    parser.add_argument("--timesteps", type=int, default=TIMESTEPS)
    options = parser.parse_args()
    GRID, TIMESTEPS = 0 if options.floats else GRID, options.timesteps
    print(f"| framework | {' | '.join(CASES)} |")
    print("|---" * (len(CASES) + 1) + "|")
    for name in options.frameworks or FRAMEWORKS:
        cells = []
        for case in CASES:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    cells.append(compare(FRAMEWORKS[name](case), Path(folder)))
            except MissingError as error:
                cells.append(f"none: {error}")
            except ModuleNotFoundError as error:
                cells.append(f"not installed: {error.name}")
            except Exception as error:  # one framework's trouble must not hide the others
                cells.append(f"failed: {type(error).__name__}: {error}".replace("\n", " ")[:160])
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
