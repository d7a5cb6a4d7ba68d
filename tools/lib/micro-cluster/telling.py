"""How micro-cluster and kube-lab say what they do, and how they end."""
import signal
import sys
import time

from layout import Failure, Gone


class Progress:
    """Plain lines on stderr with the time since the start."""

    def __init__(self, quiet):
        self.quiet, self.begin = quiet, time.monotonic()

    @property
    def elapsed(self):
        return time.monotonic() - self.begin

    def __call__(self, text):
        if not self.quiet:
            print(f"{self.elapsed:6.2f} s  {text}", file=sys.stderr, flush=True)


def _interrupted(signum, _frame):
    raise Failure(f"ended by {signal.Signals(signum).name}", 128 + signum)


def guarded(program, what, run):
    """Runs it with the words of the command line, and tells how it failed; the exit status."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupted)
    try:
        return run(sys.argv[1:])
    except Failure as e:
        print(f"{program}: {e}", file=sys.stderr)
        if e.detail:
            print(e.detail, file=sys.stderr)
        return e.code
    except Gone:
        print(f"{program}: cannot work on the {what}: it was taken down just now; run `{program} up`", file=sys.stderr)
        return 3
    except BrokenPipeError:
        return 1
