"""Costs of single steps, as `python -m bench.unit_costs` measured them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

FILE_NAME = "unit_costs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCosts:
    """Seconds of processor time of a step, or seconds on the clock where the name says so."""

    photo_file_bytes: tuple[int, ...]
    """Bytes of the files of a photo: the original first, the info last."""
    repair_clock_seconds_per_file: float
    repair_clock_seconds_per_byte: float
    scrub_seconds_per_file: float
    scrub_seconds_per_byte: float
    digest_seconds_per_volume: float
    """The digest of a volume that has not changed, on one node."""
    look_again_seconds: float
    """The look at some known shards that a comparison of any number of volumes takes."""
    restart_seconds_per_file: float
    """Reading what is known of a file again after a restart of its node."""
    status_seconds: float
    """One status of a node."""
    machine: str
    measured_by: Mapping[str, str]
    """The way in which each cost was measured."""

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {**asdict(self), "photo_file_bytes": list(self.photo_file_bytes)}


def load_unit_costs() -> UnitCosts:
    """Return the measured costs that the package has."""
    return parse_unit_costs(files("capacity").joinpath(FILE_NAME).read_text())


def parse_unit_costs(text: str) -> UnitCosts:
    """Parse the JSON of unit costs."""
    found = json.loads(text)
    return UnitCosts(**{**found, "photo_file_bytes": tuple(found["photo_file_bytes"])})
