"""nmcompile: a compiler from trained spiking networks to the nmcore. The Python API in one place:

import nmcompile as nm

example = nm.load_example()                                   # or your own: "net.nir" and "test.npz"
compilation = nm.compile_network(example.network, "up5k", semantics=example.semantics, calibrate=example.calibration)
print(nm.summary(nm.evaluate(compilation, example.test)))

A name here is loaded when it is first asked for, so importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

from emulator.spec.drawn import draw_with

_NETWORKS = {
    "nmcompile.frontends": ("read_network",),
    "nmcompile.frontends.own_file": ("save_network",),
    "nmcompile.frontends.builders": (
        *("inputs", "population", "one_to_one", "all_to_all", "dense", "conv1d", "conv2d", "chain"),
    ),
    "nmcompile.frontends.nir_memory": ("from_nir",),
    "nmcompile.frontends.modules": ("from_torch", "from_spyx"),
    "nmcompile.network.network": ("Network", "Population", "Projection"),
    "nmcompile.network.limits": ("INPUT",),
    "nmcompile.network.semantics": ("Semantics", "choose_semantics", "PRESETS"),
}
_NEURON_MODELS = {
    "nmcompile.neurons.models": ("register",),
    "nmcompile.neurons.update": ("COEFFICIENT", "COUNT", "STATE", "Dynamics", "Update", "Value"),
}
_LEARNING = {
    "nmcompile.network.rule": ("AdaptiveThreshold", "Condition", "Eligibility", "Rule", "Term", "Trace"),
    "nmcompile.learning.attach": ("attach",),
    "nmcompile.learning.files": ("read_rules",),
    "nmcompile.learning.learned": ("learned_weights", "set_learning"),
    "nmcompile.learning.library": (
        *("rectangular_stdp", "pair_stdp", "triplet_stdp", "symmetric_stdp", "post_stdp", "sdsp", "reward_stdp"),
        *("hebbian", "register_rule"),
    ),
}
_RUNNING = {
    "nmcompile.coding.spikes": ("SpikeData", "read_spikes"),
    "emulator.spec.spikes": ("SpikeTrains",),
    "nmcompile.pipeline": ("Compilation", "compile_network"),
    "emulator.spec.arch": ("Architecture", "load_architecture"),
    "emulator.spec.image": ("Image",),
    "emulator.spec.image_file": ("load_image", "save_image"),
    "emulator.result": ("RunResult", "load_result", "save_result"),
    "emulator": ("prepare",),
    "nmcompile.results.demo": ("load_example",),
    "nmcompile.results.evaluate": ("evaluate",),
    "nmcompile.results.session": ("session",),
    "nmcompile.results.summary": ("summary",),
    "nmcompile.results.drift": ("drift_report",),
    "nmcompile.results.verify": ("verify",),
    "nmcompile.report.report": ("write_report",),
    "nmcompile.study.plan": ("read_study",),
    "nmcompile.study.sweep": ("run_study", "write_csv"),
}
_BOARDS = {
    "nmcompile.board.link": ("BAUD", "Board", "SerialTransport"),
    "nmcompile.board.simulated": ("SimulatedBoard", "SimulatedTransport"),
    "nmcompile.board.flash": ("flash",),
}
_ERRORS = {
    "emulator.spec.errors": (
        *("NmError", "UsageError", "InputError", "DoesNotFitError", "MachineError", "DeviceError", "CompilerError"),
    ),
}
_WHERE = {
    name: (module, name)
    for table in (_NETWORKS, _NEURON_MODELS, _LEARNING, _RUNNING, _BOARDS, _ERRORS)
    for module, names in table.items()
    for name in names
}
_WHERE |= {  # verbs of the command line whose functions have a longer name
    "emulate": ("emulator", "run"),
    "check": ("nmcompile.results.readings", "find_readings"),
    "inspect": ("nmcompile.results.inspection", "inspect_file"),
    "export": ("nmcompile.learning.export", "write_nir"),
    "devices": ("nmcompile.board.link", "ports"),
    "run": ("nmcompile.board.run", "run_on_board"),
    "synth": ("nmcompile.fpga.implement", "measure"),
    "bitstream": ("nmcompile.fpga.bitstream", "build"),
    "sweep": ("nmcompile.study.sweep", "run_study"),
}
_MODULES = {"cache": "emulator.cache", "encode": "nmcompile.coding.encode", "decode": "nmcompile.coding.decode"}
__all__ = sorted([*_WHERE, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _WHERE:
        raise AttributeError(f"module 'nmcompile' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)


def _draw(drawn: Any) -> str:
    """What a notebook shows of a network, compilation, image, result or study."""
    module = "nmcompile.study.sweep_page" if type(drawn).__name__ == "Findings" else "nmcompile.report.notebook"
    return import_module(module).draw(drawn)


draw_with(_draw)


def __dir__() -> list[str]:
    return __all__
