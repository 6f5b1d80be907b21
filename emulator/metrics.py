"""Proxy metrics of a run, from exact counts: NeuroBench's, Bit Budget, and the STEP energy proxy.

They let a run be compared with papers that report no joules. Nothing here knows the machine or the compiler: each
layer is described by plain counts. Per-sample numbers are totals divided by the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .spec.errors import InputError

# pJ; the popular 45 nm fp32 figures, used by STEP (arXiv 2505.11151). They are a convention, not our hardware's.
STEP_MAC_PJ: Final = 4.6
STEP_AC_PJ: Final = 0.9
STEP_MEM_PJ: Final = 3.12


@dataclass(frozen=True)
class LayerActivity:
    """What one layer is, and what it did in a run; counts are sums over all timesteps and samples.

    A connection is one use of a weight by one pair of input and neuron: a convolution has as many as its unrolled
    matrix has entries inside the input (padding is no input). A weight is a stored number: kernels count once.

    Attributes:
        neurons: outputs of the layer.
        inputs: inputs of the layer, recurrent ones included.
        connections: dense connections, weights of zero included.
        synapses: connections whose weight is not zero.
        weights, nonzero_weights: stored numbers; both None says that none are shared (as connections, synapses).
        weight_bits, spike_bits: of a weight, and of an input spike (1, or more if graded).
        state_bits: of all stored state of one neuron.
        input_spikes: inputs that were not zero.
        spikes: outputs that were not zero.
        synaptic_operations: synapses whose input was not zero, bias excluded.
        accumulates: True if every input was -1, 0 or 1, so that its operations are accumulates (ACs), else MACs.
        spiking: False for a readout of potentials, which has no activations to be sparse.
        membrane_updates: steps in which a neuron's potential changed; None takes every neuron in every timestep,
            which is what a clocked machine does and the upper bound of NeuroBench's count.
    """

    name: str
    neurons: int
    inputs: int
    connections: int
    synapses: int
    weight_bits: int
    input_spikes: int
    spikes: int
    synaptic_operations: int
    weights: int | None = None
    nonzero_weights: int | None = None
    spike_bits: int = 1
    state_bits: int = 0
    accumulates: bool = True
    spiking: bool = True
    membrane_updates: int | None = None

    @property
    def stored(self) -> tuple[int, int]:
        """(weights, weights that are not zero), as stored."""
        if self.weights is None or self.nonzero_weights is None:
            return self.connections, self.synapses
        return self.weights, self.nonzero_weights


def bit_budget(timesteps: int, weight_bits: int, spike_bits: int) -> int:
    """BB = T * b_w * b_s. Source: Shen et al., CVPR 2024 (arXiv 2311.10802)."""
    return timesteps * weight_bits * spike_bits


def metrics(
    layers: Sequence[LayerActivity], timesteps: int, samples: int, footprint_bytes: float | None = None
) -> dict[str, Any]:
    """NeuroBench's metrics, Bit Budget and STEP's proxy of one run.

    Args:
        layers: in any order; each ran `timesteps` steps in each of `samples` samples.
        footprint_bytes: memory of the network where it is known exactly (an image); else it is computed.

    Returns:
        A dict of plain numbers. Over the network:
        footprint_bytes: stored weights at their width and the state of the neurons. NeuroBench sums a framework's
            parameters and buffers, bias included; where we know only the widths, a bias is not counted.
        connection_sparsity: zeros among the stored weights, 0 none to 1 all; not rounded as NeuroBench does.
        activation_sparsity: zeros among all outputs of all spiking layers, timesteps and samples.
        Per sample:
        effective_acs, effective_macs: connections with weight and input both not zero, bias excluded; a layer's
            are ACs if all of its inputs in the whole run are -1, 0 or 1 (NeuroBench decides batch by batch).
        dense_operations: connections times timesteps: what hardware blind to zeros would do.
        membrane_updates: and membrane_updates_are, "counted" or "every neuron in every timestep".
        step_pj: picojoules of 4.6 a MAC, 0.9 an AC, 3.12 for each read and each write of a potential, every
            neuron in every timestep.
        Over the network, in one inference:
        s_ace: sum over layers of connections * BB.
        ns_ace: sum of the same, each times the layer's mean input rate (nonzero inputs / inputs / timesteps).
        layers: for each name, its bit_budget, input_rate, s_ace, ns_ace, synaptic_operations a sample.

    Raises:
        InputError: no layers, no time, two layers of one name, or a count beyond what the layer could have done.

    Source: NeuroBench (Yik et al., Nature Communications 2025) and its harness, metrics `static` and `workload`;
        Shen et al., CVPR 2024; STEP, arXiv 2505.11151. Shen's n_(w,s) are the dense products of one timestep.
    """
    _check_run(layers, timesteps, samples)
    steps = timesteps * samples

    def rate(layer: LayerActivity) -> float:
        return layer.input_spikes / (layer.inputs * steps) if layer.inputs else 0.0

    def budget(layer: LayerActivity) -> int:
        return bit_budget(timesteps, layer.weight_bits, layer.spike_bits)

    spiking = [layer for layer in layers if layer.spiking]
    outputs = sum(layer.neurons for layer in spiking) * steps
    stored = sum(layer.stored[0] for layer in layers)
    acs = sum(layer.synaptic_operations for layer in layers if layer.accumulates) / samples
    macs = sum(layer.synaptic_operations for layer in layers if not layer.accumulates) / samples
    every = [layer.neurons * steps for layer in layers]
    known = [layer.membrane_updates for layer in layers if layer.membrane_updates is not None]
    counted = len(known) == len(layers)
    if footprint_bytes is None:
        bits = sum(layer.stored[0] * layer.weight_bits + layer.neurons * layer.state_bits for layer in layers)
        footprint_bytes = bits / 8
    return {
        "footprint_bytes": footprint_bytes,
        "connection_sparsity": 1 - sum(layer.stored[1] for layer in layers) / stored if stored else 0.0,
        "activation_sparsity": 1 - sum(layer.spikes for layer in spiking) / outputs if outputs else 0.0,
        "effective_acs": acs,
        "effective_macs": macs,
        "dense_operations": sum(layer.connections for layer in layers) * timesteps,
        "membrane_updates": sum(known if counted else every) / samples,
        "membrane_updates_are": "counted" if counted else "every neuron in every timestep",
        "s_ace": sum(layer.connections * budget(layer) for layer in layers),
        "ns_ace": sum(rate(layer) * layer.connections * budget(layer) for layer in layers),
        "step_pj": STEP_MAC_PJ * macs + STEP_AC_PJ * acs + STEP_MEM_PJ * 2 * sum(every) / samples,
        "layers": {
            layer.name: {
                "bit_budget": budget(layer),
                "input_rate": rate(layer),
                "s_ace": layer.connections * budget(layer),
                "ns_ace": rate(layer) * layer.connections * budget(layer),
                "synaptic_operations": layer.synaptic_operations / samples,
            }
            for layer in layers
        },
    }


def _check_run(layers: Sequence[LayerActivity], timesteps: int, samples: int) -> None:
    if not layers or timesteps < 1 or samples < 1:
        raise InputError(
            f"metrics need at least one layer, timestep and sample, not {len(layers)}, {timesteps} and {samples}"
        )
    names = set()
    for layer in layers:
        if layer.name in names:
            raise InputError(f"two layers are named {layer.name!r}")
        names.add(layer.name)
        _check(layer, timesteps * samples)


def _check(layer: LayerActivity, steps: int) -> None:
    """InputError if a count is not possible; `steps` are timesteps times samples."""
    stored, nonzero = layer.stored
    neurons, inputs, synapses = layer.neurons * steps, layer.inputs * steps, layer.synapses * steps
    limits = (
        ("neurons", layer.neurons, 1, None, ""),
        ("inputs", layer.inputs, 0, None, ""),
        ("connections", layer.connections, 0, None, ""),
        ("weight_bits", layer.weight_bits, 1, None, ""),
        ("spike_bits", layer.spike_bits, 1, None, ""),
        ("state_bits", layer.state_bits, 0, None, ""),
        ("synapses", layer.synapses, 0, layer.connections, "its connections"),
        ("weights", stored, 0, None, ""),
        ("nonzero_weights", nonzero, 0, stored, "its weights"),
        ("input_spikes", layer.input_spikes, 0, inputs, "its inputs times the steps"),
        ("spikes", layer.spikes, 0, neurons, "its neurons times the steps"),
        ("synaptic_operations", layer.synaptic_operations, 0, synapses, "its synapses times the steps"),
        ("membrane_updates", layer.membrane_updates or 0, 0, neurons, "its neurons times the steps"),
    )
    for field, value, least, most, what in limits:
        if value < least:
            raise InputError(f"layer {layer.name!r}: {field} = {value:,} must be at least {least}")
        if most is not None and value > most:
            raise InputError(f"layer {layer.name!r}: {field} = {value:,} is more than {what}, {most:,}")
