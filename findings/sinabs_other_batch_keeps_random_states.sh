#!/bin/sh
# sinabs: after a run, a batch of another size starts from states drawn at random from that run, not from rest.
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

print("sinabs", version("sinabs"))
seen = set()
for seed in range(20):
    torch.manual_seed(seed)
    layer = sl.IAF()
    layer(torch.tensor([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1))  # four samples leave v at 0.1 to 0.4
    layer(torch.zeros(2, 1, 1))  # two samples, nothing comes in
    seen.add(tuple(round(v, 1) for v in layer.v_mem.reshape(-1).tolist()))
print("v of two silent samples, over twenty seeds:", sorted(seen))
# a guess is (0.0, 0.0), a fresh start, or (0.1, 0.2), the first two
assert len(seen) > 3, "it has changed"
assert (0.0, 0.0) not in seen
PY
"$work/venv/bin/python" -W ignore "$work/case.py"
