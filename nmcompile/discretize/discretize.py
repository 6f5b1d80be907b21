"""Discretize: semantics applied. What every population does in a timestep, and how long its spikes take, in floats.

This is done once; the float simulation, retiming and quantization read what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.spec.errors import InputError

from ..network.limits import INPUT
from ..network.network import Network
from ..network.semantics import Semantics, check_names
from ..neurons.update import Dynamics
from .bounds import bounded_dynamics
from .loops import break_loops

LONGEST = 10**9  # timesteps: beyond any delay that a machine has


@dataclass(frozen=True)
class DiscreteNetwork:
    """A network under its semantics.

    Attributes:
        network: its populations in an order in which signals flow within a timestep.
        dynamics: by population, what it does in a timestep.
        delays: of each projection, in the network's order, timesteps that its spikes take in the framework: 0 within
            the timestep.
    """

    network: Network
    semantics: Semantics
    dynamics: dict[str, Dynamics]
    delays: tuple[int, ...]

    def __post_init__(self) -> None:
        assert list(self.dynamics) == [p.name for p in self.network.populations]
        assert len(self.delays) == len(self.network.projections)

    @property
    def output_delay(self) -> dict[str, int]:
        """By population, timesteps that everyone else sees its spikes later."""
        return {name: d.output_delay for name, d in self.dynamics.items()}

    @property
    def payloads(self) -> dict[str, int]:
        """By population, and the input's, the largest magnitude of what a spike carries."""
        return {INPUT: self.network.input_levels} | {name: d.payload for name, d in self.dynamics.items()}

    @property
    def rounded(self) -> list[str]:
        """A sentence for each delay in seconds that is no whole number of timesteps."""
        texts = []
        for p in self.network.projections:
            steps = min(p.delay_s / self.semantics.dt, LONGEST)
            if abs(steps - round(steps)) > 1e-3:
                texts.append(
                    f"{p.name!r}: a delay of {p.delay_s:g} s is {steps:.4g} timesteps, taken as {round(steps)}"
                )
        return texts

    def signed(self, source: str) -> bool:
        """Can the spikes of a population, or of the input, be negative?"""
        return source in self.dynamics and self.dynamics[source].signed

    def graded(self, source: str) -> bool:
        """Do they carry anything but 1?"""
        return self.payloads[source] > 1 or self.signed(source)


def discretize(network: Network, semantics: Semantics) -> DiscreteNetwork:
    """Apply semantics to a network.

    Raises:
        InputError: a parameter is outside what its model can do with this timestep; or a population that does not
            spike is followed by another.
    """
    check_names(semantics, [p.name for p in network.populations])
    for population in network.populations:
        if not population.spiking and population.name != network.output:
            raise InputError(
                f"{network.origin}: {population.name!r} ({population.model}) does not spike, so nothing can follow it; "
                "only the output may be an I, LI or CubaLI"
            )
    dynamics = bounded_dynamics(network, semantics)
    least = {"instant": 0, "step": 1}[semantics.edges]
    given = tuple(
        max(p.delay, round(min(p.delay_s / semantics.dt, LONGEST)), 0 if p.source == INPUT else least)
        + (dynamics[p.source].output_delay if p.source in dynamics and p.source != p.target else 0)
        for p in network.projections
    )
    ordered, delays = break_loops(network, given)
    dynamics = {p.name: dynamics[p.name] for p in ordered.populations}
    return DiscreteNetwork(ordered, semantics, dynamics, delays)
