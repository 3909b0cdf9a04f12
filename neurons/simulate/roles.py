"""Which areas of the HCP-MMP parcellation do what in the simulated brain, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """What an area responds to.

    Attributes
    ----------
    areas
        Names without hemisphere (Glasser et al., Nature 2016).
    gains
        Weight of each group of features.
    field_size
        SD of receptive fields, as a fraction of the frame.
    median_signal
        Median over vertices of the ratio of evoked to noise SD.
    """

    areas: tuple[str, ...]
    gains: dict[str, float]
    field_size: float
    median_signal: float


ROLES: dict[str, Role] = {
    "early": Role(
        ("V1", "V2", "V3"),
        {"luminance": 1.0, "contrast": 1.0, "motion_energy": 0.8},
        field_size=0.1,
        median_signal=0.6,
    ),
    "colour": Role(
        ("V4", "V8", "VVC", "VMV1", "VMV2", "VMV3"),
        {"opponent_colour": 0.4, "colour": 1.4, "kind": 0.3},
        field_size=0.2,
        median_signal=0.6,
    ),
    "motion": Role(
        ("MT", "MST", "FST", "V4t", "V3A", "V3B", "V3CD", "V6", "V6A", "V7", "IPS1", "LIPv", "LIPd", "VIP",
         "MIP"),
        {"motion": 1.4, "motion_energy": 0.3},
        field_size=0.25,
        median_signal=0.6,
    ),
    "object": Role(
        ("LO1", "LO2", "LO3", "PIT", "FFC", "PH", "PHT", "TE2p", "TE1p", "TPOJ2", "TPOJ3"),
        {"kind": 1.4, "category": 0.5, "colour": 0.3, "contrast": 0.2},
        field_size=0.3,
        median_signal=0.6,
    ),
    "place": Role(
        ("PHA1", "PHA2", "PHA3", "ProS", "DVT", "POS1", "RSC", "PGp", "IP0"),
        {"place": 1.4, "luminance": 0.2},
        field_size=0.4,
        median_signal=0.6,
    ),
    "language": Role(
        ("STSda", "STSdp", "STSva", "STSvp", "TE1a", "TE1m", "PSL", "STV", "TPOJ1", "PGi", "44", "45", "47l",
         "IFJa"),
        {"caption": 1.0, "kind": 0.4, "motion": 0.4},
        field_size=0.5,
        median_signal=0.6,
    ),
}  # fmt: skip

AREA_ROLES: dict[str, str] = {area: name for name, role in ROLES.items() for area in role.areas}
"""Role of each named area; all others only fluctuate."""
