"""Pack: integer weight rows become axon entries and synapse words.

A row that learns is stored alone and dense. Three ways to store another, cheapest first: a window into weights that
another row stored (a convolution's kernels are stored once), a dense run between its first and last block, or sparse
words, whichever takes fewer words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from emulator.spec import isa

_DENSE_BY_BITS = {1: isa.DENSE1, 2: isa.DENSE2, 4: isa.DENSE4, 8: isa.DENSE8, 16: isa.DENSE16}


@dataclass(frozen=True)
class PackedRows:
    """Rows of one projection onto one part of a population.

    Attributes:
        sources: (rows,) source index of each row that has weights.
        entries: by name of `isa.AXON_FIELDS`, (rows,) int64; `word` counts from the first of `words`,
            `beats` and `runs` are true numbers, `block` counts from the first block of the part.
        words: (n, lanes) uint16 synapse memory.
        stored: synapses of `words` that are not zero; a shared one counts once.
    """

    sources: np.ndarray
    entries: dict[str, np.ndarray]
    words: np.ndarray
    stored: int

    @property
    def reach(self) -> int:
        """Blocks from the first of the part on that its rows touch: a window can end behind the part, in zeros."""
        e = self.entries
        last = e["block"] + (e["runs"] - 1) * e["block_stride"] + e["beats"]
        return int(np.where(e["format"] == isa.SPARSE, 0, last).max(initial=0))

    def encode(self, first_word: int, first_block: int) -> np.ndarray:
        """(rows,) uint64 axon entries for rows that lie behind `first_word` and `first_block`."""
        shifted = dict(self.entries)
        shifted["word"] = shifted["word"] + first_word
        shifted["block"] = shifted["block"] + first_block
        for name in ("beats", "runs"):
            shifted[name] = shifted[name] - 1
        word = np.zeros(len(self.sources), np.uint64)
        for name, (low, width) in isa.AXON_FIELDS.items():
            values = shifted[name]
            assert values.size == 0 or (values.min() >= 0 and values.max() < 1 << width), name
            word |= values.astype(np.uint64) << np.uint64(low)
        return word

    def located(self, first_block: int) -> np.ndarray:
        """(n, lanes) `words` for rows that lie behind `first_block`: sparse synapses name their block themselves."""
        sparse_rows = self.entries["format"] == isa.SPARSE
        if not first_block or not sparse_rows.any():
            return self.words
        words = self.words.copy()
        slots = words[int(self.entries["word"][sparse_rows].min()) :]  # dense rows come first
        slots[slots & 0xFF != 0] += np.uint16(first_block << 8)
        return words


def dense_words(beats: np.ndarray, bits: int) -> np.ndarray:
    """(n_beats, lanes) weights as (words, lanes) uint16 of `bits` bits each, the first beat lowest."""
    lanes = beats.shape[1]
    per_word = isa.BEATS_PER_WORD[_DENSE_BY_BITS[bits]]
    n_words = -(-len(beats) // per_word)
    padded = np.zeros((n_words * per_word, lanes), np.int64)
    padded[: len(beats)] = beats > 0 if bits == 1 else beats
    per_slot = 16 // bits
    fields = (padded.reshape(n_words, lanes, per_slot) & ((1 << bits) - 1)).astype(np.uint32)
    return (fields << (np.arange(per_slot) * bits).astype(np.uint32)).sum(axis=2).astype(np.uint16)


def smallest_bits(matrix: sparse.csr_array | sparse.csc_array, weight_bits: int, columns: int) -> int:
    """The narrowest dense format for these weights; one bit only where every synapse exists."""
    low, high = int(matrix.data.min(initial=0)), int(matrix.data.max(initial=0))
    if weight_bits == 1 and columns == matrix.shape[1] and matrix.nnz == matrix.shape[0] * matrix.shape[1]:
        return 1
    for bits in (2, 4, 8):
        if low >= -(1 << (bits - 1)) and high < 1 << (bits - 1):
            return bits
    return 16


def pack_rows(matrix: sparse.csr_array, lanes: int, weight_bits: int, pitch: int | None = None) -> PackedRows:
    """Pack the rows of a (sources, slots) int32 matrix whose columns are block * lanes + lane.

    Args:
        pitch: blocks of one row of an image, where rows may be two-dimensional windows worth sharing (0: they may
            be shared, but are one-dimensional); None packs every row on its own.
    """
    sources = np.flatnonzero(np.diff(matrix.indptr))
    matrix = matrix[sources]
    n_blocks = -(-matrix.shape[1] // lanes)
    bits = smallest_bits(matrix, weight_bits, n_blocks * lanes)
    if pitch is not None and len(sources):
        windows = _windows(matrix, lanes, bits, pitch or n_blocks)
        single = _single(matrix, lanes, bits)
        best = windows if windows is not None and len(windows[1]) <= len(single[1]) else single
    else:
        best = _single(matrix, lanes, bits)
    entries, words, stored = best
    return PackedRows(sources, entries, words, stored)


def pack_plastic(matrix: sparse.csr_array, lanes: int, bits: int) -> PackedRows:
    """Pack the rows of a (sources, slots) int32 matrix that learns: each is dense, alone, on a word of its own.

    Args:
        bits: 8 or 16. Zeros of the matrix are synapses, too.
    """
    sources = np.flatnonzero(np.diff(matrix.indptr))
    n_rows, n_blocks = len(sources), -(-matrix.shape[1] // lanes)
    kind = _DENSE_BY_BITS[bits]
    n_words = -(-n_blocks // isa.BEATS_PER_WORD[kind])
    content = np.zeros((n_rows, n_words * isa.BEATS_PER_WORD[kind], lanes), np.int32)
    content[:, :n_blocks].reshape(n_rows, n_blocks * lanes)[:, : matrix.shape[1]] = matrix[sources].toarray()
    zeros = np.zeros(n_rows, np.int64)
    entries = {
        "word": np.arange(n_rows) * n_words,
        "beat": zeros,
        "beats": zeros + n_blocks,
        "runs": zeros + 1,
        "weight_stride": zeros,
        "block_stride": zeros,
        "block": zeros,
        "format": zeros + kind,
    }
    return PackedRows(sources, entries, dense_words(content.reshape(-1, lanes), bits), int(matrix.nnz))


_Packed = tuple[dict[str, np.ndarray], np.ndarray, int]


def _single(matrix: sparse.csr_array, lanes: int, bits: int) -> _Packed:
    """Every row on its own: dense between its ends, or sparse."""
    n_rows = matrix.shape[0]
    row = np.repeat(np.arange(n_rows), np.diff(matrix.indptr))
    block, lane = matrix.indices // lanes, matrix.indices % lanes
    first = np.full(n_rows, 1 << 30)
    last = np.zeros(n_rows, np.int64)
    np.minimum.at(first, row, block)
    np.maximum.at(last, row, block)
    beats = last - first + 1 if n_rows else np.zeros(0, np.int64)
    kind = _DENSE_BY_BITS[bits]
    per_word = isa.BEATS_PER_WORD[kind]
    fill = np.bincount(row * lanes + lane, minlength=n_rows * lanes).reshape(n_rows, lanes).max(axis=1, initial=0)
    is_sparse = (fill < -(-beats // per_word)) & (bits <= 8) & (bits > 1)

    # dense rows lie back to back, beat by beat
    dense_beats = np.where(is_sparse, 0, beats)
    start = np.cumsum(dense_beats) - dense_beats
    content = np.zeros((int(dense_beats.sum()), lanes), np.int32)
    chosen = ~is_sparse[row]
    content[(start[row] + block - first[row])[chosen], lane[chosen]] = matrix.data[chosen]
    words = dense_words(content, bits) if len(content) else np.zeros((0, lanes), np.uint16)

    # sparse rows behind them: the k-th synapse of a lane goes into the k-th word
    sparse_words = np.where(is_sparse, fill, 0)
    sparse_start = len(words) + np.cumsum(sparse_words) - sparse_words
    chosen = is_sparse[row]
    if chosen.any():
        key = row[chosen] * lanes + lane[chosen]
        order = np.argsort(key, kind="stable")
        count = np.bincount(key, minlength=n_rows * lanes)
        rank = np.empty(len(key), np.int64)
        rank[order] = np.arange(len(key)) - np.repeat(np.cumsum(count) - count, count)
        more = np.zeros((int(sparse_words.sum()), lanes), np.uint16)
        at = sparse_start[row[chosen]] - len(words) + rank
        more[at, lane[chosen]] = (block[chosen] << 8) | (matrix.data[chosen] & 0xFF)
        words = np.concatenate([words, more])
    entries = {
        "word": np.where(is_sparse, sparse_start, start // per_word),
        "beat": np.where(is_sparse, 0, start % per_word),
        "beats": np.where(is_sparse, fill, beats),
        "runs": np.ones(n_rows, np.int64),
        "weight_stride": np.zeros(n_rows, np.int64),
        "block_stride": np.zeros(n_rows, np.int64),
        "block": np.where(is_sparse, 0, first),
        "format": np.where(is_sparse, isa.SPARSE, kind),
    }
    return entries, words, int(matrix.nnz)


def _windows(matrix: sparse.csr_array, lanes: int, bits: int, pitch: int) -> _Packed | None:
    """Every row as a window of an image of `pitch` blocks a row; equal windows, and parts of others, are shared.

    None if a window does not fit the fields of an axon entry.
    """
    n_rows = matrix.shape[0]
    first_of, lengths = matrix.indptr[:-1], np.diff(matrix.indptr)
    block, lane = np.divmod(matrix.indices, lanes)
    y, x = np.divmod(block, pitch)
    y0, x0 = np.minimum.reduceat(y, first_of), np.minimum.reduceat(x, first_of)
    runs, beats = np.maximum.reduceat(y, first_of) - y0 + 1, np.maximum.reduceat(x, first_of) - x0 + 1
    field = {name: 1 << width for name, (_, width) in isa.AXON_FIELDS.items()}
    if runs.max() > 1 and (runs.max() > field["runs"] or max(beats.max(), pitch) >= field["block_stride"]):
        return None
    entries = {
        "word": np.zeros(n_rows, np.int64),
        "beat": np.zeros(n_rows, np.int64),
        "beats": beats.astype(np.int64),
        "runs": runs.astype(np.int64),
        "weight_stride": np.zeros(n_rows, np.int64),
        "block_stride": np.where(runs > 1, pitch, 0),
        "block": y0.astype(np.int64) * pitch + x0,
        "format": np.full(n_rows, _DENSE_BY_BITS[bits]),
    }
    row = np.repeat(np.arange(n_rows), lengths)
    patterns = []  # (window (runs, beats, lanes), the rows that have it)
    for shape in np.unique(np.stack([runs, beats], axis=1), axis=0):
        alike = np.flatnonzero((runs == shape[0]) & (beats == shape[1]))
        place = np.full(n_rows, -1)
        place[alike] = np.arange(len(alike))
        here = place[row] >= 0
        content = np.zeros((len(alike), *shape, lanes), np.int32)
        content[place[row[here]], (y - y0[row])[here], (x - x0[row])[here], lane[here]] = matrix.data[here]
        flat = content.reshape(len(alike), -1)
        _, one, which = np.unique(
            flat.view(f"V{flat.itemsize * flat.shape[1]}"), return_index=True, return_inverse=True
        )
        order = np.argsort(which.reshape(-1), kind="stable")
        ends = np.cumsum(np.bincount(which.reshape(-1)))
        patterns += [(content[i], alike[rows]) for i, rows in zip(one, np.split(order, ends[:-1]), strict=True)]

    kernels: list[np.ndarray] = []
    starts: list[int] = []
    where: dict[bytes, list[tuple[int, int, int]]] = {}  # content of a beat -> (kernel, run, beat) that have it
    total = 0
    for window, rows in sorted(patterns, key=lambda item: -item[0].size):
        n_runs, n_beats = window.shape[:2]
        for k, r, b in where.get(window[0, 0].tobytes(), ()):
            part = kernels[k][r : r + n_runs, b : b + n_beats]
            if part.shape == window.shape and np.array_equal(part, window):
                break
        else:
            k, r, b = len(kernels), 0, 0
            kernels.append(window)
            starts.append(total)
            total += n_runs * n_beats
            for run in range(n_runs):
                for beat in range(n_beats):
                    where.setdefault(window[run, beat].tobytes(), []).append((k, run, beat))
        stride = kernels[k].shape[1]
        position = starts[k] + r * stride + b
        per_word = isa.BEATS_PER_WORD[_DENSE_BY_BITS[bits]]
        entries["word"][rows] = position // per_word
        entries["beat"][rows] = position % per_word
        entries["weight_stride"][rows] = stride if n_runs > 1 else 0
    content = np.concatenate([k.reshape(-1, lanes) for k in kernels])
    return entries, dense_words(content, bits), int(np.count_nonzero(content))
