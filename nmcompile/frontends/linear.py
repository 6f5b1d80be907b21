"""Linear layers as sparse matrices over flat indices: what a convolution or a pool does to each input."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

LARGEST = 1 << 28  # synapses of an unrolled layer: far beyond any machine, within memory


def window_padding(
    padding: str | tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """Padding before the first element of each axis; "same" pads the odd element behind, as PyTorch does."""
    if padding == "valid":
        return (0,) * len(kernel)
    if padding == "same":
        return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    if isinstance(padding, str):
        raise ValueError(f"padding {padding!r}; it is 'same', 'valid' or numbers")
    return tuple(padding)


def conv2d(
    weight: np.ndarray,
    in_shape: tuple[int, int, int],
    stride: tuple[int, int] = (1, 1),
    padding: str | tuple[int, ...] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> tuple[sparse.csr_array, tuple[int, int, int]]:
    """Unroll a 2-D convolution (cross-correlation, as every framework has it).

    Args:
        weight: (out channels, in channels / groups, kernel height, kernel width).
        in_shape: (channels, height, width).

    Returns:
        ((in size, out size) matrix, out shape). Weights of zero are not stored.

    Raises:
        ValueError: the channels do not match, a size is out of range, or nothing is left of the image.
    """
    out_channels, per_group, kh, kw = weight.shape
    channels, height, width = in_shape
    for what, numbers in (("stride", stride), ("dilation", dilation), ("groups", (groups,))):
        if min(numbers) < 1:
            raise ValueError(f"{what} = {', '.join(map(str, numbers))}; it must be 1 or more")
    if per_group * groups != channels or out_channels % groups:
        raise ValueError(f"weights {weight.shape} with {groups} groups do not fit {channels} input channels")
    (ph, pw) = window_padding(padding, (kh, kw), dilation)
    if min(ph, pw) < 0:
        raise ValueError(f"padding = {ph}, {pw}; it must be 0 or more")
    total_h = dilation[0] * (kh - 1) if padding == "same" else 2 * ph
    total_w = dilation[1] * (kw - 1) if padding == "same" else 2 * pw
    oh = (height + total_h - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + total_w - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    if oh < 1 or ow < 1:
        raise ValueError(f"a kernel of {kh} x {kw} leaves nothing of an image of {height} x {width}")
    taps = per_group * kh * kw
    if out_channels * oh * ow * max(taps, 4) > LARGEST:
        raise ValueError(
            f"{out_channels * oh * ow:,} outputs of {taps:,} synapses each are more than {LARGEST:,} in all; "
            "split the layer"
        )
    rows, cols, values = [], [], []
    out_c = np.arange(out_channels)
    in_c = (out_c // (out_channels // groups))[:, None] * per_group + np.arange(per_group)
    for ky in range(kh):
        y = np.arange(oh) * stride[0] + ky * dilation[0] - ph
        oy = np.flatnonzero((y >= 0) & (y < height))
        for kx in range(kw):
            x = np.arange(ow) * stride[1] + kx * dilation[1] - pw
            ox = np.flatnonzero((x >= 0) & (x < width))
            tap = weight[:, :, ky, kx]
            o, i = np.nonzero(tap)
            source = (in_c[o, i][:, None, None] * height + y[oy][:, None]) * width + x[ox]
            target = (o[:, None, None] * oh + oy[:, None]) * ow + ox
            rows.append(source.ravel())
            cols.append(target.ravel())
            values.append(np.broadcast_to(tap[o, i][:, None, None], source.shape).ravel())
    shape = (channels * height * width, out_channels * oh * ow)
    data = np.concatenate(values).astype(np.float64)
    matrix = sparse.coo_array((data, (np.concatenate(rows), np.concatenate(cols))), shape=shape)
    return matrix.tocsr(), (out_channels, oh, ow)


def uses2d(weight: np.ndarray, *image: Any) -> int | None:
    """How often a convolution uses its weights inside the image; None: as many times as its matrix has entries.

    Args:
        image: what `conv2d` takes behind the weights.
    """
    return None if weight.all() else int(conv2d(np.ones_like(weight), *image)[0].nnz)


def pool2d(
    in_shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
    average: bool = False,
) -> tuple[sparse.csr_array, tuple[int, int, int]]:
    """A sum or average pool as a matrix; arguments and result as in `conv2d`."""
    channels = in_shape[0]
    if min(kernel) < 1:
        raise ValueError(f"kernel_size = {kernel[0]}, {kernel[1]}; it must be 1 or more")
    if kernel[0] * kernel[1] * channels > LARGEST:
        raise ValueError(f"a kernel of {kernel[0]} x {kernel[1]} over {channels} channels; split the layer")
    value = 1 / (kernel[0] * kernel[1]) if average else 1.0
    return conv2d(np.full((channels, 1, *kernel), value), in_shape, stride, padding, groups=channels)
