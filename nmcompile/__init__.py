"""nmcompile: a compiler from trained spiking networks to the nmcore. The Python API in one place:

network = read_network("net.nir")
compilation = compile_network(network, weight_bits=8, semantics=choose_semantics("snntorch"))
save_image(compilation.image, "net.nmi")
result = evaluate(compilation.image, read_spikes("in.npz"))
print(summary(result))
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "read_network": "nmcompile.frontends",
    "from_nir": "nmcompile.frontends.nir_memory",
    "from_torch": "nmcompile.frontends.modules",
    "from_spyx": "nmcompile.frontends.modules",
    "save_network": "nmcompile.frontends.own_file",
    "inputs": "nmcompile.frontends.builders",
    "population": "nmcompile.frontends.builders",
    "one_to_one": "nmcompile.frontends.builders",
    "all_to_all": "nmcompile.frontends.builders",
    "dense": "nmcompile.frontends.builders",
    "conv1d": "nmcompile.frontends.builders",
    "conv2d": "nmcompile.frontends.builders",
    "chain": "nmcompile.frontends.builders",
    "Network": "nmcompile.network.network",
    "read_spikes": "nmcompile.coding.spikes",
    "choose_semantics": "nmcompile.network.semantics",
    "compile_network": "nmcompile.pipeline",
    "Rule": "nmcompile.network.rule",
    "attach": "nmcompile.learning.attach",
    "register": "nmcompile.neurons.models",
    "register_rule": "nmcompile.learning.library",
    "read_rules": "nmcompile.learning.files",
    "learned_weights": "nmcompile.learning.learned",
    "set_learning": "nmcompile.learning.learned",
    "load_architecture": "emulator.spec.arch",
    "load_image": "emulator.spec.image_file",
    "save_image": "emulator.spec.image_file",
    "load_result": "emulator.result",
    "save_result": "emulator.result",
    "evaluate": "nmcompile.results.evaluate",
    "session": "nmcompile.results.session",
    "summary": "nmcompile.results.summary",
    "drift_report": "nmcompile.results.drift",
    "write_report": "nmcompile.report.report",
}
_MODULES = {"encode": "nmcompile.coding.encode", "decode": "nmcompile.coding.decode"}
__all__ = [*_WHERE, *_MODULES]


def __getattr__(name: str) -> Any:
    """Load a function or a module when it is first asked for, so that importing the package costs nothing."""
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _WHERE:
        raise AttributeError(f"module 'nmcompile' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
