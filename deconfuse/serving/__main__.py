"""Serve the champion on this machine: `python -m deconfuse.serving [--model NAME] [--port 5001]` (make serve)."""

import argparse

from deconfuse.kernel.errors import command
from deconfuse.serving.fetching import fetch, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deconfuse.serving", description="Serve a trained model on http://127.0.0.1.")
    parser.add_argument("--model", help="one of `models:` in params.yaml; default: the registry's champion")
    parser.add_argument("--port", type=int, default=5001, help="default: 5001")
    arguments = parser.parse_args()
    folder = fetch(arguments.model)
    run("deconfuse.serving.app", str(folder), "--port", str(arguments.port))


if __name__ == "__main__":
    command(main)
