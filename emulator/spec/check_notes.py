"""Do the compiler's notes speak of this image? Each name, address and size in them is checked before it is read."""

from __future__ import annotations

import math
import re

from . import isa
from .errors import InputError
from .image import CoreImage, Image
from .notes import INPUT, DeliveryNote, Notes, PartNote


def check_notes(image: Image) -> None:
    """Raise InputError naming the first note that does not fit the image."""
    notes = image.notes
    if notes is None:
        return
    sizes = {p.name: len(p.location) for p in image.populations}
    if notes.output not in sizes:
        raise _odd(f"the output {notes.output!r} is no population of it")
    if math.prod(notes.input_shape) != image.n_inputs or not 1 <= notes.input_levels <= isa.LARGEST_PAYLOAD:
        raise _odd(f"inputs of shape {notes.input_shape} and {notes.input_levels} levels, it has {image.n_inputs:,}")
    for name, values in notes.thresholds.items():
        if name not in sizes or (isinstance(values, tuple) and len(values) != sizes[name]):
            raise _odd(f"thresholds of {name!r}")
    if notes.models and not re.fullmatch("[0-9a-f]{64}", notes.models.sha256):
        raise _odd("the digest of its models is none")
    for row in notes.drift:
        if row.name not in sizes:
            raise _odd(f"drift of {row.name!r}")
    _check_projections(notes, sizes | {INPUT: image.n_inputs})
    if len(notes.parts) != len(image.cores):
        raise _odd(f"parts of {len(notes.parts)} cores, it has {len(image.cores)}")
    for number, part in notes.placed:
        _check_part(image, number, part, {p.name for p in notes.projections})


def _odd(what: str) -> InputError:
    return InputError(f"the compiler's notes are not of this image: {what}")


def _check_projections(notes: Notes, sizes: dict[str, int]) -> None:
    for p in notes.projections:
        if p.source not in sizes or p.target not in sizes:
            raise _odd(f"projection {p.name!r} from {p.source!r} to {p.target!r}")
        pairs = sizes[p.source] * sizes[p.target]
        if not 0 <= p.synapses <= pairs or p.connections < 0:
            raise _odd(f"projection {p.name!r} with {p.synapses:,} synapses of {pairs:,} pairs")
        if p.weight_bits not in isa.FORMAT_BITS or p.parameters < 0:
            raise _odd(f"projection {p.name!r} with {p.parameters:,} weights of {p.weight_bits} bits")
        if p.learning and (p.learning.tag_bits < 0 or not p.learning.unit > 0):
            raise _odd(f"how {p.name!r} learns")


def _check_part(image: Image, number: int, part: PartNote, projections: set[str]) -> None:
    arch, core = image.arch, image.cores[number]
    what = f"a part of {part.population!r} in core {number}"
    if part.population not in {p.name for p in image.populations}:
        raise _odd(what)
    blocks = range(part.first_block, part.first_block + part.blocks)
    if not 0 <= blocks.start < blocks.stop <= arch.blocks or not 0 < part.neurons <= part.blocks * arch.lanes:
        raise _odd(f"{what}, {part.neurons:,} neurons in blocks {blocks.start} to {blocks.stop}")
    first, stop = part.program
    if not 0 <= first < stop <= len(core.program):
        raise _odd(f"{what}, program words {first} to {stop} of {len(core.program)}")
    if part.learning is not None and (
        not first < part.learning < stop or isa.decode(core.program[part.learning]).name != "when"
    ):
        raise _odd(f"{what}, whose learning is switched at {part.learning}")
    for delivery in part.projections:
        if delivery.name not in projections or not first < delivery.program < stop or not _fits(delivery, core):
            raise _odd(f"{what}, projection {delivery.name!r}")


def _fits(delivery: DeliveryNote, core: CoreImage) -> bool:
    axons = range(delivery.first_axon, delivery.first_axon + delivery.axons)
    words = range(delivery.first_word, delivery.first_word + delivery.words)
    inside = 0 <= axons.start < axons.stop <= len(core.axons) and 0 <= words.start <= words.stop <= len(core.synapses)
    return inside and isa.decode(core.program[delivery.program]).name == "integ"
