"""QR codes as the path of an SVG: no picture, no network."""

from dataclasses import dataclass

import qrcode


@dataclass(frozen=True, slots=True)
class Code:
    """
    A QR code to be drawn.

    :ivar size: modules along one side, with the quiet zone around them. :ivar path: the dark ones, for ``<path d>``.
    """

    text: str
    size: int
    path: str


def code(text: str) -> Code:
    drawn = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=4)
    drawn.add_data(text)
    matrix = drawn.get_matrix()
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark)
    return Code(text, len(matrix), "".join(dark))
