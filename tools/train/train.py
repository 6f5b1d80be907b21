"""Train one of three spiking networks on MNIST with snnTorch; write its NIR file and its encoded samples.

The NIR file is what `snntorch.export_nir.export_to_nir` returns, written by `nir.write`, nothing repaired.
The networks are meant to be quantised after training. So the second half of the training rounds the weights
to 4 bits in half of the batches (straight-through: the gradient found at the rounded weights moves the float
weights).
"""

import argparse
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np
import snntorch as snn
import torch
from mnist import encode_rate, encode_rows, load_mnist, pack
from snntorch import surrogate
from snntorch.export_nir import export_to_nir
from torch import nn

SEED = 20
BATCH = 128
N_TEST = 1000
N_CALIB = 100
# Gradient of the step function: 1 / (1 + 5 |v - threshold|)**2; learns the recurrent task faster than atan.
SURROGATE = surrogate.fast_sigmoid(slope=5)


def leaky(shape: tuple[int, ...], beta: float, reset: str) -> snn.Leaky:
    """A layer of leaky neurons with threshold 1 that keeps its own state.

    NIR takes the shape of a layer from its parameters, and export_to_nir fails on scalars (NIR issue 176), so
    the layer's one value is written out once per neuron.

    Args:
        shape: of the layer, without the batch.
        beta: decay of the membrane per timestep.
        reset: "subtract" (one timestep after the spike, as snnTorch does it) or "zero".
    """
    return snn.Leaky(
        beta=torch.full(shape, beta),
        threshold=torch.ones(shape),
        reset_mechanism=reset,
        spike_grad=SURROGATE,
        init_hidden=True,
    )


def mnist_mlp() -> nn.Sequential:
    """784-80-10: 63,520 weights, so that 8-bit synapses fit in 64 KiB. Input (n, 784)."""
    return nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(784, 80),
            lif1=leaky((80,), 0.9, "subtract"),
            readout=nn.Linear(80, 10),
            lif_out=leaky((10,), 0.9, "subtract"),
        )
    )


def mnist_conv() -> nn.Sequential:
    """Two strided convolutions and a readout; feature maps 8x12x12 and 16x4x4. Input (n, 1, 28, 28)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 8, 5, stride=2),
            lif1=leaky((8, 12, 12), 0.8, "zero"),
            conv2=nn.Conv2d(8, 16, 5, stride=2),
            lif2=leaky((16, 4, 4), 0.8, "zero"),
            flatten=nn.Flatten(),
            readout=nn.Linear(256, 10),
            lif_out=leaky((10,), 0.9, "zero"),
        )
    )


def mnist_rows() -> nn.Sequential:
    """28-128-10 with all-to-all recurrence in the hidden layer. Input (n, 28)."""
    rows = nn.Linear(28, 128)
    hidden = snn.RLeaky(
        beta=0.9, linear_features=128, reset_mechanism="subtract", spike_grad=SURROGATE, init_hidden=True
    )
    with torch.no_grad():
        # A row has few spikes: at torch's initial size they hardly drive the hidden layer; learning is slow.
        rows.weight.mul_(2)
    readout = nn.Linear(128, 10)
    return nn.Sequential(
        OrderedDict(fc1=rows, recurrent=hidden, readout=readout, lif_out=leaky((10,), 0.9, "subtract"))
    )


@dataclass(frozen=True)
class Task:
    """What to train and how.

    `input_shape` is without the batch; `rounded_per` names the scales (see `rounded_weights`) to draw from in
    the batches with rounded weights.
    """

    build: Callable[[], nn.Sequential]
    input_shape: tuple[int, ...]
    encode: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
    timesteps: int
    epochs: int
    learning_rate: float
    rounded_per: tuple[str, ...]


TASKS = {
    "mnist_mlp": Task(
        mnist_mlp, (784,), encode_rate, timesteps=20, epochs=10, learning_rate=2e-3, rounded_per=("neuron",)
    ),
    "mnist_conv": Task(
        mnist_conv,
        (1, 28, 28),
        encode_rate,
        timesteps=14,
        epochs=8,
        learning_rate=4e-3,
        rounded_per=("neuron",),
    ),
    "mnist_rows": Task(
        mnist_rows,
        (28,),
        encode_rows,
        timesteps=30,
        epochs=14,
        learning_rate=6e-3,
        rounded_per=("neuron", "population"),
    ),
}


def count_spikes(net: nn.Sequential, spikes: torch.Tensor) -> torch.Tensor:
    """Run the network from rest.

    Args:
        net: a network of this file.
        spikes: (n, timesteps, *input_shape) float32, 0 or 1.

    Returns:
        (n, 10) float32, how often each output fired over all timesteps.
    """
    for layer in net:
        if isinstance(layer, snn.Leaky | snn.RLeaky):
            layer.reset_mem()
    return torch.stack([net(spikes[:, t]) for t in range(spikes.shape[1])]).sum(dim=0)


def weight_groups(net: nn.Sequential) -> list[list[nn.Parameter]]:
    """Group the weight tensors by the neurons they feed: a recurrent layer's own with those of its inputs."""
    groups: list[list[nn.Parameter]] = []
    for layer in net:
        weights = [p for p in layer.parameters() if p.dim() > 1]
        if isinstance(layer, snn.RLeaky):
            groups[-1] += weights
        elif weights:
            groups.append(weights)
    return groups


@contextmanager
def rounded_weights(net: nn.Sequential, bits: int, per: str) -> Iterator[None]:
    """Round every weight inside the `with` block, and give the float weights back after it.

    Symmetric: the largest magnitude that shares a scale becomes 2**(bits - 1) - 1. Biases stay float. All
    weights into a neuron share its scale, since they add up in one membrane.

    Args:
        net: a network of this file.
        bits: of a weight, with its sign.
        per: "neuron" (output channel) or "population" (layer) has a scale of its own.
    """
    floats = [(w, w.data) for group in weight_groups(net) for w in group]
    for group in weight_groups(net):
        largest = torch.stack([w.data.abs().flatten(1).amax(dim=1) for w in group]).amax(dim=0)
        if per == "population":
            largest = largest.amax().expand_as(largest)
        for w in group:
            scale = (largest / (2 ** (bits - 1) - 1)).view(-1, *[1] * (w.dim() - 1))
            w.data = (w.data / scale).round() * scale
    try:
        yield
    finally:
        for w, value in floats:
            w.data = value


def to_tensor(spikes: np.ndarray, task: Task) -> torch.Tensor:
    """(n, timesteps, inputs) uint8 -> (n, timesteps, *input_shape) float32."""
    return torch.from_numpy(spikes).float().unflatten(2, task.input_shape)


def train(net: nn.Sequential, task: Task, images: np.ndarray, labels: np.ndarray) -> None:
    """Train in place; the loss is the cross-entropy of the output counts, so argmax is the readout learned.

    Args:
        net: a network of this file.
        task: its task.
        images: (n, 28, 28) uint8.
        labels: (n,) uint8.
    """
    rng = np.random.default_rng(SEED)
    optimizer = torch.optim.AdamW(net.parameters(), lr=task.learning_rate, weight_decay=1e-3)
    batches = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, task.learning_rate, total_steps=task.epochs * batches, pct_start=0.2
    )
    net.train()
    for epoch in range(task.epochs):
        losses = []
        for batch in rng.permutation(len(images))[: batches * BATCH].reshape(-1, BATCH):
            spikes = to_tensor(task.encode(images[batch], task.timesteps, rng), task)
            rounds = 2 * epoch >= task.epochs and rng.random() < 0.5
            per = task.rounded_per[rng.integers(len(task.rounded_per))]
            target = torch.from_numpy(labels[batch]).long()
            optimizer.zero_grad()
            with rounded_weights(net, 4, per) if rounds else nullcontext():
                loss = nn.functional.cross_entropy(count_spikes(net, spikes), target)
                loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} of {task.epochs}: loss {np.mean(losses):.4f}", flush=True)


@torch.no_grad()
def count_all(net: nn.Sequential, task: Task, spikes: np.ndarray) -> np.ndarray:
    """Run many samples, N_TEST at a time: (n, timesteps, inputs) uint8 -> output counts (n, 10) float32."""
    net.eval()
    parts = (to_tensor(spikes[i : i + N_TEST], task) for i in range(0, len(spikes), N_TEST))
    return np.concatenate([count_spikes(net, part).numpy() for part in parts])


def accuracy(counts: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose most active output is the label; counts (n, 10), ties go to the lowest index."""
    return float(np.mean(counts.argmax(axis=1) == labels))


def tie_share(counts: np.ndarray) -> float:
    """Share of samples in which two or more outputs hold the highest count; counts (n, 10)."""
    top_two = np.sort(counts, axis=1)[:, -2:]
    return float(np.mean(top_two[:, 0] == top_two[:, 1]))


def main() -> None:
    """Train, report the accuracies, and write the network, the test samples and the calibration samples."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=TASKS)
    parser.add_argument("mnist", type=Path, help="folder of the four unpacked MNIST IDX files")
    parser.add_argument("--out", type=Path, default=Path("examples"), help="folder of networks/ and data/")
    args = parser.parse_args()

    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    task = TASKS[args.network]
    net = task.build()
    images, labels = load_mnist(args.mnist, "train")
    train(net, task, images, labels)

    test_images, test_labels = load_mnist(args.mnist, "t10k")
    test_spikes = task.encode(test_images, task.timesteps, np.random.default_rng(SEED + 1))
    calib_spikes = task.encode(images[:N_CALIB], task.timesteps, np.random.default_rng(SEED + 2))
    for bits, per in ((4, "population"), (4, "neuron"), (8, "population"), (8, "neuron"), (None, "")):
        with rounded_weights(net, bits, per) if bits else nullcontext():
            counts = count_all(net, task, test_spikes)
        subset = accuracy(counts[:N_TEST], test_labels[:N_TEST])
        print(
            f"{f'{bits}-bit weights, a scale per {per}' if bits else 'float weights'}: "
            f"{accuracy(counts, test_labels):.4f} of {len(counts):,}, {subset:.4f} of the first {N_TEST:,}; "
            f"tied readouts {tie_share(counts):.4f}"
        )

    network = args.out / "networks" / f"{args.network}.nir"
    network.parent.mkdir(parents=True, exist_ok=True)
    nir.write(network, export_to_nir(net, torch.zeros(1, *task.input_shape), ignore_dims=[0]))
    test = args.out / "data" / f"{args.network}_test.npz"
    pack(
        test,
        test_spikes[:N_TEST],
        test_labels[:N_TEST],
        float_counts=counts[:N_TEST],
        float_accuracy=np.array(subset),
    )
    calib = args.out / "data" / f"{args.network}_calib.npz"
    pack(calib, calib_spikes, labels[:N_CALIB])
    for path in (network, test, calib):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
