"""What a notebook shows of a network, an image and a result: the report's own words and pictures, in a frame.

A frame keeps the page's look to itself, and the notebook's away from it; nothing in it runs.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from emulator.result import RunResult
from emulator.spec.image import Image

from ..network.network import Network
from ..pipeline import Compilation
from ..results.costs import core_fill
from ..results.numbers import count, number, percent
from . import figures
from .activity import sample_section
from .cores import MOST_CARDS
from .page import colour, escape, page, section
from .report import header


def draw(drawn: Any) -> str:
    """The HTML of a Network, Compilation, Image or RunResult."""
    if isinstance(drawn, Network):
        return framed(drawn.origin, _network(drawn), len(drawn.populations), 180 + 34 * _rows(drawn))
    if isinstance(drawn, Compilation):
        n = len(drawn.network.populations)
        body = _image(drawn.image) + _network(drawn.network, headline=False)
        return framed(drawn.network.origin, body, n, 420 + 34 * _rows(drawn.network))
    if isinstance(drawn, Image):
        return framed(drawn.arch.name, _image(drawn), len(drawn.populations), 420)
    assert isinstance(drawn, RunResult), type(drawn)
    body = header(drawn) + sample_section(drawn, 0)
    return framed("result", body, len(drawn.notes.populations), 760 if drawn.spikes is not None else 480)


def framed(title: str, body: str, colours: int, height: int) -> str:
    """A page in a frame of so many pixels; more of it can be scrolled to."""
    text = html.escape(page(title, body, "", colours), quote=True)
    return f'<iframe sandbox srcdoc="{text}" style="width:100%;height:{min(height, 900)}px;border:0"></iframe>'


def _rows(network: Network) -> int:
    return len(network.populations) + len(network.projections) + 6


def _headline(eyebrow: str, text: str) -> str:
    return f'<header><p class="eyebrow">{escape(eyebrow)}</p><h1>{escape(text)}</h1></header>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    lines = "".join(
        "<tr>" + "".join(f'<td class="{"name" if i == 0 else ""}">{cell}</td>' for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<figure><div class="scroll"><table><tr>{head}</tr>{lines}</table></div></figure>'


def _network(network: Network, headline: bool = True) -> str:
    neurons, synapses = sum(p.n for p in network.populations), sum(p.matrix.nnz for p in network.projections)
    top = _headline(network.origin, f"{count(neurons, 'neuron')}, {count(synapses, 'synapse')}") if headline else ""
    dots = [f'<span class="dot" style="--c:{colour(i)}"></span>' for i in range(len(network.populations))]
    populations = _table(
        ("population", "model", "shape"),
        (
            (f"{dot}{escape(p.name)}", escape(p.model), " × ".join(map(str, p.shape)))
            for dot, p in zip(dots, network.populations, strict=True)
        ),
    )
    projections = _table(
        ("projection", "from", "to", "synapses", "delay", "learns by"),
        (
            (
                escape(p.name),
                escape(p.source),
                escape(p.target),
                f"{p.matrix.nnz:,}",
                f"{p.delay}",
                escape(p.plasticity.name) if p.plasticity else "",
            )
            for p in network.projections
        ),
    )
    return top + section(
        "populations", f"{count(network.n_inputs, 'input')} and what follows", populations + projections
    )


def _image(image: Image) -> str:
    arch, fill = image.arch, core_fill(image) if image.notes else ()
    cores = f"{len(fill):,} of {count(arch.cores, 'core')} of {arch.name}"
    kib = f"{number(image.memory_bits / 8192)} KiB"
    name = image.notes.network if image.notes else "an image without notes"
    top = _headline(name, f"{kib} on {cores}" if image.notes else f"{kib} on {arch.name}")
    facts = [("latency", count(image.latency, "timestep"))]
    if image.notes:
        facts += [("semantics", image.notes.semantics), ("weights", f"{image.notes.weight_bits} bits")]
    top += "<dl>" + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in facts) + "</dl>"
    if not fill:
        return top
    shares = [0.0] * arch.cores
    for row in fill:
        shares[row.core] = max(used / there for used, there in row.resources.values())
    texts = [percent(share) if share else "" for share in shares]
    fullest = figures.mesh(arch.mesh_width, arch.mesh_height, "How full: the fullest resource", shares, texts)
    picture = f'<div class="maps" style="--map:{min(290, 60 + 65 * arch.mesh_width)}px">{fullest}</div>'
    cards = ""
    if len(fill) <= MOST_CARDS:
        for row in fill:
            bars = [
                (k, used / there, f"{used:,} of {there:,}", "var(--accent)")
                for k, (used, there) in row.resources.items()
            ]
            title = f"Core {row.core}: {', '.join(dict.fromkeys(row.populations))}"
            cards += f'<div><h3 class="name">{escape(title)}</h3>{figures.bars(bars)}</div>'
        cards = f'<div class="cards">{cards}</div>'
    return top + section("cores", "Where its neurons live", (picture if arch.cores > 1 else "") + cards)
