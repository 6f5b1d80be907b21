"""Energy: prices are decomposed, parts sum to the total, and nothing that was counted is free by accident."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from importlib import resources

import numpy as np
import pytest

from emulator.energy import price
from emulator.prices import EVIDENCE, Curve, PriceTable, bundled_prices, load_prices, prices_from_dict
from emulator.reference import Reference
from emulator.run_notes import EnergyNote
from emulator.spec import isa
from emulator.spec.arch import Architecture, bundled_architectures, load_architecture
from emulator.spec.errors import InputError
from emulator.spec.image import Image, empty_core
from emulator.spec.isa import Op
from emulator.spec.ledger import COUNTERS
from emulator.spec.notes import from_plain, to_plain

TABLES = ("horowitz45", "loihi14", "odin28", "truenorth28")


def one_core(clock_hz: float = 75e6) -> Architecture:
    return dataclasses.replace(load_architecture("up5k"), name="one", clock_hz=clock_hz)


def counts(arch: Architecture, **some: int | list[int]) -> dict[str, np.ndarray]:
    """All counters of the ledger, zero but for `some`."""
    table = {name: np.zeros(arch.cores, np.int64) for name in COUNTERS}
    for name, value in some.items():
        table[name] += np.asarray(value)
    return table


def random_counts(arch: Architecture, rng: np.random.Generator, table: PriceTable) -> dict[str, np.ndarray]:
    """Counts that this table can price."""
    known = set(table.covered).union(*(item.counters for item in table.prices))
    result = counts(arch)
    for name in known & set(COUNTERS):
        result[name] = rng.integers(0, 1 << 40, arch.cores)
    result["accumulator_writes"] += result["beats"]
    return result


# ------------------------------------------------------------------------------------- published figures
def odin(sop: int, clock_hz: float) -> float:
    """Picojoules per synaptic operation of one second of an ODIN."""
    arch = one_core(clock_hz)
    report = price(arch, counts(arch, synaptic_operations=sop), round(clock_hz), load_prices("odin28"))
    assert report.seconds == pytest.approx(1.0)
    return report.total_j / sop * 1e12


def test_odin_costs_12_7_pj_per_operation_at_75_mhz_and_full_rate():
    full_rate = 37_500_000  # two cycles an operation
    assert odin(full_rate, 75e6) == pytest.approx(12.7, abs=0.05)


def test_odin_costs_about_54_pj_per_operation_at_biological_rate():
    sop = 256 * 256 * 10  # every neuron fires at 10 Hz into 256 synapses
    assert odin(sop, 2 * sop) == pytest.approx(54, abs=0.5)  # the slowest clock that can do it


def test_odin_draws_477_uw_at_full_rate():
    assert odin(37_500_000, 75e6) * 1e-12 * 37_500_000 == pytest.approx(477e-6, rel=1e-3)


def truenorth(rate_hz: float, synapses: int) -> tuple[float, float]:
    """(pJ per synaptic event, watts) of one second of the chip, seen through one of its 4,096 cores."""
    arch = one_core(1e6)
    events = round(256 * rate_hz * synapses)
    report = price(arch, counts(arch, synaptic_operations=events), 1_000_000, load_prices("truenorth28"))
    return report.total_j / events * 1e12, report.total_j * 4096


def test_truenorth_costs_26_pj_per_event_at_20_hz_and_128_synapses():
    energy, watts = truenorth(20, 128)
    assert energy == pytest.approx(26, rel=1e-3)
    assert 0.063 <= watts <= 0.072  # the published power of typical networks; not used to derive the prices


def test_truenorth_energy_per_event_falls_with_rate_to_its_marginal_cost():
    energies = [truenorth(rate, 128)[0] for rate in (2, 20, 200, 2000, 2e6)]
    assert energies == sorted(energies, reverse=True)
    assert energies[0] == pytest.approx(2.3 + 237, rel=1e-3)
    assert energies[-1] == pytest.approx(2.3, rel=1e-3)


@pytest.mark.parametrize(("name", "marginal", "headlines"), [("odin28", 8.43, (12.7, 54)), ("truenorth28", 2.3, (26,))])
def test_one_more_operation_costs_the_marginal_price_not_the_published_all_in_one(name, marginal, headlines):
    arch, table = one_core(), load_prices(name)
    less, more = (price(arch, counts(arch, synaptic_operations=n), 10**6, table) for n in (10**6, 2 * 10**6))
    cost = (more.total_j - less.total_j) / 1e6 * 1e12
    assert cost == pytest.approx(marginal)
    assert less.static_j == more.static_j > 0
    assert all(cost < headline for headline in headlines)


@pytest.mark.parametrize("name", TABLES)
def test_no_published_all_in_energy_is_the_price_of_an_event(name):
    # ODIN, TrueNorth, ReckOn, SENECA, SNE, Darwin3, SpiNNaker and its successor, in pJ per synaptic operation
    all_in = (12.7, 54, 26, 5.3, 2.8, 0.221, 5.47, 13300, 450)
    values = [item.value for item in load_prices(name).prices if not item.static and item.value is not None]
    assert values
    assert not set(values) & set(all_in)


def test_loihi_prices_a_network_by_its_events():
    arch = one_core()  # 4 lanes
    some = {
        "synaptic_operations": 1000,
        "beats": 300,
        "accumulator_writes": 310,  # 10 blocks of 4 neurons took their input
        "synapse_writes": 5,  # of 8 weights each
        "packets": 7,
        "hops": 3,
    }
    parts = price(arch, counts(arch, **some), 0, load_prices("loihi14")).by_component()
    expected = {
        "synaptic operations": 23.6e-9,
        "neuron updates": 40 * 81e-12,
        "learning": 40 * 120e-12,
        "spikes": 7 * 1.7e-12,
        "links": 3 * 3.5e-12,
        "leakage": 0.0,
    }
    assert parts == pytest.approx(expected)


def test_horowitz_memories_meet_the_published_points():
    sram = next(item.curve for item in load_prices("horowitz45").prices if item.memory == "synapses")
    assert [sram.at(kib * 1024) for kib in (8, 32, 1024)] == pytest.approx([10, 20, 100])
    assert sram.at(2048) == pytest.approx(5)  # below: the square root that 8 -> 32 KiB follows


def test_horowitz_memory_price_grows_with_size_and_word():
    item = next(item for item in load_prices("horowitz45").prices if item.memory == "synapses")
    arch = dataclasses.replace(one_core(), lanes=4, synapse_words=1024)  # 8 KiB of 64-bit words
    wide = dataclasses.replace(arch, lanes=8, synapse_words=2048)  # 32 KiB of 128-bit words
    assert item.joules(arch) == pytest.approx(10e-12)
    assert item.joules(wide) == pytest.approx(40e-12)


def test_horowitz_arithmetic_meets_the_published_widths():
    curves = {item.width: item.curve for item in load_prices("horowitz45").prices if item.width}
    assert [curves["state_bits"].at(bits) for bits in (8, 32)] == pytest.approx([0.03, 0.1])
    assert [curves["product_bits"].at(bits) for bits in (8 * 8, 32 * 32)] == pytest.approx([0.2, 3.1])


# --------------------------------------------------------------------------------------------- the ledger
@pytest.mark.parametrize("arch", bundled_architectures().values(), ids=lambda arch: arch.name)
@pytest.mark.parametrize("name", TABLES)
def test_parts_sum_to_the_total(name, arch):
    table = load_prices(name)
    report = price(arch, random_counts(arch, np.random.default_rng(1), table), 10**9, table)
    assert report.parts_j.shape == (len(report.components), arch.cores)
    assert (report.parts_j >= 0).all()
    assert report.parts_j.sum() == pytest.approx(report.total_j, rel=1e-12)
    assert sum(report.by_component().values()) == pytest.approx(report.total_j, rel=1e-12)
    assert report.by_core().sum() == pytest.approx(report.total_j, rel=1e-12)
    assert report.incremental_j + (report.static_j or 0) == report.total_j
    apart = dict(zip(report.components, report.static, strict=True))
    static = sum(energy for part, energy in report.by_component().items() if apart[part])
    assert static == pytest.approx(report.static_j or 0, rel=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_every_counter_moves_the_energy_or_is_covered_or_is_an_error(name):
    arch, table = one_core(), load_prices(name)
    priced = {counter for item in table.prices for counter in item.counters}
    for counter in COUNTERS:
        some = counts(arch, **{counter: 5})
        if counter == "beats":
            some["accumulator_writes"] += 5
        if counter not in priced and counter not in table.covered:
            with pytest.raises(InputError, match=f"has no price for '{counter}'"):
                price(arch, some, 0, table)
        elif counter in priced:
            assert price(arch, some, 0, table).incremental_j > 0
        else:
            assert len(table.covered[counter]) > 3


def test_covered_counters_name_a_price_of_their_table():
    for table in bundled_prices().values():
        parts = {item.component for item in table.prices} | {"time", "pending reads", "register reads"}
        assert table.covered
        for counter, reason in table.covered.items():
            assert any(part in reason for part in parts), counter


def test_energy_lands_on_the_core_that_counted():
    arch = load_architecture("ecp5")
    report = price(arch, counts(arch, synaptic_operations=[0, 3, 0, 1]), 0, load_prices("odin28"))
    assert report.by_core() == pytest.approx(np.array([0, 3, 0, 1]) * 8.43e-12)


def test_static_energy_follows_time_and_not_the_clock_rate_of_leakage():
    arch, table = one_core(1e6), load_prices("odin28")
    slow = price(arch, counts(arch), 1000, table)
    fast = price(arch, counts(arch), 1000, table, clock_hz=2e6)
    assert slow.by_component()["leakage"] == pytest.approx(2 * fast.by_component()["leakage"])
    assert slow.by_component()["clock"] == pytest.approx(fast.by_component()["clock"])
    assert slow.by_component()["clock"] == pytest.approx(1000 * 1.78e-12)
    assert slow.by_component()["leakage"] == pytest.approx(27.3e-6 * 1e-3)


def test_a_table_without_leakage_says_so_and_adds_no_zero():
    arch = one_core()
    report = price(arch, counts(arch, hops=1), 10**6, load_prices("horowitz45"))
    assert report.static_j is None
    assert report.scope == "incremental"
    assert report.total_j == report.incremental_j == pytest.approx(6e-12)
    assert report.evidence == "assumed"
    assert report.warnings == (
        "horowitz45: the weakest prices used are assumed: links",
        "horowitz45: prices no leakage and no clock; the total is incremental only",
    )


def test_evidence_is_that_of_the_weakest_price_that_was_used():
    arch, table = one_core(), load_prices("odin28")
    assert price(arch, counts(arch, synaptic_operations=1), 1, table).evidence == "measured"
    assert price(arch, counts(arch, synaptic_operations=1, hops=1), 1, table).evidence == "assumed"


def test_a_core_of_another_size_than_the_priced_one_is_a_warning():
    arch = load_architecture("large")
    report = price(arch, counts(arch), 1, load_prices("odin28"))
    assert report.warnings[-1] == (
        "odin28: static power is of a core with 36 KiB of memory; a core of 'large' has 1,466 KiB, and it is not scaled"
    )


def test_report_is_frozen_and_plain_in_json():
    arch = one_core()
    report = price(arch, counts(arch, hops=2), 1, load_prices("loihi14"))
    with pytest.raises(ValueError, match="read-only"):
        report.parts_j[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.table = "other"
    plain = to_plain(report.note())
    assert from_plain(EnergyNote, json.loads(json.dumps(plain)), "the energy") == report.note()
    assert plain["table"] == "loihi14"
    assert plain["scope"] == "all-in"
    assert plain["total_j"] == pytest.approx(sum(plain["components_j"].values()))
    assert plain["cores_j"] == pytest.approx([plain["total_j"]])


def test_a_run_of_the_reference_is_priced_by_hand():
    """Two inputs of eight dense weights into eight neurons, four timesteps; every access counted on paper."""
    arch = one_core()  # 4 lanes, 16-bit state
    assert (arch.lanes, arch.state_bits) == (4, 16)
    program = [
        Op("integ", imm=isa.halves(0, 1)),
        Op("range", imm=isa.halves(0, 2), d=3),
        Op("add", d=0, a=0, imm=isa.SRC_ACC_CLEAR),
        Op("cge", d=0, a=0, imm_b=1, imm=100),
        Op("spk", pred=1),
        Op("end", imm=isa.halves(2, 0)),
    ]
    entry = {"beats": 1, "format": isa.DENSE8}
    core = dataclasses.replace(
        empty_core(arch),
        program=np.array([isa.encode(op) for op in program], np.uint64),
        reset_entry=5,
        axons=np.array([isa.pack_fields(isa.AXON_FIELDS, word=w, **entry) for w in (0, 1)], np.uint64),
        synapses=np.full((2, 4), 0x0101, np.uint16),
        pointers=np.zeros(8, np.uint32),
    )
    routes = np.array([isa.pack_fields(isa.ROUTE_FIELDS, core=0, delay=0, axon=a) for a in (0, 1)], np.uint32)
    nothing = np.zeros((0, 2), np.int32)
    image = Image(arch, (core,), np.array([0, 1, 2]), routes, nothing, 0, ())
    machine = Reference(image)
    machine.reset(4)
    machine.inject(int(routes[0]))
    machine.inject(int(routes[1]))
    for _ in range(4):
        machine.step()
    counters = {name: np.array([value]) for name, value in machine.cores[0].counters.items()}
    assert counters["synaptic_operations"][0] == 16

    loihi = price(arch, counters, machine.cycles(), load_prices("loihi14")).by_component()
    assert loihi["synaptic operations"] == pytest.approx(16 * 23.6e-12)
    assert loihi["neuron updates"] == pytest.approx(8 * 4 * 81e-12)  # eight neurons, four timesteps

    per = {(i.component, i.counters[0]): i.joules(arch) for i in load_prices("horowitz45").prices}
    parts = price(arch, counters, machine.cycles(), load_prices("horowitz45")).by_component()
    expected = {
        "synapse memory": 2 * per["synapse memory", "synapse_reads"],  # one word holds a row
        "axon table": 2 * per["axon table", "events"],
        "synaptic adders": 4 * per["synaptic adders", "beats"],
        "accumulators": (4 + 4 + 8 + 8) * per["accumulators", "accumulator_reads"],
        "program memory": (4 * 6 + 1) * per["program memory", "instructions"],
        "neuron registers": (8 + 8 + 8) * per["neuron registers", "register_reads"],
        "predicates": (8 + 8) * per["predicates", "predicate_reads"],
        "pending spikes": (4 + 1) * per["pending spikes", "pending_reads"] + 2 * per["pending spikes", "injections"],
        "neuron arithmetic": (8 + 8) * 4 * per["neuron arithmetic", "adds"],
    }
    assert {part: parts[part] for part in expected} == pytest.approx(expected)
    assert sum(expected.values()) == pytest.approx(sum(parts.values()))


# ------------------------------------------------------------------------------------------------- tables
def test_the_bundled_tables_are_these():
    assert tuple(bundled_prices()) == TABLES


@pytest.mark.parametrize("name", TABLES)
def test_each_price_carries_its_unit_node_voltage_evidence_and_source(name):
    table = load_prices(name)
    assert table.description
    for item in table.prices:
        assert item.unit
        assert item.node
        assert 0.3 < item.voltage < 1.5
        assert item.evidence in EVIDENCE
        assert len(item.source) > 10


def test_a_curve_goes_through_its_points_and_on():
    line = Curve("linear", ((8, 2.0), (16, 4.0), (32, 5.0)))
    assert [line.at(x) for x in (4, 8, 12, 16, 32, 48)] == pytest.approx([1, 2, 3, 4, 5, 6])
    assert Curve("linear", ((8, 1.0), (16, 9.0))).at(1) == 0.0  # a line runs below zero, a price does not
    power = Curve("power", ((4, 2.0), (16, 4.0), (64, 64.0)), 64)
    assert [power.at(x) for x in (1, 4, 16, 32, 64, 128)] == pytest.approx([1, 2, 4, 16, 64, 256])


def test_a_table_from_a_file_equals_the_bundled_one(tmp_path):
    text = resources.files("emulator").joinpath("prices", "odin28.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert load_prices(str(path)) == load_prices("odin28")


# ------------------------------------------------------------------------------------------------- errors
GOOD = """
name = "good"
description = "for tests"
node = "1 nm"
voltage = 1
[curve.sram]
kind = "power"
bits = 64
points = [[8, 1.0], [16, 2.0]]
[curve.add]
kind = "linear"
points = [[8, 1.0], [16, 2.0]]
[[price]]
component = "hops"
counters = ["hops"]
value = 1
unit = "pJ"
evidence = "assumed"
source = "nobody"
"""
ITEM = "good.toml: price 1 (hops): "


def test_the_table_the_error_tests_start_from_is_good():
    table = prices_from_dict(tomllib.loads(GOOD), "good.toml")
    arch = one_core()
    assert price(arch, counts(arch, hops=2), 0, table).total_j == pytest.approx(2e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "node =",
            "nodes =",
            "good.toml: unknown key 'nodes'; the keys are name, description, node, voltage, price, curve, "
            "covered, core_memory_bits",
        ),
        ("voltage = 1\n", "", "good.toml: key 'voltage' is missing"),
        (
            "voltage = 1\n",
            "voltage = 1\ncore_memory_bits = -1\n",
            "good.toml: core_memory_bits = -1 should be a number of bits",
        ),
        (
            "[[price]]",
            "[price]",
            "good.toml: prices are written as [[price]], curves as [curve.NAME], the rest under [covered]",
        ),
        (
            "value =",
            "worth =",
            ITEM + "unknown key 'worth'; the keys are component, counters, unit, evidence, source, node, voltage, "
            "value, curve, memory, width, times",
        ),
        ('source = "nobody"', "", ITEM + "key 'source' is missing"),
        ('source = "nobody"', 'source = ""', ITEM + "needs a voltage in volts and a source"),
        ('unit = "pJ"', 'unit = "pj"', ITEM + "unit 'pj' should be one of fJ, pJ, nJ, nW, uW, mW, uW/MHz"),
        (
            '"assumed"',
            '"guessed"',
            ITEM + "evidence 'guessed' should be one of measured, simulated, derived, assumed",
        ),
        ('["hops"]', '"hops"', ITEM + "counters 'hops' should be a list of names"),
        (
            '["hops"]',
            '["skips"]',
            ITEM + "'skips' cannot be priced in pJ, which is a price of a counter of the ledger",
        ),
        ('"pJ"', '"uW"', ITEM + "'hops' cannot be priced in uW, which is a price of 'seconds'"),
        ("value = 1\n", "", ITEM + "needs either a value or the name of a curve of this table"),
        ("value = 1\n", 'curve = "x"\n', ITEM + "needs either a value or the name of a curve of this table"),
        ("value = 1\n", "value = -1\n", ITEM + "value -1 should be a finite number, not negative"),
        ("value = 1\n", "value = nan\n", ITEM + "value nan should be a finite number, not negative"),
        (
            "value = 1\n",
            'curve = "sram"\n',
            ITEM + "a curve with bits needs a memory, one without a width, a value neither",
        ),
        (
            "value = 1\n",
            'value = 1\nmemory = "routes"\n',
            ITEM + "a curve with bits needs a memory, one without a width, a value neither",
        ),
        (
            "value = 1\n",
            'value = 1\ntimes = ["rows"]\n',
            ITEM + "times ['rows'] should be a list of numbers or 'lanes'",
        ),
        (
            "value = 1\n",
            'curve = "add"\nwidth = "length"\n',
            ITEM + "width 'length' should be one of state_bits, acc_bits, coef_bits, product_bits",
        ),
        (
            "[8, 1.0]",
            "[80, 1.0]",
            "good.toml: curve 'sram': must be 'linear' or 'power' through two or more positive points, x ascending",
        ),
        ("kind =", "sort =", "good.toml: curve 'sram': unknown key 'sort'; the keys are kind, points, bits"),
        (
            "[curve.sram]",
            '[covered]\nskips = "hops"\n[curve.sram]',
            "good.toml: [covered] names 'skips', which the ledger does not have",
        ),
        ("[curve.sram]", '[covered]\nhops = "?"\n[curve.sram]', "good.toml: 'hops' is both priced and covered"),
    ],
)
def test_a_wrong_table_is_one_clear_line(old, new, message):
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    with pytest.raises(InputError) as caught:
        prices_from_dict(tomllib.loads(text), "good.toml")
    assert str(caught.value) == message


def test_a_component_cannot_mix_events_with_time():
    leak = GOOD[GOOD.index("[[price]]") :].replace('["hops"]', '["seconds"]').replace('"pJ"', '"uW"')
    with pytest.raises(InputError) as caught:
        prices_from_dict(tomllib.loads(GOOD + leak), "good.toml")
    assert str(caught.value) == "good.toml: component 'hops' mixes events with time; name its static part apart"


def test_what_was_counted_and_has_no_price_is_an_error():
    arch = load_architecture("ecp5")
    with pytest.raises(InputError) as caught:
        price(arch, counts(arch, rows=[0, 1000, 234, 0]), 0, load_prices("odin28"))
    assert str(caught.value) == (
        "price table 'odin28' has no price for 'rows', counted 1,234 times; "
        "add a [[price]] for it, or say under [covered] which price includes it"
    )


def test_a_memory_that_the_architecture_lacks_is_an_error():
    arch = dataclasses.replace(one_core(), traces=0)
    with pytest.raises(InputError) as caught:
        price(arch, counts(arch, trace_reads=1), 0, load_prices("horowitz45"))
    assert str(caught.value) == "'traces' was counted, but architecture 'one' has no traces"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skips": np.zeros(1, np.int64)}, "the ledger has no counter 'skips'"),
        ({"hops": None}, "counter 'hops' is missing; a run that did none of it counts 0"),
        (
            {"hops": np.zeros(2, np.int64)},
            "counter 'hops' should be integers of shape (1,), one a core, not int64 of shape (2,)",
        ),
        (
            {"hops": np.zeros(1)},
            "counter 'hops' should be integers of shape (1,), one a core, not float64 of shape (1,)",
        ),
        ({"hops": np.array([-1])}, "counter 'hops' is negative on core 0"),
        (
            {"beats": np.array([1])},
            "fewer accumulator_writes than beats, each of which is one: no machine counts so",
        ),
    ],
)
def test_counters_that_are_no_ledger_are_an_error(change, message):
    arch = one_core()
    table = {name: value for name, value in (counts(arch) | change).items() if value is not None}
    with pytest.raises(InputError) as caught:
        price(arch, table, 0, load_prices("horowitz45"))
    assert str(caught.value) == message


def test_a_clock_of_zero_is_an_error():
    arch = one_core()
    with pytest.raises(InputError) as caught:
        price(arch, counts(arch), 5000, load_prices("odin28"), clock_hz=0)
    assert str(caught.value) == "5,000 cycles at 0 Hz is no time: give cycles >= 0 and a positive clock"


def test_an_unknown_table_lists_the_bundled_ones():
    with pytest.raises(InputError) as caught:
        load_prices("akida")
    assert str(caught.value) == (
        "no price table 'akida'; the bundled ones are horowitz45, loihi14, odin28, truenorth28, or give a .toml file"
    )


def test_a_missing_file_and_a_broken_one_are_errors(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(InputError) as caught:
        load_prices(str(path))
    assert str(caught.value) == f"{path}: no such file"
    path.write_text("name = ")
    with pytest.raises(InputError) as caught:
        load_prices(str(path))
    assert str(caught.value).startswith(f"{path}: not a readable TOML file: Invalid value")
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError) as caught:
        load_prices(str(path))
    assert str(caught.value) == f"{path}: a folder; give a file"
