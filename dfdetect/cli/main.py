"""The entry point: runs a command and turns every possible ending into a documented exit code.

Nothing but the standard library is imported before `main` stands guard, so even a broken installation
or Ctrl-C during start-up ends as documented, never in a bare traceback with status 1 (which means
*found a fake*).
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator, Sequence

from dfdetect.cli.stdout import take_all
from dfdetect.errors import DfdetectError, ExitCode
from dfdetect.interrupts import terminated_like_interrupted

PROGRAM = "dfdetect"
COMPLETION_VARIABLE = "_DFDETECT_COMPLETE"
_NO_ROOM = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO") if hasattr(errno, name)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: of this process) and return the exit status."""
    _open_closed_streams()
    take_all()
    _escape_what_streams_lack()
    words = list(sys.argv[1:] if arguments is None else arguments)
    with _waiting_for_readers():
        try:
            code = _guarded(words)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        return int(_flushed(code))


def _open_closed_streams() -> None:
    """Put the null device where the caller closed a standard stream.

    The next file that is opened would else take the number of that stream, and a report would be written into
    it, or a worker lose its connection.  Standard input stays None for Python: asking for it is wrong usage.
    """
    with contextlib.suppress(OSError):  # where there is no null device, all is as it was
        for number in (0, 1, 2):
            try:
                os.fstat(number)
            except OSError:
                opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
                os.set_inheritable(opened, True)
        # Not over the number: by now that may be a file of somebody else.
        if sys.stdout is None:
            sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
        if sys.stderr is None:
            sys.stderr = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115


@contextlib.contextmanager
def _waiting_for_readers() -> Iterator[None]:
    """Let writing wait for a slow reader: a program may have handed down a pipe that does not.

    Afterwards it is as before, for the program has the same pipe.
    """
    with contextlib.ExitStack() as stack:
        for number in (1, 2):
            with contextlib.suppress(OSError, AttributeError):  # the last: Windows before Python 3.12
                if not os.get_blocking(number):
                    os.set_blocking(number, True)
                    stack.callback(_wait_for_none, number)
        yield


def _wait_for_none(number: int) -> None:
    with contextlib.suppress(OSError):  # closed meanwhile
        os.set_blocking(number, False)


def _escape_what_streams_lack() -> None:
    """A character that the encoding of the output lacks is escaped, instead of ending a command."""
    for stream in (sys.stdout, sys.stderr):
        # Replaced by something simpler, closed, or with words of a caller that cannot be written.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _guarded(words: list[str]) -> ExitCode:
    """The one place where an outcome becomes an exit code."""
    try:
        with terminated_like_interrupted():
            return _run(words)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except DfdetectError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:
        if _reader_gone(error):
            # Has had enough (`| head`): not worth a word, but not a complete scan.
            return ExitCode.INTERRUPTED
        if error.errno == errno.ENOENT and not _has_working_directory():
            _say("the working directory does not exist any more; change to one that does")
            return ExitCode.USAGE
        if error.errno not in _NO_ROOM:
            _say_internal(error, debug="--debug" in words)
            return ExitCode.INTERNAL
        _say_no_room(error)
        _flush_or_drop()  # it would be told again
        return ExitCode.USAGE
    except SystemExit as error:
        # Somebody below called sys.exit: only a status that we document may pass.
        return ExitCode(error.code) if error.code in (0, 2, 3, 4, 130) else ExitCode.INTERNAL
    except Exception as error:
        _say_internal(error, debug="--debug" in words)
        return ExitCode.INTERNAL


def _reader_gone(error: Exception) -> bool:
    """Whether nobody reads what is written; Windows calls that an invalid argument, without naming a file."""
    if sys.platform == "win32" and isinstance(error, OSError):
        return error.errno in (errno.EPIPE, errno.EINVAL) and error.filename is None
    return isinstance(error, BrokenPipeError)


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _run(words: list[str]) -> ExitCode:
    import click

    from dfdetect.cli.group import commands

    if instruction := os.environ.get(COMPLETION_VARIABLE):
        return _complete(instruction)
    try:
        # Not `commands.main()`: it ends the process itself, with status 1 in several cases.
        with commands.make_context(PROGRAM, words) as context:
            result = commands.invoke(context)
    except click.exceptions.Exit as end:
        return ExitCode(end.exit_code)
    except click.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        with contextlib.suppress(OSError):  # a standard error that takes nothing
            error.show()
        return ExitCode.USAGE
    return result if isinstance(result, ExitCode) else ExitCode.CLEAN


def _complete(instruction: str) -> ExitCode:
    from click.shell_completion import shell_complete

    from dfdetect.cli.group import commands

    status = shell_complete(commands, {}, PROGRAM, COMPLETION_VARIABLE, instruction)
    return ExitCode.CLEAN if status == 0 else ExitCode.USAGE


def _say(message: str) -> None:
    from dfdetect.names import printable

    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"{PROGRAM}: {printable(message)}\n")


def _say_internal(error: Exception, debug: bool) -> None:
    if debug:
        import traceback

        with contextlib.suppress(OSError):
            traceback.print_exc()
    text = " ".join(str(error).split())[:300]
    hint = "please report it" if debug else "run it again with --debug to see where, and please report it"
    _say(f"internal error: {type(error).__name__}{': ' + text if text else ''}; {hint}")


def _say_no_room(error: OSError) -> None:
    _say(f"the output cannot be written: {error.strerror}; make room and scan again")


def _flushed(code: ExitCode) -> ExitCode:
    """Flush standard output now: at exit Python would complain of a reader that has gone, with status 120."""
    error = _flush_or_drop()
    # Nobody takes an interrupted scan for a whole one; a terminal that was closed takes nothing any more.
    if error is None or code is ExitCode.INTERRUPTED:
        return code
    if _reader_gone(error):
        return ExitCode.INTERRUPTED if code is ExitCode.CLEAN else code
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _say_no_room(error)
        return ExitCode.USAGE
    _say(f"standard output cannot be written: {error}")
    return ExitCode.INTERNAL


def _flush_or_drop() -> OSError | ValueError | None:
    """Flush standard output.  Gives the error if that cannot be done; what it still holds is dropped then."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        return error
    return None


if __name__ == "__main__":
    sys.exit(main())
