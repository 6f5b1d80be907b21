"""Numbers of the compiler by hand: roundings, coefficients, widths, and the limits of tables."""

from dataclasses import replace

import numpy as np
import pytest
from networks import dense, lif
from scipy import sparse

import emulator
from emulator.kernel.tables import aligned
from emulator.spec import isa
from emulator.spec.arch import load_architecture
from emulator.spec.image import Image, empty_core
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.emit.routes import join_routes, neuron_routes
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.semantics import choose_semantics
from nmcompile.neurons.models import dynamics
from nmcompile.pipeline import compile_network
from nmcompile.place.pack import PackedRows, smallest_bits
from nmcompile.quantize.rounding import observed_inputs, round_compensated

UP5K = load_architecture("up5k")
ECP5 = load_architecture("ecp5")


def one(population, weights, **fields):
    """A network of one population and an input of as many as there are rows of weights."""
    weights = np.atleast_2d(weights)
    return Network(
        (len(weights),), (population,), (dense("w", INPUT, population.name, weights),), population.name, "net", **fields
    )


# --------------------------------------------------------------------------------------- compensated rounding
def rounded(weights, inputs, largest=127, steps=1.0):
    columns = [sparse.csc_array(np.asarray(weights, float))]
    found = round_compensated(columns, [np.full(columns[0].shape[1], steps)], largest, np.asarray(inputs, float))
    return found[0].toarray()


def test_an_error_is_made_good_on_a_source_that_fires_along():
    """0.4 + 0.4 of two sources that always fire together is nearer to 0 + 1 than to 0 + 0."""
    np.testing.assert_array_equal(rounded([[0.4], [0.4]], [[1, 1]] * 50), [[0], [1]])


def test_sources_that_fire_apart_are_rounded_one_by_one():
    np.testing.assert_array_equal(rounded([[0.4, 1.6], [0.4, -2.4]], [[1, 0], [0, 1]] * 50), [[0, 2], [0, -2]])


def test_an_integer_unit_is_worth_a_step():
    np.testing.assert_array_equal(rounded([[0.4], [1.2]], [[1, 0], [0, 1]], steps=0.25), [[2], [5]])


def test_a_weight_that_does_not_exist_stays_away_and_a_large_one_is_clipped():
    np.testing.assert_array_equal(rounded([[0.4], [0.0], [9.0], [-9.0]], np.eye(4), largest=3), [[0], [0], [3], [-3]])


def test_compensated_weights_sum_closer_to_the_floats_than_rounded_ones():
    rng = np.random.default_rng(3)
    inputs = (rng.random((400, 6)) < 0.5).astype(float) @ (rng.random((6, 24)) < 0.4)  # of few causes
    weights = rng.normal(0, 2, (24, 10))
    errors = [((inputs @ (q - weights)) ** 2).sum() for q in (rounded(weights, inputs), np.rint(weights))]
    assert errors[0] < 0.15 * errors[1]


def test_two_projections_are_rounded_as_one_layer():
    parts = [sparse.csc_array(np.array([[0.4]])), sparse.csc_array(np.array([[0.8], [0.0]]))]
    inputs = np.array([[1.0, 1.0, 0.0]] * 50)
    first, second = round_compensated(parts, [np.ones(1), np.full(1, 2.0)], 127, inputs)
    assert (first.toarray().tolist(), second.toarray().tolist()) == ([[0]], [[1], [0]])  # 1.2 in units of 2


def test_inputs_are_seen_when_they_arrive():
    network = one(lif("p", (1,)), [[1.0], [1.0]])
    spikes = np.array([[[1, 0], [0, 1], [1, 1]], [[0, 0], [1, 0], [0, 0]]], np.uint8)
    run = run_float(discretize(network, choose_semantics()), spikes, record=True)
    now = observed_inputs(list(network.projections), [0], run)
    np.testing.assert_array_equal(now, spikes.reshape(6, 2))
    late = observed_inputs([network.projections[0]] * 2, [1, 2], run)
    np.testing.assert_array_equal(late[:, :2], [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0], [1, 0]])
    np.testing.assert_array_equal(late[:, 2:], [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 0]])


# ------------------------------------------------------------------------------------------------ coefficients
@pytest.mark.parametrize(
    ("beta", "coefficient", "shift"),
    [
        (0.5, 16384, 15),
        (0.9, 29491, 15),
        (1 - 2**-15, 32767, 15),  # the finest below 1
        (1 - 2**-17, 16384, 14),  # rounds to 1, which has 16 bits at a shift of 14 only
        (1.0, 32768, 15),  # needs no product
    ],
)
def test_a_decay_has_all_the_bits_of_a_coefficient(beta, coefficient, shift):
    model = "IF" if beta == 1 else "LIF"
    network = one(lif("p", (1,), beta if beta < 1 else 0.9, model=model), [[0.5]])
    found = compile_network(network, UP5K, choose_semantics(dt=1e-4)).quantized.populations[0]
    assert (found.values["beta"].tolist(), found.coef_shift) == ([coefficient], shift)


def test_a_membrane_with_a_time_constant_of_a_million_timesteps_forgets_nothing():
    network = one(lif("p", (1,), 1 - 1e-6, threshold=1.0), [[0.3]])
    compilation = compile_network(network, UP5K, choose_semantics(dt=1e-4))
    spikes = np.zeros((1, 400, 1), np.uint8)
    spikes[0, [0, 130, 260, 390]] = 1
    found = emulator.run(compilation.image, spikes, record_spikes=True).spikes
    assert [int(t) for _, t, _, _ in found] == [390]  # 3 * 0.3 is not enough, 4 * 0.3 is


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_a_decay_and_a_gain_that_were_exported_in_32_bits_come_back_as_they_were(beta):
    """tau = dt / (1 - beta) and r = tau / dt, as an exporter calculates them."""
    dt = np.float32(1e-4)
    tau = dt / (np.float32(1) - np.float32(beta))
    population = lif("p", (1,))
    exported = {"tau": np.full(1, float(tau)), "r": np.full(1, float(tau / dt))}
    exact = dynamics(replace(population, params=population.params | exported), choose_semantics(dt=1e-4))
    assert exact.gain.tolist() == [1.0]
    found = exact.values["beta"].array[0]
    assert found == 0 if beta == 0 else found == pytest.approx(beta, rel=1e-6)


def test_what_is_no_rounding_error_of_an_exporter_stays():
    population = lif("p", (2,))
    changed = {"tau": np.full(2, 1e-4 / (1 - 2e-6)), "r": np.array([1 + 2e-6, 1 - 2e-6])}
    found = dynamics(replace(population, params=population.params | changed), choose_semantics(dt=1e-4))
    np.testing.assert_allclose(found.values["beta"].array, 2e-6, rtol=1e-6)
    np.testing.assert_allclose(found.gain, changed["r"] * (1 - 2e-6), rtol=0, atol=1e-9)


# ----------------------------------------------------------------------------------------------------- tables
def test_the_bits_that_an_image_fills_are_those_of_each_table():
    arch = replace(UP5K, name="two", mesh_width=2, registers=3, rtl=False)
    core = replace(
        empty_core(arch),
        program=np.zeros(3, np.uint64),
        axons=np.zeros(5, np.uint64),
        synapses=np.zeros((7, 4), np.uint16),
        pointers=np.zeros(11, np.uint32),
        routes=np.zeros(13, np.uint32),
        registers=np.zeros((3, 2, 4), np.int32),
    )
    image = Image(arch, (core, empty_core(arch)), np.zeros(1), np.zeros(0), np.zeros((0, 2)), 1, ())
    assert image.memory_bits == (3 * 64 + 5 * 64 + 7 * 4 * 16 + 11 * 32 + 13 * 32 + 3 * 2 * 4 * 16) + 64


def fan(count):
    """A core of three neurons, the second of which has so many routes; and its problems."""
    cores = [replace(empty_core(ECP5), pointers=np.zeros(3, np.uint32))]
    location = np.array([[0, 0], [0, 1], [0, 2]])
    chunks = [(1, np.array([1]), axon, 0) for axon in range(count - 2)]
    chunks += [(0, np.array([0, 2]), 5, 1), (1, np.array([1]), 7, 3), (0, np.array([1]), 9, 0)]
    neuron_routes(cores, location, chunks)
    problems = []
    return join_routes(cores[0], 0, replace(ECP5, routes=4097), problems), problems


def test_a_neuron_s_routes_are_found_behind_its_pointer():
    core, problems = fan(4)
    assert problems == []
    fields = [isa.unpack_fields(isa.POINTER_FIELDS, int(p)) for p in core.pointers]
    routes = [
        [isa.unpack_fields(isa.ROUTE_FIELDS, int(r)) for r in core.routes[f["first"] :][: f["count"]]] for f in fields
    ]
    assert [[(r["core"], r["axon"], r["delay"]) for r in mine] for mine in routes] == [
        [(0, 5, 1)],
        [(1, 0, 0), (1, 1, 0), (1, 7, 3), (0, 9, 0)],
        [(0, 6, 1)],
    ]


def test_a_pointer_counts_up_to_4095_routes():
    core, problems = fan(4095)
    assert problems == []
    assert isa.unpack_fields(isa.POINTER_FIELDS, int(core.pointers[1]))["count"] == 4095


def test_a_neuron_with_one_route_more_is_told():
    assert fan(4096)[1] == [
        "core 0 needs 4,098 routes, it holds 4,097; use an architecture with more routes",
        "core 0 has a neuron with 4,096 routes, a pointer counts up to 4,095",
    ]


@pytest.mark.parametrize(
    ("fields", "reach"),
    [
        ({"block": 1, "beats": 2, "runs": 1, "block_stride": 9}, 3),
        ({"block": 1, "beats": 2, "runs": 3, "block_stride": 4}, 11),
        ({"block": 7, "beats": 5, "runs": 1, "block_stride": 0, "format": isa.SPARSE}, 0),
    ],
)
def test_rows_reach_to_the_end_of_their_last_run(fields, reach):
    entries = {name: np.array([value, 0]) for name, value in ({"format": isa.DENSE8} | fields).items()}
    assert PackedRows(np.arange(2), entries, np.zeros((0, 4), np.uint16), 0).reach == reach


# ------------------------------------------------------------------------------------- how often neurons fire at once
@pytest.mark.parametrize(
    ("bias", "late", "most"),
    [
        (0.0, 0.0, 4),  # 2.5 onto less than 1 is less than 3.5, and one for rounding
        (0.75, 0.0, 5),
        (-0.75, 0.0, 3),
        (0.0, 0.75, 4),  # of the bias there is nothing in the first timestep, so this changes nothing
        (0.75, 0.75, 5),
        (0.0, -0.75, 5),  # in the first timestep
    ],
)
def test_the_largest_payload_is_what_can_arrive_in_a_timestep(bias, late, most):
    population = lif("p", (1,), model="IF", dt=1.0, bias=bias)
    population = replace(population, late_bias=np.full(1, late))
    semantics = choose_semantics(dt=1.0, reset="multi-spike", recurrent_bias=False)
    weights = [[1.5], [1.0], [-3.0]]
    assert discretize(one(population, weights), semantics).payloads["p"] == most


@pytest.mark.parametrize(
    ("weight", "leak", "most"),
    [
        (0.5, 0.0, 6),  # the current adds up to 0.5 / (1 - 0.8): onto 0.9 * 0.5 these are 5.9 thresholds
        (0.1, 0.0, 2),  # 1.9
        (0.5, -10.0, 4),  # a tenth of the leak in a timestep: 3.9
        (0.5, -90.0, 1),  # never beyond the threshold
    ],
)
def test_a_current_adds_up_before_a_neuron_fires(weight, leak, most):
    population = lif("p", (1,), model="CubaLIF", threshold=0.5)
    population = replace(population, params=population.params | {"v_leak": np.full(1, leak)})
    semantics = choose_semantics(dt=1e-4, reset="multi-spike")
    assert discretize(one(population, [[weight]]), semantics).payloads["p"] == most


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [
        (-2, 1, 2),
        (-2, 2, 4),
        (-3, 1, 4),
        (-8, 7, 4),
        (-8, 8, 8),
        (-9, 0, 8),
        (-128, 127, 8),
        (-129, 0, 16),
        (0, 128, 16),
    ],
)
def test_weights_are_stored_in_as_few_bits_as_hold_them(low, high, bits):
    assert smallest_bits(sparse.csr_array(np.array([[low, high]])), 16, 2) == bits


def test_one_bit_holds_weights_where_every_synapse_exists():
    full, gap = (sparse.csr_array(np.array([[-1, 1], [1, last]])) for last in (1, 0))
    assert [smallest_bits(full, 1, 2), smallest_bits(gap, 1, 2), smallest_bits(full, 1, 4)] == [1, 2, 2]
    assert smallest_bits(full, 2, 2) == 2


def test_memories_of_the_kernel_start_on_a_cache_line():
    for count in (1, 3, 100):
        made = aligned(count, np.int16)
        assert (made.dtype, len(made), made.ctypes.data % 64) == (np.dtype(np.int16), count, 0)


def test_what_a_population_sends_is_known_before_what_it_makes_others_send():
    """Whatever the order: 4 spikes of a at most, so 2 thresholds of b."""
    a, b = (lif(name, (1,), model="IF", dt=1.0) for name in "ab")
    projections = (dense("w", INPUT, "a", [[2.5]]), dense("v", "a", "b", [[0.625]]))
    for populations in ((a, b), (b, a)):
        network = Network((1,), populations, projections, "b")
        payloads = discretize(network, choose_semantics(dt=1.0, reset="multi-spike")).payloads
        assert (payloads["a"], payloads["b"]) == (4, 4)
