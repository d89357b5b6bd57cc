"""What the benchmarks share: programs of ours as built, and programs that take turns, a line asked and a JSON line answered."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def built(*what):
    """Builds a program and gives its path, as cargo tells it."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", *what]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    messages = (json.loads(line) for line in output.splitlines())
    return [message["executable"] for message in messages if message.get("executable")][-1]


class Program:
    """A program that runs one block for each line it is sent."""

    def __init__(self, *command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def block(self, line):
        """Lets it run one block; gives its answer."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {self.process.args[0]} ended early; its reason is above")
        return json.loads(answer)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
