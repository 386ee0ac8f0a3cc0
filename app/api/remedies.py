"""What stands behind each refusal, by its code.

The pages and the description of the refusals are made from here. An example is a refusal as it could be raised.
"""

from __future__ import annotations

from typing import Final

from app.api.remedies_of_limits import OF_LIMITS
from app.api.remedies_of_messages import OF_MESSAGES
from app.api.remedies_of_pools import OF_POOLS
from app.api.remedies_of_requests import OF_REQUESTS
from app.api.remedy import Remedy
from app.domain.errors import ErrorCode

_ALL: Final = {**OF_REQUESTS, **OF_MESSAGES, **OF_POOLS, **OF_LIMITS}
REMEDIES: Final[dict[ErrorCode, Remedy]] = {code: _ALL[code] for code in ErrorCode}
"""In the order of the codes; a code without a remedy keeps the application from starting."""
