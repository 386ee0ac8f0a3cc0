"""The forms by which masking knows secrets and numbers in texts, and the words by which it knows keys.

Literal tables alone; what is done with them is in `masking`.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[hidden]"

SECRET_WORD: Final = re.compile(
    "auth|authorization|bodies|(?:body|content|cookie|credential|key|mac|passphrase|passwd|password|pin|secret)s?"
    "|(?:sig|signature|text|token)s?"
)
"""A key whose last word is this holds message text or a secret."""

NUMBER_WORD: Final = re.compile("from|to|(?:destination|mobile|msisdn|number|originator|phone|recipient|sender)s?")
"""A key whose last word is this may hold a number to text, even as an integer."""

IDENTIFIER_WORD: Final = re.compile(
    "at|bytes|commit|count|digest|hash|ids?|microseconds|milliseconds|ms|nanoseconds|ns|pid|port|revision|seconds|sid"
    "|size|timestamp|version"
)
"""Under a key whose last word is this, digits without a plus are no number to text."""

INVISIBLE: Final = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
"""Characters without width, which could split a number or turn a line around."""

_VALUE: Final = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\\".*?\\"|[^\s"'&,;<>(){}\[\]\\]+)"""
"""A value after its name: quoted, quoted within a quoted text, or bare."""

SECRETS: Final = (
    # Postgres repeats the whole row that it refuses in the detail of its error.
    (re.compile(r"(\bDETAIL:[ \t]*)[^\r\n]+"), rf"\1{HIDDEN}"),
    # Credentials in a URL: scheme://user:password@host.
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://)[^\s/?#]*@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # An Authorization header, whatever its scheme.
    (
        re.compile(
            r"""(\bauthorization(?:\\?["'])?\s*[:=]\s*(?:\\?["'])?)[^\s"'\\]+(?:[ \t]+[\w.~+/=:-]+)?""", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    # The same without its name; "basic authentication" is prose.
    (re.compile(r"\b(bearer|basic)[ \t]+(?!auth|cred|and\b)[\w.~+/=:-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # Our own keys, with their secrets, and the signing secrets of callbacks.
    (re.compile(r"(?:mgw_(?:live|test)|whsec)_[\w+/=-]+(?::\w+)?"), HIDDEN),
    # The secret of one of our keys by itself: 38 characters of base62, longer than MD5 and shorter than SHA-1.
    (re.compile(r"(?<![0-9A-Za-z])(?=[0-9A-Za-z]{0,37}[g-zG-Z])[0-9A-Za-z]{38}(?![0-9A-Za-z])"), HIDDEN),
    # The MAC at the end of an attempt token; the message id and attempt number before it stay.
    (re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,4}\.)[\w-]{22}(?![\w-])"), rf"\1{HIDDEN}"),
    # name=value, name='value' and "name": "value", as in queries, reprs, DSNs and JSON inside strings.
    (
        re.compile(
            r"""(?<![a-z])(api[_-]?key|body|cookie|mac|passwd|password|secret|sig|signature|text|token)"""
            rf"""((?:\\?["'])?\s*=\s*|\\?["']\s*:\s*)(?!None\b|null\b){_VALUE}""",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
)

MAY_HOLD_SECRET: Final = re.compile(r"[=:]|bearer|basic|mgw_|whsec_|[0-9A-Za-z]{38}|\.[\w-]{22}", re.IGNORECASE)
"""A part of every text in which one of the secrets is found; without it none of them need be looked for."""

_SEPARATED: Final = r"\d(?:[ \t\u00a0().\u2010-\u2015-]{0,2}\d){6,14}"

_OWN_FORM: Final = r"""
    (?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])   # a UUID
  | (?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d                                                   # a date, perhaps with a time
    (?:[T ][0-2]\d:[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)
  | (?<![0-9A-Za-z+])(?:19|20)\d\d[01]\d[0-3]\d(?:[0-2]\d[0-5]\d[0-6]\d)?(?![0-9A-Za-z])   # the same without marks
  | (?<![0-9A-Za-z+])1[5-9]\d{8}(?:\d{3}|\d{6})?(?![0-9A-Za-z])                            # seconds since 1970, ms, µs
"""
"""What shows by its form that it is no number."""

_HARMLESS: Final = rf"""{_OWN_FORM}
  | (?<![\w.])\d+\.\d{{8,}}(?![0-9A-Za-z])                                                  # a fraction
"""

_PLUS_NUMBER: Final = rf"""
    (?P<plus>\+|\uff0b|%2[Bb]|\\u002[Bb]|&\#43;)[ (]{{0,2}}(?!0)(?:\d{{7,}}|{_SEPARATED})
"""

_BARE_NUMBER: Final = r"""
    (?:(?<![0-9A-Za-z])|(?<=\\[nrt])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))          # also after an escape
    (?:
        (?:00)?\d{8,15}(?![0-9A-Za-z])                                                   # 15555550100
      | (?:1[ .-])?\(?[2-9]\d\d\)?[ .-]{0,2}\d{3}[ .-]\d{4}(?![0-9A-Za-z])                 # (555) 555-0100
      | \(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}(?![0-9A-Za-z])                              # 07700 900123
    )
"""

ANY_NUMBER: Final = re.compile(rf"(?P<harmless>{_HARMLESS})|{_PLUS_NUMBER}|{_BARE_NUMBER}", re.VERBOSE)
INTERNATIONAL: Final = re.compile(rf"(?P<harmless>{_HARMLESS})|{_PLUS_NUMBER}", re.VERBOSE)
"""What is masked under a key that holds an identifier or a quantity."""


MAY_HOLD_NUMBER: Final = re.compile(r"\d(?:\D{0,3}\d){6}")
"""A part of every text in which a number is found: seven digits with little between them."""

GIVEN_ID_NUMBER: Final = re.compile(
    rf"""
    (?P<harmless>{_OWN_FORM}
      | (?<![0-9a-fA-F])(?=\d*[a-fA-F])(?:[0-9a-fA-F]{{8}}){{2,8}}(?![0-9A-Za-z])   # hexadecimal, of the usual lengths
      | (?<!\d)\d{{18,}}(?!\d)                                                     # longer than any number
    )
  | (?P<plus>)(?<!\d)\d(?:[._-]?\d){{6,}}(?!\d)
    """,
    re.VERBOSE,
)
"""What is masked in an id that a stranger chose: seven digits or more, also with marks between them or letters around.

UUIDs, hexadecimal ids, dates and times stay, for they are what such ids are for.
"""
