"""Order: which neurons of a sparse population should share a core, where their order can be chosen.

A core has an axon for every source of its neurons, and a neuron sends a packet to every core that it feeds, so neurons
with common sources belong together. What belongs together most is joined, pair by pair, until a group fills a core; the
groups that are left are ordered by the bandwidth of what connects them.

Source: the joining is the coarsening of G. Karypis and V. Kumar, SIAM Journal on Scientific Computing 20, 1998, section
3.1, with weights over the sizes of both groups; the rest is E. Cuthill and J. McKee, 1969.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ..quantize.quantized import QuantizedNetwork, QuantizedPopulation

FEWEST = 0.03  # share of the groups that must find a partner, or joining ends
LINKS = 1 << 20  # looked at together: what is calculated of each takes memory


def gathered(network: QuantizedNetwork, population: QuantizedPopulation, size: int) -> np.ndarray:
    """(n,) an order of a population's neurons in which slabs of `size` have few sources, or as they come."""
    own, links = population.n, _links(network, population)

    def sources(order: np.ndarray) -> int:
        slab = np.empty(own, np.int32)
        slab[order] = np.arange(own) // size
        heard = (np.ones(links.nnz, bool), slab[links.indices], links.indptr.copy())
        pairs = sparse.csr_array(heard, shape=(links.shape[0], own // size + 1))
        pairs.sum_duplicates()
        return int(pairs.nnz)

    order = joined(links, size)
    order = order[order < own]
    natural = np.arange(own)
    return order if sources(order) < sources(natural) else natural


def _links(network: QuantizedNetwork, population: QuantizedPopulation) -> sparse.csr_array:
    """The graph of a population and all that it hears, its own neurons first: from sources to targets."""
    place, end = {population.name: 0}, population.n
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for p in network.projections:
        if p.target == population.name:
            if p.source not in place:
                place[p.source], end = end, end + p.matrix.shape[0]
            links = p.matrix.tocoo()
            rows.append(links.row.astype(np.int64) + place[p.source])
            columns.append(links.col.astype(np.int64))
    source, target = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.ones(len(source)), (source, target)), shape=(end, end))


def joined(links: sparse.csr_array, size: int) -> np.ndarray:
    """(n,) an order of the n nodes of a graph, those linked most beside each other, in groups of at most `size`."""
    weights = _alone(links + links.T)
    members = np.ones(weights.shape[0], np.int64)
    steps = []
    while True:
        partner = _partners(weights, members, size)
        first = np.flatnonzero((partner >= 0) & (np.arange(len(members)) < partner))
        if len(first) < FEWEST * len(members):
            break
        group = np.arange(len(members))
        group[partner[first]] = first
        _, group = np.unique(group, return_inverse=True)
        steps.append(group)
        into = sparse.csr_array((np.ones(len(group)), (np.arange(len(group)), group)))
        weights = _alone(into.T @ weights @ into)
        members = np.bincount(group, members).astype(np.int64)
    rank = np.empty(len(members), np.int64)
    rank[reverse_cuthill_mckee(sparse.csr_matrix(weights), symmetric_mode=True)] = np.arange(len(members))
    for group in reversed(steps):
        order = np.argsort(rank[group], kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
    return np.argsort(rank)


def _alone(weights: sparse.csr_array) -> sparse.csr_array:
    """Without links from a node to itself; columns in order."""
    weights.sort_indices()
    row = np.repeat(np.arange(weights.shape[0], dtype=np.int32), np.diff(weights.indptr))
    apart = row != weights.indices
    if apart.all():
        return weights
    count = np.bincount(row[apart], minlength=weights.shape[0])
    indptr = np.concatenate([[0], np.cumsum(count)])
    return sparse.csr_array((weights.data[apart], weights.indices[apart], indptr), shape=weights.shape)


def _partners(weights: sparse.csr_array, members: np.ndarray, size: int) -> np.ndarray:
    """(n,) the node with which each is joined, -1 for none: both prefer each other, and are `size` at most together."""
    n, indptr = len(members), weights.indptr
    wish = np.full(n, -1)
    ends = np.unique(np.searchsorted(indptr, np.arange(0, weights.nnz + LINKS, LINKS)).clip(max=n))
    for lo, hi in itertools.pairwise([0, *ends]):
        some = slice(indptr[lo], indptr[hi])
        count = np.diff(indptr[lo : hi + 1])
        b, a = weights.indices[some].astype(np.int64), np.repeat(np.arange(lo, hi), count)
        low, high = np.minimum(a, b), np.maximum(a, b)
        tie = ((low * 2654435761 ^ high * 40503) & 0xFFFF) / (1 << 16)  # equal links in an order without a pattern
        score = weights.data[some] / (members[a] * members[b]) * (1 + 1e-3 * tie)
        score[members[a] + members[b] > size] = -1
        linked = count > 0
        best = np.maximum.reduceat(score, (indptr[lo:hi] - indptr[lo])[linked]) if linked.any() else np.zeros(0)
        at = (score == np.repeat(best, count[linked])) & (score >= 0)
        wish[a[at]] = b[at]
    mutual = (wish >= 0) & (wish[wish] == np.arange(n))
    return np.where(mutual, wish, -1)
