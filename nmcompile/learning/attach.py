"""Attach rules to the projections of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError

from ..network.network import Network, Projection
from ..network.rule import Rule


def attach(network: Network, rules: Mapping[str, Rule], masks: Mapping[str, np.ndarray] | None = None) -> Network:
    """The network with a rule on each projection named.

    Args:
        masks: by projection, (n_source, n_target) bool: the pairs that are synapses; None: see `Projection.mask`.

    Raises:
        InputError: no such projection; one that repeats weights, or leads where such a one does; a target that does
            not spike; a mask of another shape, or without a rule, or that leaves weights out.
    """
    masks = masks or {}
    known = [p.name for p in network.projections]
    for name in masks:
        if name not in rules:
            raise InputError(f"{network.origin}: a mask for {name!r}, which has no rule; give it one")
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
    projections = tuple(
        replace(p, plasticity=rules[p.name], mask=_mask(p, masks.get(p.name), network.origin)) if p.name in rules else p
        for p in network.projections
    )
    return replace(network, projections=projections)


def _mask(p: Projection, given: np.ndarray | None, origin: str) -> sparse.csr_array | None:
    if given is None:
        return p.mask
    mask = np.asarray(given, bool)
    if mask.shape != p.matrix.shape:
        raise InputError(f"{origin}: the mask of {p.name!r} has shape {mask.shape}, its weights {p.matrix.shape}")
    outside = int(np.count_nonzero(p.matrix.toarray()[~mask]))
    if outside:
        raise InputError(
            f"{origin}: {p.name!r} has {outside:,} weights that are not 0 where its mask has no synapse; mask them in, "
            "or set them to 0"
        )
    return sparse.csr_array(mask)
