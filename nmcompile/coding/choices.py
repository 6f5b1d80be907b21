"""What can be chosen when recordings of events become spikes; the command line offers it, so nothing is loaded here."""

from __future__ import annotations

from typing import Final

FORMATS: Final = ("nmnist", "aedat4", "evt2", "evt3", "shd", "arrays")
RULES: Final = ("all", "tonic", "spikingjelly", "snntorch")
EVENTS: Final = ("once", "count")
POLARITIES: Final = ("both", "merge", "on", "off")
