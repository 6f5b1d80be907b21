"""The look of a page: how numbers and names are written, colours for light and dark, and the frame around it all.

A page is one file: no script, no font and no picture from elsewhere. Text is HTML and follows the width of the screen;
only what is drawn is SVG, so that nothing becomes too small to read on a telephone.
"""

from __future__ import annotations

import html
import importlib.metadata
from collections.abc import Sequence
from typing import Any, Final

# Okabe and Ito's colours, which the colour-blind tell apart (Okabe & Ito 2008), and the same a little lighter for dark.
LIGHT: Final = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
DARK: Final = ("#4aa8e0", "#f0b132", "#2cc79a", "#f4813d", "#e29cc4", "#8ed0f5")


# --------------------------------------------------------------------------------------------- words and numbers
def escape(text: Any) -> str:
    """Text of a file as HTML: markup is escaped, what cannot be printed becomes a visible mark."""
    mark = "\N{REPLACEMENT CHARACTER}"
    printable = "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else mark for c in str(text))
    return html.escape(printable, quote=True)


def quoted(name: str) -> str:
    """A name in a sentence, as HTML; names of layers are often mere numbers."""
    return f'‘<span class="name">{escape(name)}</span>’'


# --------------------------------------------------------------------------------------------------------- colours
def colour(index: int) -> str:
    """The CSS of a population's colour, everywhere the same; -1 is the input."""
    return "var(--input)" if index < 0 else f"var(--p{index})"


def _shade(hexes: str, towards: int, share: float) -> str:
    parts = [int(hexes[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part + (towards - part) * share):02x}" for part in parts)


def _palette(base: tuple[str, ...], n: int, towards: int) -> str:
    """CSS variables for n populations: after each round of the colours, the next one is a step darker (lighter)."""
    shades = (_shade(base[i % len(base)], towards, min(0.75, i // len(base) * 0.3)) for i in range(n))
    return "".join(f"--p{i}:{shade};" for i, shade in enumerate(shades))


CSS: Final = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
 "Helvetica Neue","Noto Sans","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,footer{max-width:1080px;margin:0 auto;padding:0 28px}
header{padding:44px 0 0}
.eyebrow{margin:0;color:var(--soft);font-size:.95rem}
h1{font-size:clamp(1.75rem,4.4vw,2.7rem);line-height:1.16;letter-spacing:-.022em;margin:.25em 0 .35em;
 font-weight:680;text-wrap:balance}
h2{font-size:1.38rem;line-height:1.25;letter-spacing:-.012em;margin:0 0 .25em;font-weight:650;text-wrap:balance}
h3{font-size:.95rem;margin:0 0 .55em;font-weight:600}
p{margin:.3em 0 .9em;max-width:74ch}
.soft,small,figcaption{color:var(--soft)}
small{font-size:.82rem}
figcaption{font-size:.84rem;margin-top:.7em;max-width:80ch}
b,strong{font-weight:620}
code{font:.92em ui-monospace,"Cascadia Mono",Menlo,"Liberation Mono",monospace;background:var(--track);
 padding:.1em .35em;border-radius:4px;overflow-wrap:anywhere}
.name{overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:26px 28px 24px;margin:20px 0}
figure{margin:1.1em 0 0}
svg{display:block;overflow:visible}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;background:var(--line);
 border:1px solid var(--line);border-radius:14px;overflow:hidden;margin:26px 0 18px}
.tile{background:var(--card);padding:15px 18px 13px}
.tile span{display:block;color:var(--soft);font-size:.82rem}
.tile b{display:block;font-size:1.5rem;line-height:1.3;font-weight:640;letter-spacing:-.015em;white-space:nowrap}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.28em 1.3em;margin:18px 0 4px;font-size:.93rem}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
.note{border-left:3px solid var(--mark);background:var(--tint);padding:.5em .9em;margin:.8em 0;
 border-radius:0 8px 8px 0;font-size:.92rem;max-width:none;overflow-wrap:anywhere}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(300px,100%),1fr));gap:26px 38px;align-items:start}
.dot{display:inline-block;width:.66em;height:.66em;border-radius:50%;background:var(--c);margin-right:.42em}
.legend{display:flex;flex-wrap:wrap;gap:.25em 1.2em;font-size:.88rem;margin:.5em 0 .2em;padding:0;list-style:none}
.bars{display:grid;grid-template-columns:fit-content(11.5rem) minmax(0,1fr) max-content;gap:.36em .9em;
 align-items:center;font-size:.9rem;max-width:100%}
.bars>.name{line-height:1.25}
.bars>.n{text-align:right;white-space:nowrap}
.track{position:relative;height:13px;border-radius:4px;background:var(--track);overflow:hidden;display:flex;gap:1.5px}
.track i{display:block;height:100%;background:var(--c);min-width:2px}
.track.tall{height:26px;border-radius:6px}
.track.static i{background:repeating-linear-gradient(135deg,var(--c) 0 4px,transparent 4px 7px)}
.lane{display:grid;grid-template-columns:9.2rem minmax(0,1fr);gap:0 16px;align-items:center;margin-top:9px}
.lane .label{font-size:.88rem;line-height:1.32}
.lane .label small,.lane .label small span{display:block}
.plot{position:relative;background:var(--plot);border-radius:5px}
.plot svg{width:100%}
.plot .tick{position:absolute;left:4px;font-size:.7rem;line-height:1;color:var(--soft);transform:translateY(-50%);
 background:var(--plot);padding:1px 2px;border-radius:3px}
.scatter{height:300px}
.scatter svg{position:absolute;width:100%;height:100%}
.scatter b{position:absolute;width:13px;height:13px;margin:0 0 -6.5px -6.5px;border-radius:50%;
 border:2px solid var(--c);background:var(--plot)}
.scatter b.best{background:var(--c)}
tr.best td{font-weight:620}
.axis{position:relative;height:1.35em;font-size:.76rem;color:var(--soft);margin-top:3px}
.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.axis span.first{transform:none}
.axis span.last{transform:translateX(-100%)}
.under{text-align:center;font-size:.8rem;color:var(--soft)}
.grid{stroke:var(--line);stroke-width:1}
.line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.sample{display:grid;grid-template-columns:auto minmax(0,1fr);gap:8px 34px;align-items:start}
.columns{display:flex;gap:clamp(3px,1vw,9px);max-width:560px}
.columns div{flex:1 1 0;min-width:0;display:flex;flex-direction:column;justify-content:flex-end;align-items:center;
 height:168px;font-size:.86rem;line-height:1.3}
.columns i{width:100%;max-width:34px;min-height:2px;background:var(--c);border-radius:4px 4px 0 0;margin-bottom:4px}
.columns span{color:var(--soft);font-size:.8rem}
.columns small{height:1.35em;white-space:nowrap}
.sample.alone{grid-template-columns:minmax(0,1fr)}
.pixels{width:168px;max-width:38vw;border-radius:8px;background:var(--plot)}
.pixels path,.cells path{shape-rendering:crispEdges}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr));gap:16px 34px;margin-top:1em}
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(var(--map),100%),1fr));gap:22px 30px;
 margin-top:1.1em}
.map{margin:0}
.map svg{max-width:var(--map)}
.map text{fill:var(--text);text-anchor:middle;dominant-baseline:central;font-weight:600}
.map .link{stroke:var(--line);stroke-width:.07}
.map .core{stroke:var(--line);stroke-width:.02}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.88rem;width:100%}
th{font-weight:600;color:var(--soft);font-size:.8rem;vertical-align:bottom}
th,td{padding:.36em .7em;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left;padding-left:0}
th:last-child,td:last-child{padding-right:0}
td.text{text-align:left;color:var(--soft)}
td.name{min-width:5rem}
tr:last-child td{border-bottom:0}
table.matrix{width:auto;border-collapse:separate;border-spacing:2px;font-size:.78rem}
table.matrix td,table.matrix th{border:0;padding:0;text-align:center;width:2.3em;min-width:1.5em;height:2.3em;
 border-radius:4px;vertical-align:middle}
table.matrix td{background:color-mix(in srgb,var(--c) calc(var(--a)*100%),var(--plot))}
.dumb{position:relative;height:18px}
.dumb::before{content:"";position:absolute;left:0;right:0;top:8px;height:2px;background:var(--track)}
.dumb i{position:absolute;top:7px;height:4px;background:var(--c);opacity:.45}
.dumb b{position:absolute;top:3px;width:12px;height:12px;margin-left:-6px;border-radius:50%;background:var(--c)}
.dumb b.hollow{background:var(--card);border:2px solid var(--soft)}
details{margin-top:1em;font-size:.92rem}
summary{cursor:pointer;color:var(--soft)}
summary:hover{color:var(--text)}
details .scroll{margin-top:.6em}
footer{padding-bottom:60px;color:var(--soft);font-size:.88rem}
footer details{margin-bottom:1em}
@media(max-width:640px){
 main,footer{padding:0 14px}
 header{padding-top:26px}
 section{padding:20px 16px 18px;border-radius:12px;margin:14px 0}
 .lane{display:block}
 .lane .label{margin:12px 0 4px}
 .lane .label small,.lane .label small span{display:inline}
 .lane .label small{margin-left:.5em}
 .lane .label small span+span::before{content:" · "}
 .lane.axes .label{display:none}
 .facts{grid-template-columns:1fr;gap:0}
 .facts dd{margin-bottom:.55em}
 .tile{padding:12px 14px 10px}
 .tile b{font-size:1.28rem}
 .bars{grid-template-columns:fit-content(7.5rem) minmax(0,1fr) max-content;gap:.36em .6em}
 .sample{gap:8px 18px}
 .tiles{grid-template-columns:repeat(2,1fr)}
 table.matrix{font-size:.68rem;border-spacing:1px}
 table.matrix td,table.matrix th{width:2.05em;height:2.3em}
}
@media print{body{background:#fff}section{break-inside:avoid}}
"""


def section(anchor: str, title: str, body: str) -> str:
    """A section; title and body are HTML."""
    return f'<section id="{anchor}">\n<h2>{title}</h2>\n{body}\n</section>'


def page_notes(texts: Sequence[str]) -> str:
    """Warnings or advice, plain text, in one box."""
    return f'<div class="note">{"<br>".join(map(escape, texts))}</div>' if texts else ""


def version() -> str:
    """Of this package; "of a checkout" if it is not installed."""
    try:
        return importlib.metadata.version("nmcompile")
    except importlib.metadata.PackageNotFoundError:
        return "of a checkout"


def page(title: str, body: str, footer: str, populations: int) -> str:
    """The whole file; the title is plain text, body and footer are HTML.

    Args:
        populations: how many colours are needed.
    """
    light = (
        "--page:#f6f5f2;--card:#fff;--plot:#f7f7f5;--track:#edecea;--line:#e4e2de;--text:#1d1f22;--soft:#63676e;"
        "--input:#7d8289;--accent:#4d5a9e;--accent2:#a3abd4;--bad:#d55e00;--mark:#e69f00;--tint:#fdf6e6;"
        + _palette(LIGHT, populations, 0)
    )
    dark = (
        "--page:#121417;--card:#1a1d21;--plot:#20242a;--track:#2a2f36;--line:#2f343b;--text:#e8e9eb;--soft:#a0a6ae;"
        "--input:#959ba3;--accent:#97a3e6;--accent2:#5a659f;--bad:#f4813d;--mark:#f0b132;--tint:#2a2619;"
        + _palette(DARK, populations, 255)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>:root{{color-scheme:light dark;{light}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n<footer>\n{footer}\n</footer>\n</body>\n</html>\n"
    )
