#!/bin/sh
# Spyx: to_nir writes images channels first, but leaves the weights behind a Flatten in channels-last order.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q spyx==1.0.0 nir==1.0.8 numpy
cat > "$work/case.py" <<'PY'
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
import spyx.nn as sn
from flax import nnx
from spyx.nir import to_nir

print("spyx", version("spyx"), "nir", version("nir"))
rngs = nnx.Rngs(3)
conv = nnx.Conv(1, 2, (3, 3), padding="SAME", rngs=rngs)
linear = nnx.Linear(2 * 3 * 3, 4, rngs=rngs)
model = sn.Sequential(conv, sn.Flatten(), linear)
graph = to_nir(model, {"input": np.array((1, 3, 3))}, {"output": np.array((4,))}, dt=1e-4)
weight = next(np.asarray(n.weight) for n in graph.nodes.values() if type(n).__name__ in ("Affine", "Linear"))
x = np.random.default_rng(0).random((1, 3, 3, 1)).astype(np.float32)
maps = np.asarray(conv(jnp.asarray(x)))  # (batch, height, width, channels)
wanted = np.asarray(linear(jnp.asarray(maps.reshape(1, -1))) - linear.bias[...])[0]
first = weight @ np.moveaxis(maps[0], -1, 0).reshape(-1)  # NIR: (channels, height, width), flattened
last = weight @ maps[0].reshape(-1)
print("its own", wanted.round(3), "by NIR's order", first.round(3), "in channels-last order", last.round(3))
assert np.allclose(last, wanted, atol=1e-4)
assert not np.allclose(first, wanted, atol=1e-2), "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
