"""The contact sheet of key objects."""

import numpy as np

from neurons.annotate.sheet import COLUMNS, OUTLINE, PICTURE_PX, Tile, contact_sheet, outlined


def tile(name: str = "m:0") -> Tile:
    frames = np.full((3, 64, 64, 3), 90, np.uint8)
    frames[1, :, :, 2] = 200
    masks = np.zeros((3, 32, 32), bool)
    masks[0, 4:6, 4:6] = masks[1, 8:24, 8:24] = True
    return Tile(name, frames, masks, ("dog: animal", "only priority object of 2 visible", "a dog runs " * 30))


def test_the_frame_that_shows_most_is_outlined() -> None:
    picture = outlined(tile())
    assert picture.shape == (PICTURE_PX, PICTURE_PX, 3)
    assert tuple(picture[0, 0]) == (90, 90, 200)
    marked = (picture == OUTLINE).all(axis=2)
    rows, columns = np.nonzero(marked)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 119, 40, 119)
    assert not marked[60:100, 60:100].any()


def test_clips_stand_in_rows_in_their_order() -> None:
    one, row, two_rows = (contact_sheet([tile()] * count) for count in (1, COLUMNS, COLUMNS + 1))
    assert one.shape[0] == row.shape[0] < two_rows.shape[0]
    assert one.shape[1] < row.shape[1] == two_rows.shape[1]
    assert one.dtype == np.uint8
    assert (one != 255).any()


def test_long_texts_stay_in_their_tile() -> None:
    below = contact_sheet([tile(), tile()])
    single = contact_sheet([tile()])
    assert (below[:, : single.shape[1] - 8] == single[:, :-8]).all()
