"""Attach rules to the projections of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emulator.spec.errors import InputError

from ..network.network import Network
from ..network.rule import Rule


def attach(network: Network, rules: Mapping[str, Rule]) -> Network:
    """The network with a rule on each projection named.

    Raises:
        InputError: no such projection; one that repeats weights, or leads where such a one does; a target that does
            not spike.
    """
    known = [p.name for p in network.projections]
    for name in rules:
        if name not in known:
            raise InputError(f"{network.origin}: no projection {name!r} to learn; it has {', '.join(known)}")
    for p in network.projections:
        if p.name not in rules:
            continue
        if p.convolutional:
            raise InputError(
                f"{network.origin}: {p.name!r} shares its weights (a convolution), so rule {rules[p.name].name!r} "
                "cannot change them one by one; learn on a dense projection"
            )
        for q in network.projections:
            if q.convolutional and q.target == p.target:
                raise InputError(
                    f"{network.origin}: {p.name!r} leads to {p.target!r}, as the convolution {q.name!r} does, which "
                    f"pads its neurons in memory, and rule {rules[p.name].name!r} would teach the padding to fire; let "
                    "it learn onto a population of its own"
                )
        if not network.population(p.target).spiking:
            raise InputError(
                f"{network.origin}: {p.name!r} leads to {p.target!r}, which never spikes, so rule "
                f"{rules[p.name].name!r} has nothing to learn from; let it spike"
            )
    projections = tuple(replace(p, plasticity=rules.get(p.name, p.plasticity)) for p in network.projections)
    return replace(network, projections=projections)
