"""What the tests share: a connection that calls wf_ functions by name, a test clock, and error assertions."""

from .clock import BASE, json_time, sql_time
from .database import Database, extension_path, made_by, open_database
from .errors import code, wf_error

__all__ = ["BASE", "Database", "code", "extension_path", "json_time", "made_by", "open_database", "sql_time", "wf_error"]
