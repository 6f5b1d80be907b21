#!/bin/sh
# snnTorch: after a spike, Synaptic with reset_mechanism='zero' loses the next input; Leaky keeps it.
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

print("snntorch", version("snntorch"))
drive = torch.tensor([2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
leaky = snn.Leaky(beta=0.5, reset_mechanism="zero", init_hidden=True)
synaptic = snn.Synaptic(alpha=0.0, beta=0.5, reset_mechanism="zero", init_hidden=True)  # no memory of the current
with torch.no_grad():
    found = {type(lif).__name__: [int(lif(x.reshape(1, 1)).sum()) for x in drive] for lif in (leaky, synaptic)}
print(found)
# with alpha = 0 a Synaptic neuron might be taken for a Leaky one
assert found["Leaky"] == [1, 1, 1, 1, 1, 1]
assert found["Synaptic"] == [1, 0, 1, 0, 1, 0], "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
