"""The pipeline in one picture, as SVG."""

from __future__ import annotations

from html import escape

BOXES = {
    "runs": (10, 20, "fMRI runs", "CIFTI, cortical vertices"),
    "movies": (10, 150, "movies", "MP4, 2 s clips"),
    "responses": (205, 20, "responses", "lag, detrend, select"),
    "features": (205, 150, "frozen features", "CLIP, VAE, captions, masks"),
    "brain": (400, 85, "brain model", "video and text embedding"),
    "mask": (610, 5, "key object", "segmentation"),
    "concepts": (610, 65, "concepts", "51 classes"),
    "text": (610, 125, "description", "GPT-2"),
    "blurry": (610, 185, "blurry video", "VAE latents"),
    "video": (820, 85, "video", "text-to-video diffusion"),
}
WIDTH, HEIGHT = 150, 46
ARROWS = (
    ("runs", "responses"), ("movies", "features"), ("responses", "brain"), ("features", "brain"),
    ("brain", "mask"), ("brain", "concepts"), ("brain", "text"), ("brain", "blurry"),
    ("mask", "video"), ("concepts", "video"), ("text", "video"), ("blurry", "video"),
)  # fmt: skip


def pipeline_svg() -> str:
    """An SVG element: what goes in, the four decoded tasks, what comes out."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 240" role="img" aria-label="From fMRI runs and movies '
        'through the brain model and four decoded tasks to a video" font-family="inherit">'
    ]
    for start, end in ARROWS:
        x1, y1 = BOXES[start][0] + WIDTH, BOXES[start][1] + HEIGHT / 2
        x2, y2 = BOXES[end][0], BOXES[end][1] + HEIGHT / 2
        bend = (x1 + x2) / 2
        parts.append(
            f'<path d="M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}" fill="none" stroke="#b9c2d6" stroke-width="2"/>'
        )
    for name, (x, y, title, note) in BOXES.items():
        fill = "#eef2ff" if name in ("mask", "concepts", "text", "blurry") else "#ffffff"
        middle = x + WIDTH / 2
        parts += [
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="9" fill="{fill}" stroke="#9aa7c4"/>',
            f'<text x="{middle}" y="{y + 20}" text-anchor="middle" font-size="14" fill="#1c2233">{escape(title)}</text>',
            f'<text x="{middle}" y="{y + 36}" text-anchor="middle" font-size="10" fill="#5b6475">{escape(note)}</text>',
        ]
    return "".join(parts) + "</svg>"
