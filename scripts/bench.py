"""Shared by the benchmarks: builds our programs, and runs programs that answer a line on stdin with a line of JSON."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def built(*what):
    """Builds a program with cargo and returns its path."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", *what]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    messages = (json.loads(line) for line in output.splitlines())
    return [message["executable"] for message in messages if message.get("executable")][-1]


class Program:
    """A program that runs one block of work for each line on its stdin."""

    def __init__(self, *command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def block(self, line):
        """Runs one block and returns the program's answer."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {self.process.args[0]} ended early; its reason is above")
        return json.loads(answer)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
