"""A running box on the loopback address, for scripts that play face-offs with it or put load on it."""

import http.client
import json
import pathlib
import re
import ssl
import subprocess
import sys
import threading
import time


class Box:
    """A running box with a name, its own folder in `work`, and the access data for a referee.

    Without a bundle it runs the model that is selected in its state folder, and takes others.
    """

    def __init__(self, work, name, program, bundle, *arguments):
        self.state = work / name
        self.state.mkdir(exist_ok=True)
        config = work / f"{name}.toml"
        config.write_text(f'state = "{self.state}"\nlights = "none"\nscreen = -1\n[network]\nname = "{name}"\nannounce = false\n')
        access = json.loads(subprocess.check_output([*program, "token", "--state", self.state, "new", "referee"]))
        command = [*program, "serve", "--config", config, "--listen", "127.0.0.1:0", *arguments]
        command += ["--bundle", bundle] if bundle else []
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if match := re.search(rb"listening on https://(\S+);", line):
                self.address = match[1].decode()
                break
        else:
            sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {name} does not listen")
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
        self.token = access["token"]
        entry = {"name": name, "address": self.address, "fingerprint": access["fingerprint"], "token": self.token}
        self.entry = "[[box]]\n" + "".join(f'{key} = "{value}"\n' for key, value in entry.items())

    def film(self, frames, each, period):
        """Sends frames to stdin until the box ends: one every `period` seconds, a new picture every `each` seconds."""

        def show():
            try:
                while True:
                    self.process.stdin.write(frames[int(time.monotonic() / each) % len(frames)])
                    self.process.stdin.flush()
                    time.sleep(period)
            except OSError:
                return

        threading.Thread(target=show, daemon=True).start()

    def line(self):
        """A connection to it. The certificate is self-signed: the referee pins it, a script does not check it."""
        return http.client.HTTPSConnection(self.address, context=ssl._create_unverified_context())

    def frame_ms(self, wait):
        """Mean time for a camera frame (ms) while `wait` ran."""

        def status():
            line = self.line()
            line.request("GET", "/v1/status", headers={"Authorization": f"Bearer {self.token}"})
            answer = json.loads(line.getresponse().read())
            return answer["frames"], answer["frames"] * answer["frame_ms"]

        frames, spent = status()
        wait()
        more, later = status()
        return (later - spent) / (more - frames)

    def end(self):
        self.process.kill()
        self.process.wait()
