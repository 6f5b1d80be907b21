#!/bin/sh
# snnTorch: a beta above 1, which Leaky runs as 1, is exported as a negative time constant.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0
"$work/venv/bin/pip" install -q snntorch==1.0.0 nir==1.0.8 nirtorch==2.6 numpy
cat > "$work/case.py" <<'PY'
from importlib.metadata import version

import snntorch as snn
import torch
from snntorch.export_nir import export_to_nir

print("snntorch", version("snntorch"), "nir", version("nir"))
counts = []
for beta in (1.0, 1.25):
    lif = snn.Leaky(beta=torch.full((2,), beta), threshold=torch.ones(2), init_hidden=True, learn_beta=True)
    with torch.no_grad():
        counts.append(sum(float(lif(torch.full((1, 2), 0.3)).sum()) for _ in range(40)))
net = torch.nn.Sequential(torch.nn.Linear(3, 2), snn.Leaky(beta=torch.full((2,), 1.25), threshold=torch.ones(2), init_hidden=True))
node = next(n for n in export_to_nir(net, torch.zeros(1, 3), ignore_dims=[0]).nodes.values() if type(n).__name__ == "LIF")
print("spikes at beta 1 and 1.25:", counts, "tau in the graph:", node.tau.tolist(), "r:", node.r.tolist())
assert counts[0] == counts[1]  # the class clamps
assert (node.tau < 0).all() and (node.r < 0).all(), "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
