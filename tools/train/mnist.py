"""MNIST as spikes: read the IDX files, encode images as events, pack small subsets for the examples."""

import sys
from pathlib import Path

import numpy as np

LICENSE = "MNIST (c) Yann LeCun and Corinna Cortes, CC BY-SA 3.0; these spikes, made from it, likewise"


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file of bytes.

    Args:
        path: a file whose header is 0, 0, 8 (uint8), rank, then `rank` big-endian uint32 sizes.

    Returns:
        uint8 array of the shape in the header.

    Raises:
        ValueError: the file is not an IDX file of bytes, or its length does not match its header.
    """
    raw = path.read_bytes()
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"'{path.name}' starts with {raw[:3].hex()}, not 000008; give an unpacked IDX file")
    rank = raw[3]
    shape = tuple(np.frombuffer(raw, ">u4", count=rank, offset=4).tolist())
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if values.size != np.prod(shape):
        raise ValueError(f"'{path.name}' has {values.size:,} bytes, its header says {shape}; fetch it again")
    return values.reshape(shape)


def load_mnist(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Load one split of MNIST.

    Args:
        folder: where the four IDX files are.
        split: "train" (60,000 images) or "t10k" (the 10,000 test images).

    Returns:
        images (n, 28, 28) uint8 grey levels 0..255, labels (n,) uint8.
    """
    return read_idx(folder / f"{split}-images-idx3-ubyte"), read_idx(folder / f"{split}-labels-idx1-ubyte")


def encode_rate(images: np.ndarray, timesteps: int, rng: np.random.Generator) -> np.ndarray:
    """Encode grey levels as Bernoulli spikes: a pixel fires in each timestep with probability level / 255.

    Args:
        images: (n, 28, 28) uint8.
        timesteps: how many timesteps to draw.
        rng: source of the draws.

    Returns:
        (n, timesteps, 784) uint8, 0 or 1; pixels in row-major order.
    """
    levels = images.reshape(len(images), 1, 784)
    draws = rng.integers(255, size=(len(images), timesteps, 784), dtype=np.uint8)
    return (draws < levels).astype(np.uint8)


def encode_rows(images: np.ndarray, timesteps: int, rng: np.random.Generator) -> np.ndarray:
    """Encode an image as a sequence of its rows, top first: a pixel brighter than one half is a spike.

    Args:
        images: (n, 28, 28) uint8.
        timesteps: at least 28; those after the last row are empty.
        rng: unused, the encoding is deterministic; here so that all encoders are called alike.

    Returns:
        (n, timesteps, 28) uint8, 0 or 1.
    """
    spikes = np.zeros((len(images), timesteps, 28), np.uint8)
    spikes[:, :28] = images > 127
    return spikes


def pack(path: Path, spikes: np.ndarray, labels: np.ndarray, **results: np.ndarray) -> None:
    """Write encoded samples as a compressed npz file, with the licence of the images.

    Args:
        path: file to write.
        spikes: (samples, timesteps, inputs) uint8, 0 or 1.
        labels: (samples,) uint8.
        results: further arrays to keep under their own names, e.g. `float_counts` (samples, outputs).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, spikes=spikes, labels=labels, license=LICENSE, **results)


def main(folder: str, output: str) -> None:
    """Write all of MNIST as the arrays that the examples of learning read."""
    arrays = {}
    for split, name in (("train", "train"), ("t10k", "test")):
        images, labels = load_mnist(Path(folder), split)
        arrays |= {name: images.reshape(-1, 784), f"{name}_labels": labels}
    np.savez_compressed(output, license=LICENSE, **arrays)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tools/train/mnist.py FOLDER mnist.npz")
    main(*sys.argv[1:])
