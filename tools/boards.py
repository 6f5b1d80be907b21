"""Build boards and write what they take into their READMEs.

python tools/boards.py [BOARD ...]   all that the open tools build, without names; minutes each, unless cached
python tools/boards.py --check       which tables are older than the sources
"""

from __future__ import annotations

import sys

from nmcompile.fpga import bitstream, boards


def main(names: list[str]) -> int:
    check = "--check" in names
    names = [name for name in names if name != "--check"] or boards.board_names()
    stale = 0
    for board in (boards.load_board(name) for name in names):
        if board.vivado:
            continue
        if check:
            old = bitstream.staleness(board)
            stale += bool(old)
            print(f"{board.name}: {old or 'up to date'}")
            continue
        made = bitstream.build(board, lambda what, *_, name=board.name: print(f"{name}: {what} ...", flush=True))
        readme = board.folder / "README.md"
        readme.write_text(bitstream.with_table(readme.read_text(), bitstream.utilisation(board, made)))
        print(f"{board.name}: {made.fmax_hz / 1e6:.1f} MHz, {made.used}")
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
