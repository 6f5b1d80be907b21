"""What a network must be, whoever makes it: everything else is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from networks import dense, lif

from emulator.spec.errors import InputError
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network

A, B = lif("a", (2,)), lif("b", (3,), model="CubaLIF")
W, V = dense("w", INPUT, "a", np.ones((4, 2))), dense("v", "a", "b", np.ones((2, 3)))
NETWORK = Network((2, 2), (A, B), (W, V), "b", "net")


def with_b(**params):
    return {"populations": (A, replace(B, params=B.params | params))}


def with_w(**fields):
    return {"projections": (replace(W, **fields), V)}


FULL = np.full(3, 1.0)
LIF = ("tau", "r", "v_leak", "v_threshold", "v_reset")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"populations": ()}, "no neurons in this network"),
        (
            {"populations": (A, replace(B, name="a"))},
            "population names must differ from each other and from 'input': ['a', 'a']",
        ),
        (
            {"populations": (A, replace(B, name="input"))},
            "population names must differ from each other and from 'input': ['a', 'input']",
        ),
        ({"output": "c"}, "no population 'c'; it has a, b"),
        ({"projections": (replace(V, source="c"),)}, "no population 'c'; it has a, b"),
        ({"input_levels": 0}, "inputs of up to 0 levels; a graded spike holds 1 to 255"),
        ({"input_levels": 256}, "inputs of up to 256 levels; a graded spike holds 1 to 255"),
        (
            with_w(matrix=W.matrix.T.tocsr()),
            "'w' connects 'input' to 'a', which needs weights of shape (4, 2), but they have (2, 4)",
        ),
        (with_w(matrix=W.matrix * np.nan), "'w' has a weight that is not finite; retrain or repair it"),
        (with_w(matrix=W.matrix * -1.1e30), "'w' has a weight beyond 1e+30; rescale the network"),
        (with_w(delay=-1), "'w' has delay -1; it must be 0 or more"),
        (with_w(delay_s=float("inf")), "'w' has delay inf; it must be 0 or more"),
        (
            {"populations": (replace(A, params={"tau": FULL[:2]}), B)},
            f"'a' needs the parameters {LIF}, it has ('tau',)",
        ),
        (
            {"populations": (replace(A, params=A.params | {"w_in": FULL[:2]}), B)},
            f"'a' needs the parameters {LIF}, it has {(*A.params, 'w_in')}",
        ),
        (with_b(v_leak=FULL[:2]), "'b': v_leak has shape (2,), expected (3,)"),
        ({"populations": (replace(A, bias=FULL), B)}, "'a': bias has shape (3,), expected (2,)"),
        ({"populations": (replace(A, late_bias=FULL), B)}, "'a': late_bias has shape (3,), expected (2,)"),
        (with_b(v_threshold=FULL * np.inf), "'b': v_threshold is not finite; retrain or repair it"),
        (with_b(r=FULL * np.inf), "'b': r is not finite; retrain or repair it"),
        (with_b(w_in=FULL * np.inf), "'b': w_in is not finite; retrain or repair it"),
        (with_b(tau_mem=FULL * np.inf, w_in=FULL * np.inf), "'b': w_in is not finite; retrain or repair it"),
        (with_b(tau_syn=FULL * np.nan), "'b': tau_syn is not finite; retrain or repair it"),
        (with_b(v_reset=FULL * -1.1e30), "'b': v_reset is beyond 1e+30; rescale the network"),
        (with_b(tau_syn=np.array([1.0, -9e-31, 1.0])), "'b': tau_syn = 9e-31 s; a time constant must not be 0"),
    ],
)
def test_what_is_no_network_is_refused(fields, message):
    with pytest.raises(InputError) as error:
        replace(NETWORK, **fields)
    assert str(error.value) == f"net: {message}"


@pytest.mark.parametrize(
    "fields",
    [
        {"input_levels": 255},
        with_w(matrix=W.matrix * -0.9e30, delay=0, delay_s=0.0),
        with_b(v_reset=FULL * 0.9e30),
        with_b(tau_syn=FULL * 1.1e-30),
        with_b(tau_mem=FULL * np.inf, r=FULL * np.inf),
        with_b(tau_syn=FULL * np.inf, w_in=FULL * np.inf),
    ],
)
def test_what_lies_just_inside_is_a_network(fields):
    assert replace(NETWORK, **fields).n_inputs == 4


def test_graded_inputs_weigh_a_level_each():
    graded = NETWORK.graded(5)
    assert graded.input_levels == 5
    assert [float(p.matrix.max()) for p in graded.projections] == [0.2, 1.0]
