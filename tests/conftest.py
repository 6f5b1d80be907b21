"""What holds for all tests: none is timed, so that a busy computer fails none; and the command line as a fixture."""

import sys

import pytest
from hypothesis import HealthCheck, settings

from nmcompile import cli

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def nmc(monkeypatch, capsys):
    """Run `nmc` through its entry point: (exit code, stdout, stderr)."""

    def nmc(*arguments):
        monkeypatch.setattr(sys, "argv", ["nmc", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return nmc
