"""A secret for an authenticator app as a picture that it reads: one SVG path, which needs no style of its own."""

from typing import Final
from urllib.parse import quote, urlencode

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

ISSUER: Final = "Telara"
QUIET: Final = 4  # modules of white around it, as the standard wants


def app_address(username: str, secret: str) -> str:
    """`otpauth://totp/...`: six digits, 30 seconds, SHA-1, which is what every app does."""
    label = quote(f"{ISSUER}:{username}", safe=":")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}"


def qr_path(text: str) -> tuple[str, int]:
    """The `d` of a path that fills the dark modules, and the edge of the picture, both in modules."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=QUIET)
    code.add_data(text)
    rows: list[list[bool]] = code.get_matrix()
    drawn = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark]
    return "".join(drawn), len(rows)
