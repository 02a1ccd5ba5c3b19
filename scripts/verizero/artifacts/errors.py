"""A user's mistake is one sentence on standard error and exit code 2; ours is a stack trace."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend. The message says what is wrong, where, and what would be right."""


def main_program(main: Callable[[], int | None]) -> Callable[[], None]:
    """Turn a stage's `main` into a command: a `UserError` becomes its sentence and exit code 2."""

    @functools.wraps(main)
    def command() -> None:
        try:
            code = main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except BrokenPipeError:
            sys.exit(141)
        sys.exit(code or 0)

    return command
