"""Encoders: analog values become what goes into a network, (samples, timesteps, inputs) uint8.

Values are (samples, inputs) between 0 and 1; `population` makes several inputs of one, for the others to encode.

    spikes = encode.latency(encode.population(values, 8), timesteps=20)
    np.savez("in.npz", spikes=spikes, labels=labels)

Sources: E. D. Adrian, 1926 (rate); S. Thorpe and J. Gautrais, 1998 (latency); S. M. Bohte, J. N. Kok and H. La Poutre,
Neurocomputing 48, 2002, section 4.1 (population); J. Kim et al., Neurocomputing 311, 2018 (phase, "weighted spikes");
M. Miskowicz, Sensors 6, 2006 (send on delta); N. Rathi and K. Roy, 2020 (direct coding).
"""

from __future__ import annotations

import numpy as np

from emulator.spec.errors import InputError

from ..network.limits import LARGEST_PAYLOAD


def direct(values: np.ndarray, timesteps: int, levels: int = LARGEST_PAYLOAD) -> np.ndarray:
    """The value itself in every timestep, in whole steps of 1 / levels: for a network compiled with --input-levels."""
    return np.repeat(np.rint(_checked(values) * levels).astype(np.uint8)[:, None], timesteps, axis=1)


def rate(values: np.ndarray, timesteps: int, seed: int = 0, largest: float = 1.0) -> np.ndarray:
    """A spike in every timestep with a probability of `largest` times the value, independent of all others."""
    chance = largest * _checked(values)[:, None]
    draws = np.random.default_rng(seed).random((len(values), timesteps, values.shape[1]))
    return (draws < chance).astype(np.uint8)


def latency(values: np.ndarray, timesteps: int, tau: float | None = None, silent: float = 0.0) -> np.ndarray:
    """One spike each, the sooner the larger the value; what is not above `silent` sends none.

    Args:
        tau: timesteps; then the spike comes when a leaky membrane, driven by the value, reaches `silent`, at
            tau ln(value / (value - silent)). None: it comes linearly, at (1 - value) (timesteps - 1), rounded.
    """
    x = _checked(values)
    fires = x > silent
    if tau is None:
        when = (1 - x) * (timesteps - 1)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            when = tau * np.log(x / (x - silent))
    when = np.where(fires, np.rint(when), timesteps)
    return (np.arange(timesteps)[:, None] == when[:, None]).astype(np.uint8)


def phase(values: np.ndarray, timesteps: int, bits: int = 8) -> np.ndarray:
    """The value as `bits` binary digits, the most significant first, over and over.

    Timestep t weighs 2**-(1 + t % bits). The value is rounded down to a multiple of 2**-bits, 1 to the largest of them.
    """
    whole = np.minimum(np.floor(_checked(values) * 2**bits), 2**bits - 1).astype(np.int64)
    digit = bits - 1 - np.arange(timesteps) % bits
    return (whole[:, None] >> digit[:, None] & 1).astype(np.uint8)


def population(values: np.ndarray, neurons: int, beta: float = 1.5) -> np.ndarray:
    """(samples, inputs * neurons) responses, 0 to 1, of Gaussian receptive fields; those of an input lie side by side.

    Their centres are (2 i - 1) / (2 neurons - 4) for i = 0..neurons - 1, their width is 1 / (beta (neurons - 2)).
    """
    if neurons < 3:
        raise InputError(f"{neurons} receptive fields; a population needs 3 or more")
    x = _checked(values)
    centre = (2 * np.arange(neurons) - 1) / (2 * neurons - 4)
    width = 1 / (beta * (neurons - 2))
    return np.exp(-0.5 * ((x[:, :, None] - centre) / width) ** 2).reshape(len(x), -1)


def delta(signals: np.ndarray, threshold: float) -> np.ndarray:
    """Signals (samples, timesteps, channels), any numbers: (samples, timesteps, 2 * channels) spikes, the ups first.

    A channel sends an up (or down) whenever it has risen (fallen) by `threshold` since its last spike, one a timestep;
    what it tracks begins at the first value and moves by `threshold` with each spike.
    """
    x = np.asarray(signals, np.float64)
    if x.ndim != 3 or not np.isfinite(x).all() or not threshold > 0:
        raise InputError(
            f"signals of shape {x.shape}, threshold {threshold:g}; give (samples, timesteps, channels), > 0"
        )
    tracked = x[:, 0].copy()
    spikes = np.zeros((*x.shape[:2], 2 * x.shape[2]), np.uint8)
    for t in range(1, x.shape[1]):
        up, down = x[:, t] - tracked >= threshold, tracked - x[:, t] >= threshold
        tracked += threshold * (up.astype(np.int8) - down)
        spikes[:, t] = np.concatenate([up, down], axis=1)
    return spikes


def _checked(values: np.ndarray) -> np.ndarray:
    x = np.asarray(values, np.float64)
    if x.ndim != 2:
        raise InputError(f"values of shape {x.shape} cannot be encoded; give (samples, inputs)")
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise InputError(f"values from {x.min():g} to {x.max():g} cannot be encoded; scale them to 0..1")
    return x
