"""Countries, by their codes."""

from __future__ import annotations

from phonenumbers import SUPPORTED_REGIONS


def is_country(code: str) -> bool:
    """Tell whether it is the ISO 3166-1 alpha-2 code of a country that has a numbering plan, in capitals."""
    return code in SUPPORTED_REGIONS
