#!/bin/sh
# Norse: to_nir leaves v_reset out, so the graph says that neurons go to 0.
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
p = LIFBoxParameters(*[torch.full((1,), v) for v in (500.0, 0.0, 1.0, -2.0)])
linear = torch.nn.Linear(1, 1, bias=False)
linear.weight.data.fill_(3.0)
net = SequentialState(linear, LIFBoxCell(p))
v, state = [], None
for _ in range(3):
    _, state = net(torch.ones(1, 1), state)
    v.append(round(float(state[1].v.reshape(())), 3))
lif = next(node for node in to_nir(net, torch.zeros(1, 1)).nodes.values() if type(node).__name__ == "LIF")
print("its own membrane", v, "v_reset in the graph", lif.v_reset.tolist())
assert -2.0 in v
assert lif.v_reset.tolist() == [0.0], "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
