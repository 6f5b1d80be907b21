"""What an image has learned, and the switch that lets it learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.spec import isa
from emulator.spec.errors import InputError, UsageError
from emulator.spec.image import Image
from emulator.spec.rows import expand, unpack

from ..network.limits import INPUT


def set_learning(image: Image, on: bool) -> Image:
    """The image with its learning switched on or off: off, weights and thresholds stay as they are."""
    cores = list(image.cores)
    for number, where in enumerate(image.meta.get("cores", ())):
        for part in where["parts"]:
            if "learning" not in part:
                continue
            program = cores[number].program.copy()
            op = isa.decode(program[part["learning"]])
            program[part["learning"]] = isa.encode(isa.when(op.skip, *(ALWAYS if on else NEVER)))
            cores[number] = replace(cores[number], program=program)
    return replace(image, cores=tuple(cores))


def check_learns(image: Image) -> None:
    """UsageError if nothing in the image learns."""
    if not learning_rules(image.meta):
        raise UsageError("nothing in this image learns; compile it with --plasticity RULES.toml")


def learning_rules(meta: Mapping[str, Any]) -> dict[str, str]:
    """By `Image.meta`, the rule of every projection that learns, by its name."""
    return {p["name"]: p["learns"] for p in meta.get("projections", ()) if "learns" in p}


def learned_weights(image: Image, name: str) -> np.ndarray:
    """(n_source, n_target) float64 weights of a projection that learns, in the network's unit; 0 is no synapse."""
    meta = next((p for p in image.meta["projections"] if p["name"] == name), None)
    if meta is None or "unit" not in meta:
        learning = ", ".join(learning_rules(image.meta)) or "none"
        raise InputError(f"no projection {name!r} that learns in this image; it has {learning}")
    target = image.population(meta["target"])
    neuron = {(int(core), int(n)): i for i, (core, n) in enumerate(target.location)}
    n_source = image.n_inputs if meta["source"] == INPUT else len(image.population(meta["source"]).location)
    weights = np.zeros((n_source, len(target.location)))
    for number, where in enumerate(image.meta["cores"]):
        core = image.cores[number]
        for part in where["parts"]:
            for p in part["projections"]:
                if p["name"] != name or part["population"] != target.name:
                    continue
                first, count = p["first_axon"], p["axons"]
                source = _sources(image, meta["source"], number, first, count)
                rows = expand(image.arch, core, core.axons[first : first + count])
                row = np.repeat(np.arange(count), np.diff(rows.pointers))
                columns = [neuron[number, int(n)] for n in rows.targets]
                values = rows.weights.astype(np.int64)
                if meta["tag_bits"]:
                    values = (values + (1 << (meta["tag_bits"] - 1))) >> meta["tag_bits"] << meta["tag_bits"]
                weights[source[row], columns] = values * meta["unit"]
    return weights


def weight_range(image: Image, name: str) -> tuple[float, float, float]:
    """(least, mean, largest) weight of the synapses of a projection that learns, in the network's unit."""
    weights = learned_weights(image, name)
    synapses = next(p["synapses"] for p in image.meta["projections"] if p["name"] == name)
    there = weights[weights != 0]
    there = np.append(there, np.zeros(max(0, synapses - len(there))))  # those that have learned to be 0
    return float(there.min()), float(there.mean()), float(there.max())


def learned_thresholds(image: Image) -> dict[str, np.ndarray]:
    """(n,) float64 thresholds, in the network's unit, of every population whose rule moves them, by its name."""
    found = {}
    for name in dict.fromkeys(p["target"] for p in image.meta.get("projections", ()) if p.get("moves_threshold")):
        population = image.population(name)
        register, lanes = population.registers["threshold"], image.arch.lanes
        values = [image.cores[core].registers[register, n // lanes, n % lanes] for core, n in population.location]
        found[name] = np.array(values) / population.scale
    return found


ALWAYS, NEVER = (0, (1 << isa.HALF_BITS) - 1, True), (0, 0, False)  # when the switch lets learn: as `isa.when` has it


def _sources(image: Image, source: str, number: int, first: int, count: int) -> np.ndarray:
    """(axons,) which source feeds each of a core's axons first..first+count-1."""
    found = np.zeros(count, np.int64)

    def note(routes: np.ndarray, index: np.ndarray) -> None:
        route = unpack(isa.ROUTE_FIELDS, routes)
        mine = (route["core"] == number) & (route["axon"] >= first) & (route["axon"] < first + count)
        found[route["axon"][mine] - first] = index[mine]

    if source == INPUT:
        pointers = image.input_pointers
        note(image.input_routes, np.repeat(np.arange(len(pointers) - 1), np.diff(pointers)))
        return found
    for index, (core, neuron) in enumerate(image.population(source).location):
        pointer = unpack(isa.POINTER_FIELDS, image.cores[core].pointers[neuron : neuron + 1])
        begin, n = int(pointer["first"][0]), int(pointer["count"][0])
        note(image.cores[core].routes[begin : begin + n], np.full(n, index))
    return found
