"""Round weights so that their errors cancel on sample inputs, not one by one.

A dense layer's inputs are correlated, so an error made on one weight can be made good on those not rounded yet. Weights
are rounded source by source; each error is spread over the later sources by the inverse second moment of the inputs.
Source: E. Frantar et al., "GPTQ", ICLR 2023, algorithm 1 without its blocks; it follows Hassibi and Stork's
Optimal Brain Surgeon (1993). Weights of zero stay zero: they are synapses that do not exist.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse

from ..discretize.floatsim import FloatRun
from ..network.network import Projection

LARGEST_LAYER = 2048  # sources; the inverse costs their cube
DAMPING = 0.01  # of the mean second moment, for sources that hardly fire


def observed_inputs(projections: list[Projection], delays: list[int], run: FloatRun) -> np.ndarray:
    """(samples * timesteps, sources) float64: what the sources of these projections sent together.

    Args:
        delays: of each projection, timesteps in the framework.
    """
    columns = []
    for p, delay in zip(projections, delays, strict=True):
        spikes = np.asarray(run.spikes[p.source], np.float64)
        if delay:
            spikes = np.concatenate([np.zeros_like(spikes[:, :delay]), spikes[:, :-delay]], axis=1)
        columns.append(spikes.reshape(-1, spikes.shape[2]))
    return np.concatenate(columns, axis=1)


def round_compensated(
    weights: list[sparse.csc_array], steps: list[np.ndarray], largest: int, inputs: np.ndarray
) -> list[sparse.csr_array]:
    """Integer weights of projections onto one population.

    Args:
        weights: each (n_source, n_target) float.
        steps: each (n_target,), the worth of one integer unit.
        largest: magnitude that an integer weight may have.
        inputs: (observations, all sources), in the order of `weights`.
    """
    w = np.concatenate([part.toarray() for part in weights])
    step = np.concatenate([np.broadcast_to(s, part.shape) for s, part in zip(steps, weights, strict=True)])
    exists = w != 0
    moment = inputs.T @ inputs
    moment[np.diag_indices_from(moment)] += DAMPING * max(np.trace(moment) / len(moment), 1e-12)
    spread = linalg.cholesky(linalg.inv(moment))  # upper triangular
    q = np.zeros(w.shape, np.int32)
    for i in range(len(w)):
        q[i] = np.where(exists[i], np.clip(np.rint(w[i] / step[i]), -largest, largest), 0)
        w[i + 1 :] -= np.outer(spread[i, i + 1 :], (w[i] - q[i] * step[i]) / spread[i, i])
    ends = np.cumsum([part.shape[0] for part in weights])[:-1]
    return [sparse.csr_array(part) for part in np.split(q, ends)]
