#!/bin/sh
# Rockpool: to_nir leaves out the bias of LIFTorch, which makes its neurons fire by themselves.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0
"$work/venv/bin/pip" install -q rockpool==3.1.0 nir==1.0.8 nirtorch==2.6 numpy
cat > "$work/case.py" <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import to_nir

print("rockpool", version("rockpool"), "nir", version("nir"))
spikes, graphs = [], []
for bias in (0.0, 0.3):
    torch.manual_seed(1)
    net = Sequential(LinearTorch((3, 2)), LIFTorch(2, bias=bias))
    spikes.append(float(net(torch.zeros(1, 50, 3))[0].sum()))
    graphs.append([np.asarray(v) for n in to_nir(net).nodes.values() for v in vars(n).values() if isinstance(v, np.ndarray)])
same = all(np.array_equal(a, b) for a, b in zip(*graphs))
print("spikes without input at bias 0 and 0.3:", spikes, "- the graphs are equal:", same)
assert spikes[0] == 0 and spikes[1] > 10
assert same, "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
