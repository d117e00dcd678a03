import pytest
from support.control_socket import ControlSocket


@pytest.fixture
def db(connect):
    """A file in WAL mode with synchronous=FULL, as a barrier wants it."""
    db = connect(timeout=0)
    assert db.value("PRAGMA journal_mode = wal") == "wal"
    db.execute("PRAGMA synchronous = full")
    db.wf_init()
    return db


@pytest.fixture
def listen():
    """Makes stand-ins for Litestream's control socket."""
    made = []

    def one(*syncs, **options):
        made.append(ControlSocket(*syncs, **options))
        return made[-1]

    yield one
    for server in made:
        server.close()
