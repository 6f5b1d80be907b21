"""Timesteps: what the framework's delays are, in whole steps."""

from __future__ import annotations

from collections.abc import Mapping

from ..network.network import Network

LONGEST = 10**9  # timesteps: beyond any delay that a machine has


def framework_delays(network: Network, dt: float, output_delay: Mapping[str, int]) -> tuple[int, ...]:
    """Timesteps that the spikes of each projection take in the framework, 0 meaning within the timestep.

    A loop takes a timestep by itself, which a delay in seconds on it includes.
    """
    return tuple(
        max(p.delay, round(min(p.delay_s / dt, LONGEST)))
        + (output_delay.get(p.source, 0) if p.source != p.target else 0)
        for p in network.projections
    )
