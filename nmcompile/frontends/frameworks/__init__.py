"""One file per framework: which of its classes are read, and what each computes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .neuron import Neuron, Shape

FRAMEWORKS = {  # the package that a class comes from: its file here
    "snntorch": "snntorch",
    "norse": "norse",
    "sinabs": "sinabs",
    "spikingjelly": "spikingjelly",
    "rockpool": "rockpool",
    "spyx": "spyx",
}


def framework_of(module: Any) -> tuple[str, str] | None:
    """(framework, class) if the module, or a class that it derives from, is of one of the frameworks' neurons."""
    for ancestor in type(module).__mro__:
        package = ancestor.__module__.split(".")[0]
        if package in FRAMEWORKS and ancestor.__name__ in _file(package).CLASSES:
            return package, ancestor.__name__
    return None


def is_frameworks_own(module: Any) -> bool:
    """Does the class itself come from a framework?"""
    return type(module).__module__.split(".")[0] in FRAMEWORKS


def read_neurons(name: str, module: Any, shape: Shape) -> Neuron:
    """What `framework_of` knows, as neurons of `shape`."""
    found = framework_of(module)
    assert found is not None
    neuron: Neuron = _file(found[0]).read(name, module, found[1], shape)
    return neuron


def _file(package: str) -> Any:
    return import_module(f"{__name__}.{FRAMEWORKS[package]}")
