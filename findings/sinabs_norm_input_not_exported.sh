#!/bin/sh
# sinabs: to_nir writes the same graph for norm_input=True and norm_input=False, which differ twenty times in gain.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0
"$work/venv/bin/pip" install -q nir==1.0.8 nirtorch==2.6 pbr matplotlib numpy tqdm
"$work/venv/bin/pip" install -q --no-deps sinabs==3.1.3
cat > "$work/case.py" <<'PY'
from importlib.metadata import version

import numpy as np
import sinabs.layers as sl
import torch
from sinabs.nir import to_nir

print("sinabs", version("sinabs"), "nir", version("nir"))
parameters, spikes = [], []
for norm in (True, False):
    torch.manual_seed(1)
    linear = torch.nn.Linear(6, 4)
    linear.weight.data = linear.weight.data.abs() * 3
    lif = sl.LIFSqueeze(batch_size=1, tau_mem=torch.full((4,), 20.0), spike_threshold=torch.ones(4), norm_input=norm)
    net = torch.nn.Sequential(linear, lif)
    with torch.no_grad():
        spikes.append(int(net(torch.ones(30, 6)).sum()))
    lif.reset_states()
    graph = to_nir(net, torch.zeros(1, 6))
    parameters.append([np.asarray(v) for node in graph.nodes.values() for v in vars(node).values() if hasattr(v, "shape")])
same = all(np.array_equal(a, b) for a, b in zip(*parameters))
print("spikes with norm_input True and False:", spikes, "- the graphs are equal:", same)
assert spikes[1] > 5 * max(spikes[0], 1)
assert same, "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
