#!/bin/sh
# Norse: to_nir writes a membrane time constant of 1e-05 s for one of 0.01 s.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0
"$work/venv/bin/pip" install -q nir==1.0.8 nirtorch==2.6 numpy
"$work/venv/bin/pip" install -q --no-deps norse==1.1.0
cat > "$work/case.py" <<'PY'
from importlib.metadata import version

import torch
from norse.torch import LIFBoxCell, SequentialState
from norse.torch.functional.lif_box import LIFBoxParameters
from norse.torch.utils.export_nir import to_nir

print("norse", version("norse"), "nir", version("nir"))
p = LIFBoxParameters(*[torch.full((3,), v) for v in (100.0, 0.0, 1.0, 0.0)])  # 1 / 0.01 s, its default
net = SequentialState(torch.nn.Linear(2, 3), LIFBoxCell(p))
lif = next(node for node in to_nir(net, torch.zeros(1, 2)).nodes.values() if type(node).__name__ == "LIF")
print("tau_mem_inv", p.tau_mem_inv.tolist(), "tau in the graph", lif.tau.tolist())
assert abs(float(lif.tau[0]) - 1e-5) < 1e-9, "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
