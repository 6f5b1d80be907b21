"""Lane packing: a permutation that makes sparse rows shorter, and is left alone where it cannot."""

import numpy as np
import pytest
from scipy import sparse

from nmcompile.place.lanes import deal_lanes
from nmcompile.place.pack import pack_rows


def words(matrix, lanes):
    return len(pack_rows(sparse.csr_array(matrix), lanes, 8).words)


@pytest.mark.parametrize(("n", "lanes"), [(256, 8), (250, 8), (256, 4), (61, 4)])
def test_sparse_rows_take_fewer_words(n, lanes):
    rng = np.random.default_rng(n)
    matrix = (rng.integers(1, 100, (n, n)) * (rng.random((n, n)) < 0.1)).astype(np.int32)
    order = deal_lanes(sparse.csc_array(matrix), lanes)
    assert sorted(order) == list(range(n))
    assert words(matrix[:, order], lanes) < 0.95 * words(matrix, lanes)


def test_dense_rows_are_left_as_they_are():
    matrix = sparse.csc_array(np.ones((8, 20), np.int32))
    np.testing.assert_array_equal(deal_lanes(matrix, 4), np.arange(20))
