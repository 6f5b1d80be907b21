#!/bin/sh
# sinabs: MembraneReset(reset_value) adds its value in every timestep, to neurons that did not fire as well.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0
"$work/venv/bin/pip" install -q nir==1.0.8 nirtorch==2.6 pbr matplotlib numpy tqdm
"$work/venv/bin/pip" install -q --no-deps sinabs==3.1.3
cat > "$work/case.py" <<'PY'
from importlib.metadata import version

import sinabs.layers as sl
import torch
from sinabs.activation import MembraneReset, SingleSpike

print("sinabs", version("sinabs"))
layer = sl.IAF(spike_fn=SingleSpike, reset_fn=MembraneReset(reset_value=-0.25), record_states=True)
silent = torch.zeros(1, 4, 1)  # (batch, time, neurons): nothing comes in, so nothing fires
spikes = layer(silent)
v = layer.recordings["v_mem"].reshape(-1).tolist()
print("spikes", spikes.reshape(-1).tolist(), "membrane", v)
assert spikes.sum() == 0
# its documentation: "Reset the membrane potential v_mem to a given value after it spiked"; a guess is 0, 0, 0, 0
assert v == [-0.25, -0.5, -0.75, -1.0], "it has changed"
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
