"""The command `otel-usage`, and `python -m otel_usage`.

The base install carries the instrumentation only. There the command says what to install.
"""

import sys


def main() -> None:
    """Run the command line; exit with one sentence if what it needs is not installed."""
    try:
        from otel_usage.cli import main as cli  # noqa: PLC0415 (what may be missing is this import)
    except ModuleNotFoundError as missing:
        if not missing.name or missing.name.partition(".")[0] == "otel_usage":
            raise
        sys.exit(
            f"otel-usage: this command needs the server, and {missing.name} is not installed. "
            "Install it with: pip install 'otel-usage[all]' "
            "(or 'otel-usage[server]' if you have a ClickHouse server)."
        )
    cli(prog_name="otel-usage")


if __name__ == "__main__":
    main()
