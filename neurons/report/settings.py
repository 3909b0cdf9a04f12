"""Section `report` of the configuration."""

from __future__ import annotations

from pydantic import Field

from neurons.sections import Count, Section


class Report(Section):
    """The page."""

    title: str = Field("NEURONS: reconstructed videos", description="title of the page")
    gallery_clips: Count = Field(200, description="most clips per subject and variant in the gallery")
