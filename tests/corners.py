"""Random legal requests to the compiler, corners first: architectures, networks, presets, rules, bits, calibrations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from programs import random_architecture
from scipy import sparse

from emulator.spec.arch import Architecture, bundled_architectures
from nmcompile.frontends.linear import conv2d
from nmcompile.learning.attach import attach
from nmcompile.learning.library import RULES
from nmcompile.network.limits import INPUT
from nmcompile.network.network import NIR_MODELS, Network, Population, Projection
from nmcompile.network.rule import Rule
from nmcompile.network.semantics import PRESETS, RESETS, Semantics, choose_semantics
from nmcompile.neurons import loihi

Rng = np.random.Generator
PARAMETERS = NIR_MODELS | {"DiscreteLIF": ("decay", "v_threshold", "v_reset"), "Loihi": loihi.PARAMETERS}
TIMES = (1e-3, 5e-3, 5e-3, 0.02, 0.02, 0.02, 0.1, 10.0)
DT = 1e-3


@dataclass(frozen=True)
class Request:
    """What `compile_network` is asked for, and inputs to run; `rules` are attached to the network first."""

    network: Network
    rules: dict[str, dict[str, Any]]
    masks: dict[str, np.ndarray]
    arch: Architecture | None
    semantics: Semantics
    weight_bits: int
    calibrate: np.ndarray | None
    spikes: np.ndarray
    rewards: np.ndarray

    def ruled(self) -> Network:
        """The network with its rules."""
        return attach(self.network, {name: made(table) for name, table in self.rules.items()}, self.masks)


def made(table: dict[str, Any]) -> Rule:
    return RULES[table["rule"]](**{name: value for name, value in table.items() if name != "rule"})


def one(rng: Rng, *values: Any) -> Any:
    return values[rng.integers(len(values))]


def numbers(rng: Rng, n: int, low: float, high: float, *corners: float) -> np.ndarray:
    """(n,) that differ, that agree, or that are a corner."""
    match rng.integers(4):
        case 0:
            return rng.uniform(low, high, n)
        case 1 if corners:
            return np.full(n, one(rng, *corners), float)
        case 2 if corners:
            return np.where(rng.random(n) < 0.3, one(rng, *corners), rng.uniform(low, high, n))
        case _:
            return np.full(n, rng.uniform(low, high))


def population(rng: Rng, name: str, shape: tuple[int, ...], model: str, alike: bool) -> Population:
    """`alike`: its neurons act alike on what they receive, as they must to learn."""
    n = int(np.prod(shape))
    make: dict[str, Callable[[], np.ndarray]] = {
        "r": lambda: numbers(rng, n, 0.5, 30) * one(rng, 1 / DT, 1 / DT, 1 / DT, 1, 1e-6, -1 / DT),
        "tau": lambda: numbers(rng, n, 1.5 * DT, 50 * DT, DT, 1e3),
        "tau_mem": lambda: numbers(rng, n, 1.5 * DT, 50 * DT, DT, 1e3),
        "tau_syn": lambda: numbers(rng, n, 1.5 * DT, 20 * DT, DT),
        "w_in": lambda: numbers(rng, n, 0.5, 5, 1.0),
        "v_leak": lambda: numbers(rng, n, -0.2, 0.2, 0.0, 0.0),
        "v_threshold": lambda: numbers(rng, n, 0.3, 3, 1.0, 1.0, 1e-4, 0.0, -0.5, 1e4),
        "threshold": lambda: numbers(rng, n, 0.3, 3, 1.0, 0.0, -0.5),
        "v_reset": lambda: numbers(rng, n, -0.3, 0.3, 0.0, 0.0, 0.0, 2.0),
        "i_decay": lambda: np.rint(numbers(rng, n, 0, 4096, 0, 4096)),
        "v_decay": lambda: np.rint(numbers(rng, n, 0, 4096, 0, 4096)),
        "refractory": lambda: np.rint(numbers(rng, n, 0, 4, 0.0, 0.0)),
        "drive": lambda: np.rint(numbers(rng, n, -5, 5, 0.0)),
        "decay": lambda: numbers(rng, n, 0.1, 1.0, 0.0, 0.9, 1.0, 1e-5, -0.5, 3.0),
    }
    params = {key: make[key]() for key in PARAMETERS[model]}
    for key in ("r", "tau", "tau_mem", "tau_syn", "w_in", "v_threshold"):
        if alike and key in params and rng.random() < 0.95:
            params[key] = np.full(n, abs(params[key][0]))
    bias = numbers(rng, n, -0.2, 0.5, 0.0, 0.0, 0.0, 1e-6, 1e6) if rng.random() < 0.3 else np.zeros(n)
    if model == "Loihi":
        params["v_threshold"] = np.rint(10 * params["v_threshold"])
        bias = np.rint(bias)
    late = rng.uniform(-0.1, 0.1, n) * one(rng, 0, 1) if rng.random() < 0.15 else None
    return Population(name, shape, model, params, bias, late)


def weights(rng: Rng, sources: int, targets: int) -> np.ndarray:
    """(sources, targets): most make something fire; zeros, rows and columns of them, one far beyond the others."""
    size = one(rng, 1.0, 1.0, 1.0, 0.2, 1e-3, 1e3)
    w = rng.normal(0.4 * size, size, (sources, targets))
    match rng.integers(10):
        case 0:
            w = np.rint(w / size) * size
        case 1:
            w *= 0
        case 2:
            w[rng.integers(sources)] = 0
        case 3:
            w[:, rng.integers(targets)] = 0
        case 4:
            w[rng.integers(sources), rng.integers(targets)] = size * one(rng, 300.0, 1e6, 1e20, 1e-20)
        case 5:
            w = np.abs(w)
    return w * (rng.random(w.shape) < one(rng, 1, 1, 0.6, 0.15))


def network(rng: Rng, learns: bool) -> Network:
    image = rng.random() < 0.3
    inputs: tuple[int, ...] = (int(rng.integers(1, 3)), *rng.integers(2, 6, 2).tolist()) if image else ()
    inputs = inputs or (int(one(rng, 1, 3, 5, 17)),)
    populations: list[Population] = []
    projections: list[Projection] = []
    shapes, at = {INPUT: inputs}, INPUT
    count = int(rng.integers(1, 4))
    for i in range(count):
        name, shape = f"p{i}", shapes[at]
        if len(shape) == 3 and min(shape[1:]) > 1 and rng.random() < 0.8:
            channels, kernel = int(rng.integers(1, 4)), int(rng.integers(1, min(shape[1:]) + 1))
            kernels = weights(rng, channels, shape[0] * kernel * kernel).reshape(channels, shape[0], kernel, kernel)
            pad = int(rng.integers(0, 2))
            matrix, out = conv2d(kernels, shape, (1, int(rng.integers(1, 3))), (pad, pad))
            projections.append(Projection(f"w{i}", at, name, matrix, 0, True, kernels.size))
        else:
            out = (int(one(rng, 1, 2, 5, 9)),)
            n = int(np.prod(shape))
            if i == 0 or rng.random() < 0.9:
                projections.append(Projection(f"w{i}", at, name, sparse.csr_array(weights(rng, n, out[0]))))
        last = i == count - 1
        model = one(rng, "LIF", "LIF", "IF", "CubaLIF", "DiscreteLIF", "DiscreteLIF", "Threshold", "Loihi")
        model = one(rng, "LI", "I", "CubaLI") if last and not learns and rng.random() < 0.2 else model
        populations.append(population(rng, name, out, model, learns))
        shapes[name] = out
        n = populations[-1].n
        if n <= 12 and populations[-1].spiking and rng.random() < 0.25:
            back = sparse.csr_array(weights(rng, n, n) * 0.5)
            projections.append(Projection(f"r{i}", name, name, back, int(rng.integers(1, 3))))
        if n <= 12 and rng.random() < 0.2:
            source = one(rng, *[s for s in shapes if s != name])
            more = sparse.csr_array(weights(rng, int(np.prod(shapes[source])), n))
            projections.append(Projection(f"s{i}", source, name, more, int(rng.integers(0, 3))))
        at = name
    whole = {p.name for p in populations if p.model == "Loihi" and rng.random() < 0.9}
    projections = [replace(p, matrix=np.rint(p.matrix * 9)) if p.target in whole else p for p in projections]
    levels = 1 if learns else int(one(rng, 1, 1, 1, 1, 2, 255))
    return Network(inputs, tuple(populations), tuple(projections), at, input_levels=levels)


def rule(rng: Rng) -> dict[str, Any]:
    """A table of the library's parameters, as a file gives them."""
    name = one(rng, *RULES)
    bounds = [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (-1.0, 1.0), (-2.0, 0.0), (0.1, 0.5)]
    low, high = one(rng, *bounds) if rng.random() < 0.9 else one(rng, (0.0, 1e-3), (-1e3, 1e3), (-1e-9, 1.0))
    table: dict[str, Any] = {"rule": name, "w_max": high, "w_min": low}
    step = lambda: (high - low) * float(one(rng, 0.05, 0.01, 0.05, 0.01, 0.5, 1e-6, 3.0))  # noqa: E731
    tau = lambda: float(one(rng, *TIMES))  # noqa: E731
    match name:
        case "rectangular-stdp":
            table |= {"a_plus": step(), "a_minus": step(), "t_plus": tau(), "t_minus": tau()}
        case "pair-stdp" | "reward-stdp":
            table |= {"a_plus": step(), "a_minus": step(), "tau_plus": tau(), "tau_minus": tau()}
            if name == "reward-stdp":
                table |= {"largest": step(), "rate": float(one(rng, 1, 0.1, 100)), "keep": float(one(rng, 0, 0.5, 1))}
            else:
                table |= {"pairing": one(rng, "all", "nearest"), "soft": bool(rng.random() < 0.3)}
        case "triplet-stdp":
            table |= {k: step() for k in ("a2_plus", "a3_plus", "a2_minus")}
            table["a3_minus"] = one(rng, 0.0, step())
        case "symmetric-stdp":
            table |= {"a_plus": step(), "tau": tau(), "a_minus": one(rng, 0.0, step())}
        case "post-stdp":
            table |= {"eta": step(), "tau": tau(), "x_target": one(rng, 0.0, 0.4), "soft": bool(rng.random() < 0.5)}
            table |= {"decay": one(rng, 0.0, 1.0), "eta_pre": one(rng, 0.0, step())}
        case "sdsp":
            table |= {"a_up": step(), "a_down": step(), "v_up": float(one(rng, 0.5, 0, 100)), "tau_calcium": tau()}
            table |= {"calcium_up": (0.1, float(one(rng, 3, 1e3))), "calcium_down": (0.1, 2.0)}
            table["drift"] = one(rng, 0.0, step())
        case "hebbian":
            table |= {"eta": step(), "tau": tau(), "alpha": one(rng, 0.0, 0.2), "anti": bool(rng.random() < 0.5)}
        case _:
            raise AssertionError(f"no parameters here of {name}")
    if name in ("symmetric-stdp", "post-stdp"):
        table["scaling"] = one(rng, None, (high - low) * float(one(rng, 2, 1e-4, 1e3)))
        table |= {"theta_plus": float(one(rng, 0, 0.1, 1e3)), "tau_theta": tau()}
    for key, values in {
        "bits": (None, None, None, 8, 16),
        "all_to_all": (False, False, True),
        "rounding": (None, "nearest", "stochastic"),
    }.items():
        value = one(rng, *values)
        if value is not None:
            table[key] = value
    return table


def semantics(rng: Rng, learns: bool) -> Semantics:
    changed = {"reset": one(rng, *RESETS)} if rng.random() < 0.2 else {}
    if learns and rng.random() < 0.9:
        changed["reset"] = one(rng, "value", "subtract")
    return choose_semantics(one(rng, *PRESETS), dt=DT, **changed)


def architecture(rng: Rng) -> Architecture | None:
    """None, a bundled one, or any that is legal; small ones mostly."""
    match rng.integers(10):
        case 0 | 1:
            return None
        case 2:
            return one(rng, *bundled_architectures().values())
        case 3:
            return random_architecture(
                rng, synapse_words=int(one(rng, 1, 16, 64)), axons=16, routes=int(one(rng, 1, 9))
            )
        case 4:
            return random_architecture(rng, program_words=int(one(rng, 1, 12, 30, 80)))
    roomy = {"registers": 8, "traces": 3, "delay_slots": 16, "graded": bool(rng.random() < 0.8)}
    found = random_architecture(rng, **roomy, axons=16 * int(rng.integers(2, 12)), synapse_words=2048)
    lanes = found.lanes
    return replace(found, neurons=lanes * int(rng.integers(1, max(3, 128 // lanes))), program_words=512)


def net_matrix(net: Network, name: str) -> np.ndarray:
    return next(p.matrix.toarray() for p in net.projections if p.name == name)


def request(seed: int) -> Request:
    rng = np.random.default_rng([seed, 18])
    learns = bool(rng.random() < 0.35)
    net = network(rng, learns)
    names = [p.name for p in net.projections if not p.convolutional or rng.random() < 0.1]
    rules = {name: rule(rng) for name in names if rng.random() < 0.5} if learns else {}
    masks = {p.name: rng.random(p.matrix.shape) < one(rng, 0.1, 0.6, 1) for p in net.projections if p.name in rules}
    masks = {name: mask | (net_matrix(net, name) != 0) for name, mask in masks.items() if rng.random() < 0.2}
    shape = (int(rng.integers(1, 3)), int(rng.integers(2, 7)), net.n_inputs)
    rate = one(rng, 0.0, 0.3, 0.6, 1.0)
    draw = lambda: ((rng.random(shape) < rate) * rng.integers(1, net.input_levels + 1, shape)).astype(np.uint8)  # noqa: E731
    return Request(
        net,
        rules,
        masks,
        architecture(rng),
        semantics(rng, learns),
        int(one(rng, 16, 8, 8, 4, 2, 1) if not learns or rng.random() < 0.1 else one(rng, 8, 16)),
        draw() if rng.random() < 0.4 else None,
        draw(),
        rng.integers(-3, 4, shape[0]),
    )
