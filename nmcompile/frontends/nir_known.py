"""What a NIR node may hold: anything else is said, so that a misspelt or newer attribute is not passed over."""

from __future__ import annotations

from ..network.network import NIR_MODELS
from ..network.nir_graph import Graph

_POOL = ("kernel_size", "stride", "padding")
_CONV = ("input_shape", "weight", "bias", "stride", "padding", "dilation", "groups")
_ENDS = ("shape", "input_type", "output_type")
KNOWN: dict[str, tuple[str, ...]] = {
    **NIR_MODELS,
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Scale": ("scale",),
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": ("start_dim", "end_dim"),
    "Delay": ("delay",),
    "Input": (),
    "Output": (),
}


def unknown_attributes(graph: Graph) -> list[str]:
    """A sentence for each attribute that NIR 1.0.8 does not have."""
    return [
        f"{node.name!r} ({node.kind}) has {key!r}, which NIR does not know: ignored"
        for node in graph.nodes.values()
        for key in node.values
        if key not in (*KNOWN.get(node.kind, ()), *_ENDS)
    ]
