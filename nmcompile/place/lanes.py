"""Lane packing: which neuron of a part sits in which lane, so that sparse rows need few words.

A word holds one synapse per lane, so a sparse row takes as many words as its fullest lane has synapses. Neurons are
dealt out one by one, most synapses first, each to the lane where it lengthens the fewest rows.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

WORTHWHILE = 0.45  # density above which dense rows win anyway


def deal_lanes(columns: sparse.csc_array, lanes: int) -> np.ndarray:
    """(n,) an order of the n columns of (rows, n); position p is lane p mod `lanes`. The identity where none helps."""
    n_rows, n = columns.shape
    order = np.arange(n)
    if lanes == 1 or columns.nnz > WORTHWHILE * n_rows * n:
        return order
    if columns.nnz < lanes * n_rows:  # rows of less than a word's synapses: little to win, and many of them
        return order
    room = np.bincount(order % lanes, minlength=lanes)  # positions that each lane has
    count = np.zeros((n_rows, lanes), np.int32)  # synapses of each row in each lane
    fullest = np.zeros(n_rows, np.int32)
    chosen = np.zeros(n, np.int64)
    for column in np.argsort(-np.diff(columns.indptr), kind="stable"):
        rows = columns.indices[columns.indptr[column] : columns.indptr[column + 1]]
        here = count[rows]
        longer = (here >= fullest[rows, None]).sum(axis=0)
        # rows made longer decide, then the emptier lane
        cost = np.where(room > 0, longer * 1000.0 + here.sum(axis=0), np.inf)
        lane = int(cost.argmin())
        chosen[column] = lane
        room[lane] -= 1
        count[rows, lane] += 1
        fullest[rows] = np.maximum(fullest[rows], count[rows, lane])
    for lane in range(lanes):
        order[lane::lanes] = np.flatnonzero(chosen == lane)
    return order
