"""aiosqlite: asyncio around sqlite3."""

import asyncio
import sqlite3

import aiosqlite
from protocol import given, main

module = given()[0]
loop = asyncio.new_event_loop()


async def connect(path):
    # [load]
    db = await aiosqlite.connect(path, isolation_level=None)
    await db.enable_load_extension(True)
    await db.load_extension(module)
    await db.enable_load_extension(False)
    # [/load]
    return db


async def run(db, sql, parameters):
    async with db.execute(sql, parameters) as cursor:
        return await cursor.fetchall()


main(
    sqlite3.sqlite_version,
    lambda path: loop.run_until_complete(connect(path)),
    lambda db, sql, parameters: loop.run_until_complete(run(db, sql, parameters)),
    lambda db: loop.run_until_complete(db.close()),
)
