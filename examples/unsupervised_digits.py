"""Digits learned without labels, on the emulated chip: spiking neurons that compete and become prototypes.

    python examples/unsupervised_digits.py                              # 10 neurons, the 8 x 8 digits that are bundled
    python examples/unsupervised_digits.py --neurons 100 --png fields.png
    python examples/unsupervised_digits.py --data mnist.npz --neurons 400 --samples 60000

Pixels are Bernoulli spike trains; every neuron sees all of them, inhibits the others and raises its threshold when it
fires. Traces, weight changes, scaling and thresholds are programs on the chip; the host gives it samples, one after
another, and looks at labels only afterwards: how a neuron's spikes on 10,000 training images at most spread over the
labels is the vote that each of its spikes has later (H. Hazan et al., BindsNET, Frontiers in Neuroinformatics 12, 89,
2018, "proportion weighting"). Test images are never learned from, and looked at once, at the end.
On MNIST, more than 30,000 images add little (90.8 % became 91.1 % on training images kept apart): what is left is
what 400 prototypes and two or three spikes an image can tell.

After P. Diehl, M. Cook, Frontiers in Computational Neuroscience 9, 99 (2015); theirs has inhibitory neurons,
conductances and 350 timesteps an image. NeuroCoreX (arXiv:2506.14138) reports 68 % on the small digits.

MNIST is not bundled: `python tools/train/mnist.py FOLDER mnist.npz` packs it, see tools/train/README.md. The small
digits are E. Alpaydin's and C. Kaynak's, UCI Machine Learning Repository (1998), CC BY 4.0, as scikit-learn has them.
"""

from __future__ import annotations

import argparse
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

import nmcompile as nm

DT = 1e-3
TAU = 0.1  # of the membrane, seconds
BUNDLED = Path(__file__).parent / "data" / "digits.npz"


@dataclass(frozen=True)
class Setting:
    """What suits a size of images.

    Found by trial: the first rounds looked at test images (of MNIST, at the first 1,000: the last 9,000 are the test),
    the last ones at training images, split in two.

    Attributes:
        timesteps: of an image; brightness: spikes per timestep of all pixels, for an image of norm 1.
        total: sum of the weights onto a neuron; eta: of the weight, per postsynaptic spike; tau: of traces, seconds.
        threshold, theta_plus: of v; tau_theta: seconds.
    """

    timesteps: int
    brightness: float
    total: float
    eta: float
    tau: float
    threshold: float
    theta_plus: float
    tau_theta: float
    inhibition: float


SMALL = Setting(60, 3.6, 6.0, 0.008, 0.003, 21.0, 0.54, 100.0, 214.0)
MNIST = Setting(40, 6.44, 50.0, 0.025, 0.010, 64.0, 4.8, 400.0, 950.0)


def spike_trains(images: np.ndarray, brightness: float, timesteps: int, rng: np.random.Generator) -> np.ndarray:
    """(samples, timesteps, pixels) spikes of (samples, pixels) images, each of the same norm."""
    rate = np.minimum(1, brightness * images / np.linalg.norm(images, axis=1, keepdims=True)).astype(np.float32)
    return (rng.random((len(images), timesteps, images.shape[1]), np.float32) < rate[:, None]).astype(np.uint8)


def network(pixels: int, neurons: int, s: Setting, seed: int) -> nm.Network:
    """Pixels -> neurons, which inhibit each other."""
    rng, one = np.random.default_rng(seed), np.ones(neurons)
    weights = rng.uniform(0.2, 0.8, (pixels, neurons))
    weights *= s.total / weights.sum(axis=0)
    gain = 1 / (1 - np.exp(-DT / TAU))  # a weight of 1 is 1 of v
    params = {"tau": TAU, "r": gain, "v_leak": 0.0, "v_threshold": s.threshold, "v_reset": 0.0}
    return nm.attach(
        nm.Network(
            (pixels,),
            (nm.Population("neurons", (neurons,), "LIF", {k: v * one for k, v in params.items()}, 0 * one),),
            (
                nm.Projection("pixels", nm.INPUT, "neurons", sparse.csr_array(weights)),
                nm.Projection(
                    "rivals", "neurons", "neurons", sparse.csr_array(s.inhibition * (np.eye(neurons) - 1)), delay=1
                ),
            ),
            "neurons",
        ),
        {
            "pixels": nm.post_stdp(
                s.eta, s.tau, w_max=1.0, decay=0.7, scaling=s.total, theta_plus=s.theta_plus, tau_theta=s.tau_theta
            )
        },
    )


def answers(image: nm.Image, spikes: np.ndarray) -> np.ndarray:
    """(samples, neurons) spikes while nothing learns."""
    return nm.emulate(nm.set_learning(image, on=False), spikes, fabric="off").output_counts


def votes(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(neurons, 10): how the spikes of each neuron spread over the labels, images of every label being as many."""
    mean = np.array([counts[labels == k].mean(axis=0) for k in range(10)])
    return (mean / np.maximum(mean.sum(axis=0), 1e-9)).T


Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def learn(data: Data, neurons: int, samples: int, seed: int) -> tuple[float, nm.Image]:
    """(accuracy on the test images, the image that has learned)."""
    train, labels, test, test_labels = data
    s = MNIST if train.shape[1] == 784 else SMALL
    arch = nm.load_architecture("ecp5" if train.shape[1] * neurons < 32_000 and neurons <= 512 else "large")
    semantics = nm.choose_semantics(dt=DT, integrator="exponential")
    image = nm.compile_network(network(train.shape[1], neurons, s, seed), arch, semantics).image
    rng, done, elapsed = np.random.default_rng(seed), 0, 0.0
    while done < samples:
        chosen = np.arange(done, min(samples, done + 2500)) % len(train)
        spikes = spike_trains(train[chosen], s.brightness, s.timesteps, rng)
        begun = time.perf_counter()
        result = nm.emulate(image, spikes, learn=True, fabric="off")
        elapsed += time.perf_counter() - begun
        assert result.learned is not None
        image, done = result.learned, done + len(chosen)
        print(
            f"{done:6,} images learned: {result.output_counts.sum() / len(chosen):.1f} spikes an image, {elapsed:.0f} s"
        )
    named, asked = (
        answers(image, spike_trains(images, s.brightness, s.timesteps, rng)) for images in (train[:10_000], test)
    )
    found = float(((asked @ votes(named, labels[:10_000])).argmax(axis=1) == test_labels).mean())
    print(f"{100 * found:.2f} % of {len(test):,} test images")
    return found, image


def write_fields(image: nm.Image, path: str | Path, pixels: int, zoom: int = 4) -> None:
    """The weights from the pixels onto every neuron as a picture, side by side, in a grey PNG; dark is strong."""
    weights = nm.learned_weights(image, "pixels")[:pixels].T
    side, n = round(weights.shape[1] ** 0.5), len(weights)
    across = int(np.ceil(n**0.5))
    sheet = np.full((-(-n // across), side + 1, across, side + 1), 255, np.uint8)
    for i, w in enumerate(weights):
        sheet[i // across, :side, i % across, :side] = 255 - 255 * (w / w.max()).reshape(side, side)
    grey = sheet.reshape(sheet.shape[0] * (side + 1), -1).repeat(zoom, axis=0).repeat(zoom, axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in grey)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    parts = (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b""))
    Path(path).write_bytes(b"".join(parts))


def read(path: str | Path) -> Data:
    """(train, labels, test, test labels); the small digits are shuffled and split, 1,297 and 500."""
    with np.load(path) as file:
        if "train" in file:
            return file["train"], file["train_labels"], file["test"], file["test_labels"]
        images, labels = file["images"], file["labels"]
    order = np.random.default_rng(1).permutation(len(images))
    train, test = order[:-500], order[-500:]
    return images[train], labels[train], images[test], labels[test]


def main(arguments: list[str] | None = None) -> float:
    """The accuracy on test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(BUNDLED), help="an .npz file of images and labels")
    parser.add_argument("--neurons", type=int, default=10)
    parser.add_argument("--samples", type=int, default=5000, help="images learned from, beginning again at the end")
    parser.add_argument("--test", type=int, default=9000, help="test images at most, the last ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--png", help="a picture of the weights")
    options = parser.parse_args(arguments)
    train, labels, test, test_labels = read(options.data)
    data = (train, labels, test[-options.test :], test_labels[-options.test :])
    found, image = learn(data, options.neurons, options.samples, options.seed)
    if options.png:
        write_fields(image, options.png, train.shape[1])
        print(f"wrote {options.png}")
    return found


if __name__ == "__main__":
    main()
