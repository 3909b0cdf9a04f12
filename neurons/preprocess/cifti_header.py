"""The axes of a CIFTI-2 file, from the XML in its header.

Only what is checked is read. nibabel makes a Python number of each of the 155,000 indices of the standard grayordinates, one
after the other, which takes as long as a half of all arithmetic on a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

TIME, SPACE = "CIFTI_INDEX_TYPE_SERIES", "CIFTI_INDEX_TYPE_BRAIN_MODELS"
UNREADABLE_XML = (ElementTree.ParseError, ValueError, KeyError, OverflowError)


@dataclass(frozen=True)
class Series:
    """An axis of time.

    Attributes
    ----------
    points
        Number of volumes.
    step
        Time between volumes, in `unit`.
    """

    points: int
    step: float
    unit: str


@dataclass(frozen=True)
class BrainModel:
    """A structure on an axis of grayordinates: which it is, its first grayordinate, their number.

    Attributes
    ----------
    vertices
        Vertices of the mesh, int64 (count,); empty for a structure of voxels.
    """

    structure: str
    first: int
    count: int
    vertices: np.ndarray


def axes(xml: bytes) -> list[ElementTree.Element]:
    """The first and the second axis of the values, in the order of NiBabel's arrays.

    Raises
    ------
    UNREADABLE_XML
        If it is no CIFTI-2 header of a matrix with two axes.
    """
    root = ElementTree.fromstring(xml.rstrip(b"\x00"))
    if root.tag != "CIFTI":
        raise ValueError(f"the header's root is {root.tag}, expected CIFTI")
    found = {
        int(dimension): axis
        for axis in root.iter("MatrixIndicesMap")
        for dimension in axis.attrib["AppliesToMatrixDimension"].split(",")
    }
    if sorted(found) != [0, 1]:
        raise ValueError(f"the header describes the dimensions {sorted(found)}, expected 0 and 1")
    return [found[0], found[1]]


def kind(axis: ElementTree.Element) -> str:
    """What an axis counts, such as `TIME` or `SPACE`."""
    return axis.attrib["IndicesMapToDataType"]


def series(axis: ElementTree.Element) -> Series:
    """An axis of time."""
    known = axis.attrib
    step = float(known["SeriesStep"]) * 10.0 ** int(known["SeriesExponent"])
    return Series(int(known["NumberOfSeriesPoints"]), step, known["SeriesUnit"])


def brain_models(axis: ElementTree.Element) -> list[BrainModel]:
    """The structures on an axis of grayordinates, in the order of the file."""
    return [
        BrainModel(
            structure=model.attrib["BrainStructure"],
            first=int(model.attrib["IndexOffset"]),
            count=int(model.attrib["IndexCount"]),
            vertices=np.array((model.findtext("VertexIndices") or "").split(), np.int64),
        )
        for model in axis.iter("BrainModel")
    ]
