"""Circuit breakers in shortened time, for providers that fail so often that they would be left alone for minutes."""

from __future__ import annotations

from typing import Final

from app.store.engine import Engine

_SHORTEN: Final = """
CREATE FUNCTION shorten_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'open' THEN
        NEW.open_until := NEW.changed_at + interval '0.5 seconds';
    ELSIF NEW.slow_since IS DISTINCT FROM OLD.slow_since THEN
        NEW.slow_since := NEW.slow_since - interval '8 seconds';
    END IF;
    RETURN NEW;
END $$
"""
_WHENEVER_WRITTEN: Final = """
CREATE TRIGGER shorten_opening BEFORE UPDATE ON circuits FOR EACH ROW EXECUTE FUNCTION shorten_opening()
"""


async def shorten_openings(engine: Engine) -> None:
    """Have every circuit of this database stay open for half a second, and its slow start begin near its end."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql(_SHORTEN)
        await connection.exec_driver_sql(_WHENEVER_WRITTEN)
