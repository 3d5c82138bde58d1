"""The print command of ippeveprinter: tells the simulator of the job and passes its lines on.

    python3 -I -S engine.py SOCKET FILE

Sent: one JSON line with the file, its type and every IPP_* attribute. Received: lines for
ippeveprinter's standard error (STATE: ATTR: …), then "EXIT code". No more lines: exit 1.
"""

import json
import os
import socket
import sys


def main() -> int:
    _, path, file = sys.argv
    ticket = {name: value for name, value in os.environ.items() if name.startswith("IPP_")}
    with socket.socket(socket.AF_UNIX) as brain:
        brain.connect(path)
        brain.sendall(json.dumps({"file": file, "attributes": ticket}).encode() + b"\n")
        for line in brain.makefile("r", encoding="ascii"):
            if line.startswith("EXIT "):
                return int(line.split()[1])
            sys.stderr.write(line)
            sys.stderr.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main())
