"""
Moodle's exceptions as data: a class name, an error code, a message and what debugging would add.

From 4.5 on some classes live in the namespace `core\\exception`; codes and messages stayed.
"""

from __future__ import annotations

from typing import Any

MOVED_IN_4_5 = frozenset(
    {
        "moodle_exception",
        "invalid_parameter_exception",
        "coding_exception",
        "required_capability_exception",
        "require_login_exception",
        "invalid_response_exception",
    }
)
DATABASE_DOWN = (
    "<p>Error: Database connection failed</p>\n<p>It is possible that the database is overloaded or otherwise not "
    "running properly.</p>\n<p>The site administrator should also check that the database details have been "
    "correctly specified in config.php</p>"
)


class MoodleError(Exception):
    """A call that ends with an exception object in its answer; whatever it did so far is undone."""

    def __init__(self, errorcode: str, message: str, exception: str = "moodle_exception", debug: str = "") -> None:
        super().__init__(errorcode)
        self.errorcode = errorcode
        self.message = message
        self.exception = exception
        self.debug = debug

    def class_name(self, release: str) -> str:
        """The name of the class in a release, namespaced where that release does so."""
        moved = release >= "4.5" and self.exception in MOVED_IN_4_5
        return f"core\\exception\\{self.exception}" if moved else self.exception

    def told(self, release: str, debug: bool) -> dict[str, Any]:
        """The JSON object; only a debugging site gives the reason away."""
        reason = self.debug if debug else ""
        told = {"exception": self.class_name(release), "errorcode": self.errorcode, "message": self.message}
        if reason:
            told |= {"message": f"{self.message} ({reason})", "debuginfo": reason}
        return told


def invalid_parameter(reason: str = "") -> MoodleError:
    """Anything wrong with a value; a production site does not say what."""
    return MoodleError("invalidparameter", "Invalid parameter value detected", "invalid_parameter_exception", reason)


def access_denied(reason: str = "") -> MoodleError:
    """The token, the service or the account does not allow the call."""
    return MoodleError("accessexception", "Access control exception", "webservice_access_exception", reason)


def missing_record(table: str = "", errorcode: str = "invalidrecord") -> MoodleError:
    """A row that is not there."""
    message = f"Can't find data record in database table {table}." if errorcode == "invalidrecord" else "Invalid user"
    return MoodleError(errorcode, message, "dml_missing_record_exception")


def unknown_user() -> MoodleError:
    """The user id does not exist."""
    return missing_record("user", "invaliduser")


def database_write() -> MoodleError:
    """A value too long, or one a unique index refuses."""
    return MoodleError("dmlwriteexception", "Error writing to database", "dml_write_exception")


def database_down() -> MoodleError:
    """The site cannot reach its database."""
    return MoodleError("dbconnectionfailed", DATABASE_DOWN, "dml_connection_exception")


def coding_error(reason: str) -> MoodleError:
    """A misuse that Moodle blames on the programmer."""
    message = f"Coding error detected, it must be fixed by a programmer: {reason}"
    return MoodleError("codingerror", message, "coding_exception")


def no_permission(what: str) -> MoodleError:
    """The account lacks a capability at system level."""
    message = f"Sorry, but you do not currently have permissions to do that ({what})."
    return MoodleError("nopermissions", message, "required_capability_exception")


def course_closed() -> MoodleError:
    """The account cannot enter the course."""
    return MoodleError("requireloginerror", "Course or activity not accessible.", "require_login_exception")


def course_context(course_id: int, reason: str = "Course or activity not accessible.") -> MoodleError:
    """The same, for functions that wrap the failure."""
    message = f"You cannot execute functions in the course context (course id:{course_id}). "
    return MoodleError("errorcoursecontextnotvalid", f"{message}The context error message was: {reason}")


def invalid_token() -> MoodleError:
    """Unknown, empty, missing or since deleted token."""
    return MoodleError("invalidtoken", "Invalid token - token not found")
