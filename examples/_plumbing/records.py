"""How are records, failures and the progress of an ingest stored?"""

from _plumbing import web

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiterkit import Err, Ok

PROGRAM = 0x0A17E002  # marks the database as one of the ingest
TABLES = """
    CREATE TABLE IF NOT EXISTS records (
        api TEXT, id TEXT, data TEXT, PRIMARY KEY (api, id)
    );
    CREATE TABLE IF NOT EXISTS failures (
        api TEXT, id TEXT, error TEXT, PRIMARY KEY (api, id)
    );
    CREATE TABLE IF NOT EXISTS progress (api TEXT PRIMARY KEY, cursor TEXT);
"""


@dataclass(frozen=True)
class Entry:
    """A record that the list names, and the cursor of the page that names it."""

    id: str
    cursor: str


@dataclass(frozen=True)
class Record:
    """The content of an entry."""

    entry: Entry
    data: dict[str, Any]


class Store:
    """What a database has of one *api*; other APIs may be in the same database.

    Its methods block: they are called in threads.
    """

    def __init__(self, database: sqlite3.Connection, api: str) -> None:
        self._database = database
        self._api = api
        self.transactions = 0

    def write(self, outcomes: Sequence[Ok[Record] | Err[Exception]]) -> None:
        """Write all *outcomes* and the cursor that they reach, or nothing."""
        with self._database as database:
            for outcome in outcomes:
                match outcome:
                    case Ok(Record(entry, data)):
                        key = self._api, entry.id
                        database.execute(
                            "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                            (*key, json.dumps(data)),
                        )
                        # It may have failed in an earlier run.
                        database.execute(
                            "DELETE FROM failures WHERE api = ? AND id = ?", key
                        )
                    case Err(error, [Entry() as entry]):
                        database.execute(
                            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?)",
                            (self._api, entry.id, web.describe(error)),
                        )
                    case _:
                        raise TypeError(f"not an outcome of a request: {outcome}")
                database.execute(
                    "INSERT OR REPLACE INTO progress VALUES (?, ?)",
                    (self._api, entry.cursor),
                )
        self.transactions += 1

    def finish(self) -> None:
        """Note that everything was read: the next run starts from the beginning."""
        with self._database as database:
            database.execute("DELETE FROM progress WHERE api = ?", (self._api,))

    def cursor(self) -> str:
        """Return where to resume."""
        row = self._database.execute(
            "SELECT cursor FROM progress WHERE api = ?", (self._api,)
        ).fetchone()
        return row[0] if row else ""

    def failures(self) -> list[tuple[str, str]]:
        """Return the records that could not be had, and why."""
        return self._database.execute(
            "SELECT id, error FROM failures WHERE api = ? ORDER BY id", (self._api,)
        ).fetchall()

    def records(self) -> int:
        """Return how many records there are."""
        count: int
        (count,) = self._database.execute(
            "SELECT COUNT(*) FROM records WHERE api = ?", (self._api,)
        ).fetchone()
        return count
