"""Albums and photos of the gallery in SQLite: references and info documents."""

import json
import secrets
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
create table if not exists albums (
    id integer primary key, title text not null, private integer not null, secret text not null);
create table if not exists photos (
    reference text primary key, album integer not null references albums, title text not null,
    state text not null, info text, added integer not null default (unixepoch()));
"""


class Album(NamedTuple):
    """An album. Visitors see a private one only with its secret."""

    id: int
    title: str
    private: int
    secret: str


class Photo(NamedTuple):
    """A photo of an album. `info` is the info document, once the photo is ready."""

    reference: str
    album: int
    title: str
    state: str
    info: dict[str, Any] | None
    added: int


class Store:
    """The database of the gallery."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(SCHEMA)
        self._run = self._database.execute

    def add_album(self, title: str, *, private: bool) -> int:
        """Add an album, and return its id."""
        values = (None, title, private, secrets.token_urlsafe(12))
        return self._run("insert into albums values (?, ?, ?, ?)", values).lastrowid or 0

    def albums(self, where: str = "true", *values: object) -> list[Album]:
        """Return albums, newest first."""
        query = f"select * from albums where {where} order by id desc"  # noqa: S608
        return [Album(*row) for row in self._run(query, values)]

    def photos(self, where: str = "true", *values: object) -> list[Photo]:
        """Return photos, newest first."""
        tables = "photos join albums on albums.id = album"
        query = f"select photos.* from {tables} where {where} order by added desc, reference"  # noqa: S608
        rows = self._run(query, values)
        return [Photo._make(row)._replace(info=json.loads(row[4] or "null")) for row in rows]

    def add_photo(self, reference: str, album: int, title: str = "") -> None:
        """Add a photo, or give one a title that was added before."""
        query = "insert into photos (reference, album, title, state) values (?, ?, ?, 'pending')"
        renaming = "on conflict do update set title = max(title, excluded.title)"
        self._run(f"{query} {renaming}", (reference, album, title))

    def set_state(self, reference: str, state: str, info: dict[str, Any] | None) -> None:
        """Set the state of a photo, and the info of one that is ready."""
        values = (state, json.dumps(info), reference)
        self._run("update photos set state = ?, info = ? where reference = ?", values)

    def remove_photo(self, reference: str) -> None:
        """Remove a photo, or all versions of one that is named without a version."""
        values = (reference, f"{reference}/*")
        self._run("delete from photos where reference = ? or reference glob ?", values)
