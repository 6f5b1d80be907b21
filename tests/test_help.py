"""Help, examples in it, and what a shell completes."""

import os
import shlex
import subprocess
import sys

import pytest

from nmcompile.cli import VERBS, cli


def command(verb):
    return cli.get_command(None, verb)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example_that_it_takes(verb):
    words = shlex.split(command(verb).epilog.removeprefix("Example: "))
    assert words[:2] == ["nmc", verb]
    command(verb).make_context(verb, words[2:])


def test_an_option_means_one_thing():
    """Of the same name in several verbs: a flag here is no value there, and help that differs is of the same kind."""
    kinds = {}
    for verb in VERBS:
        for parameter in command(verb).params:
            for name in parameter.opts:
                if name.startswith("--"):
                    kinds.setdefault(name, {}).setdefault((parameter.is_flag, type(parameter.type)), []).append(verb)
    assert len(kinds) > 30
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def completed(*words):
    """What bash is told for these words, the last of which is not finished."""
    variables = {"_NMC_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    run = [sys.executable, "-c", "from nmcompile.cli import main; main()"]
    done = subprocess.run(run, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("nmc", "em"), ["plain,emulate"]),
        (("nmc", "compile", "--semantics", "snn"), ["plain,snntorch", "plain,snntorch-zero"]),
        (("nmc", "compile", "--arch", "up"), ["plain,up5k"]),
        (("nmc", "compile", "--arch", "my"), ["file,my"]),
        (("nmc", "emulate", "--prices", "horo"), ["plain,horowitz45"]),
        (("nmc", "bitstream", "--board", "ul"), ["plain,ulx3s"]),
        (("nmc", "synth", "--target", "gw"), ["plain,gw2ar-18"]),
        (("nmc", "demo", "mnist_c"), ["plain,mnist_conv"]),
        (("nmc", "emulate", "--bin-rule", "t"), ["plain,tonic"]),
        (("nmc", "emulate", "net"), ["file,net"]),
        (("nmc", "compile", "--calib"), ["plain,--calibrate"]),
    ],
)
def test_a_shell_completes_names_and_files(words, wanted):
    assert completed(*words) == wanted
