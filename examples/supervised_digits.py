"""Digits learned from a teacher, on the emulated chip: symmetric STDP in two layers, read straight from label neurons.

    python examples/supervised_digits.py                               # 100 hidden neurons, the bundled 8 x 8 digits
    python examples/supervised_digits.py --data mnist.npz --neurons 400 --samples 20000

Pixels drive hidden neurons that compete; hidden neurons drive one neuron per label. While learning, a teacher makes the
right label neuron fire and holds the others down; both layers learn all the time, by the same rule: spikes of either
order potentiate, weights onto a neuron are scaled to a constant sum before every sample, and hidden neurons raise their
thresholds when they fire. In the test the teacher is silent, nothing learns, and the answer is the label neuron that
fires most: no labels are looked at after training, as `unsupervised_digits.py` must.

After Y. Hao, X. Huang, M. Dong, B. Xu, A biologically plausible supervised learning method for spiking neural networks
using the symmetric STDP rule, Neural Networks 121, 387 (2020), arXiv:1812.06574. Theirs has inhibitory neurons and
conductances, 700 timesteps an image, and label neurons that do not listen to the hidden ones while they are taught.

What limits it is the hidden layer: it fires two or three spikes an image, and in trials the label neurons were within
half a point of the best votes that these spikes can have.

Data as in `unsupervised_digits.py`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from unsupervised_digits import BUNDLED, Data, read, spike_trains, write_fields

import nmcompile as nm

DT = 1e-3
LABELS = 10
TEACHER = 0.5  # spikes per timestep
SUM = 0.1  # of the weights onto a label neuron, per hidden neuron; a weight is at most 1
ETA = 0.001  # of those weights
THRESHOLD = 0.05  # of label neurons: low, so that they fire in proportion to what they receive


@dataclass(frozen=True)
class Setting:
    """What suits a size of images; found by trial on training images, split in two.

    Attributes:
        timesteps: of an image; brightness: spikes per timestep of all pixels, for an image of norm 1.
        total: sum of the weights onto a hidden neuron; eta, tau: of their rule.
        threshold, theta_plus, inhibition: of hidden neurons, units of v; tau_theta: seconds.
    """

    timesteps: int
    brightness: float
    total: float
    eta: float
    threshold: float
    theta_plus: float
    tau_theta: float
    inhibition: float
    tau: float = 0.003


SMALL = Setting(60, 3.6, 6.0, 0.002, 21.0, 2.0, 100.0, 100.0)
MNIST = Setting(40, 6.44, 50.0, 0.006, 64.0, 4.8, 400.0, 950.0)


def lif(name: str, n: int, tau: float, threshold: float) -> nm.Population:
    """Neurons on which a weight of 1 adds 1 to v."""
    params = {"tau": tau, "r": 1 / (1 - np.exp(-DT / tau)), "v_leak": 0.0, "v_threshold": threshold, "v_reset": 0.0}
    return nm.Population(name, (n,), "LIF", {k: np.full(n, v) for k, v in params.items()}, np.zeros(n))


def network(pixels: int, neurons: int, s: Setting, seed: int) -> nm.Network:
    """Pixels -> hidden, which inhibit each other -> labels <- teacher. Inputs: the pixels, then the teacher's lines."""
    rng = np.random.default_rng(seed)
    see = rng.uniform(0.2, 0.8, (pixels, neurons))
    tell = rng.uniform(0.2, 0.8, (neurons, LABELS))
    see *= s.total / see.sum(axis=0)
    tell *= SUM * neurons / tell.sum(axis=0)
    right = np.eye(LABELS)
    teach = 1.1 * THRESHOLD * right - 0.5 * (1 - right)
    return nm.attach(
        nm.Network(
            (pixels + LABELS,),
            (lif("hidden", neurons, 0.1, s.threshold), lif("labels", LABELS, 0.05, THRESHOLD)),
            (
                nm.Projection(
                    "pixels", nm.INPUT, "hidden", sparse.csr_array(np.vstack([see, np.zeros((LABELS, neurons))]))
                ),
                nm.Projection("rivals", "hidden", "hidden", sparse.csr_array(s.inhibition * (np.eye(neurons) - 1)), 1),
                nm.Projection(
                    "teacher", nm.INPUT, "labels", sparse.csr_array(np.vstack([np.zeros((pixels, LABELS)), teach]))
                ),
                nm.Projection("votes", "hidden", "labels", sparse.csr_array(tell)),
            ),
            "labels",
        ),
        {
            "pixels": nm.symmetric_stdp(
                s.eta, s.tau, 1.0, scaling=s.total, theta_plus=s.theta_plus, tau_theta=s.tau_theta
            ),
            "votes": nm.symmetric_stdp(ETA, 0.02, 1.0, scaling=SUM * neurons),
        },
    )


def encode(images: np.ndarray, labels: np.ndarray | None, s: Setting, rng: np.random.Generator) -> np.ndarray:
    """(samples, timesteps, pixels + labels) spikes; without labels, the teacher is silent."""
    pixels = spike_trains(images, s.brightness, s.timesteps, rng)
    teacher = np.zeros((len(images), s.timesteps, LABELS), np.uint8)
    if labels is not None:
        said = rng.random((len(images), s.timesteps)) < TEACHER
        teacher[np.arange(len(images)), :, labels] = said
    return np.concatenate([pixels, teacher], axis=2)


def learn(data: Data, neurons: int, samples: int, seed: int) -> tuple[float, nm.Image]:
    """(accuracy on the test images, the image that has learned)."""
    train, labels, test, test_labels = data
    s = MNIST if train.shape[1] == 784 else SMALL
    arch = nm.load_architecture("ecp5" if train.shape[1] * neurons < 32_000 and neurons <= 256 else "large")
    semantics = nm.choose_semantics(dt=DT, integrator="exponential", reset="subtract")
    image = nm.compile_network(network(train.shape[1], neurons, s, seed), arch, semantics).image
    rng, done, elapsed = np.random.default_rng(seed), 0, 0.0
    while done < samples:
        chosen = np.arange(done, min(samples, done + 2500)) % len(train)
        begun = time.perf_counter()
        result = nm.emulate(image, encode(train[chosen], labels[chosen], s, rng), learn=True, fabric="off")
        elapsed += time.perf_counter() - begun
        assert result.learned is not None
        image, done = result.learned, done + len(chosen)
        hidden, told = result.sample_spikes.mean(axis=0)
        print(f"{done:6,} images learned: {hidden:.1f} hidden and {told:.1f} label spikes an image, {elapsed:.0f} s")
    result = nm.emulate(nm.set_learning(image, on=False), encode(test, None, s, rng), fabric="off")
    found = float((result.predictions == test_labels).mean())
    print(f"{100 * found:.2f} % of {len(test):,} test images")
    return found, image


def main(arguments: list[str] | None = None) -> float:
    """The accuracy on test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(BUNDLED), help="an .npz file of images and labels")
    parser.add_argument("--neurons", type=int, default=100, help="hidden neurons")
    parser.add_argument("--samples", type=int, default=5000, help="images learned from, beginning again at the end")
    parser.add_argument("--test", type=int, default=9000, help="test images at most, the last ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--png", help="a picture of the hidden neurons' weights")
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
