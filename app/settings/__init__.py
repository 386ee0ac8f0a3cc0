"""Every setting: its name, default, unit and a sentence. Read once, at the top; nothing below reads any.

Names have the prefix `GATEWAY_` and two underscores between parts: `GATEWAY_API__PORT`. Files in the
secrets directory (`GATEWAY_SECRETS_DIR`, by default /run/secrets) named like the variables, in lower
case, are read as well; the environment goes before them.
"""

from __future__ import annotations

from app.settings.groups import DispatchSettings, SandboxSettings
from app.settings.model import DELIMITER, OF_THE_PROCESS, PREFIX, Settings, SettingsError
from app.settings.reading import described_settings, load_settings, refuse_unknown, unknown_variables

__all__ = [
    "DELIMITER",
    "OF_THE_PROCESS",
    "PREFIX",
    "DispatchSettings",
    "SandboxSettings",
    "Settings",
    "SettingsError",
    "described_settings",
    "load_settings",
    "refuse_unknown",
    "unknown_variables",
]
