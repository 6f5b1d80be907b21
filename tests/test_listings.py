"""Golden listings: every stage of the bundled networks' compilation is what it was.

A pass that was changed on purpose changes them on purpose: NM_GOLDEN=1 writes them anew, to be read and committed.
"""

import json
import os
from pathlib import Path

import pytest

from emulator.spec.image_file import load_compiled, save_image
from nmcompile.frontends import read_network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.demo import EXAMPLES
from nmcompile.results.stages import STAGES, dump

GOLDEN = Path(__file__).parent / "data" / "listings"


@pytest.fixture(scope="module", params=list(EXAMPLES))
def made(request):
    """A bundled network at 8 bits, without calibration, whose linear algebra differs between computers."""
    example = EXAMPLES[request.param]
    return example.name, compile_network(
        read_network(example.network_path()), semantics=choose_semantics(example.preset)
    )


def test_a_bundled_networks_image_survives_its_file(made, tmp_path):
    image = made[1].image
    save_image(image, tmp_path / "a.nmi")
    assert load_compiled(tmp_path / "a.nmi").notes == image.notes


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_as_it_did(made, stage):
    name, compilation = made
    path, text = GOLDEN / f"{name}.{stage}.txt", dump(compilation, stage)
    if os.environ.get("NM_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_dump_prints_the_stages_that_are_asked_for(made, tmp_path, capsys):
    from nmcompile.cli import cli

    name, compilation = made
    arguments = [EXAMPLES[name].network_path(), "-o", str(tmp_path / "a.nmi"), "--semantics", EXAMPLES[name].preset]
    asked = ["--dump", "retime", "--dump", "quantize"]
    cli.main(["compile", *arguments, *asked], standalone_mode=False)
    out = capsys.readouterr().out
    assert out.startswith(f"retime\n{dump(compilation, 'retime')}\nquantize\n{dump(compilation, 'quantize')}\n")
    cli.main(["compile", *arguments, *asked, "--json"], standalone_mode=False)
    assert list(json.loads(capsys.readouterr().out)["dump"]) == ["retime", "quantize"]


def test_the_stages_of_the_command_line_are_those_there_are():
    from nmcompile.verbs.compiling import compile_command

    (option,) = [p for p in compile_command.params if p.name == "stages"]
    assert tuple(option.type.choices) == tuple(STAGES)
