"""Runs in a guest: print each `key=value` of the wanted keys that login packets carry."""

import re
import socket
import sys

WANTED = re.compile(rb"(?:%s)=[^\0]*" % b"|".join(word.encode() for word in sys.argv[1:]))

with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
    print("listening", flush=True)
    while True:
        for pair in WANTED.findall(tap.recv(65536)):
            print(pair.decode("ascii", "replace"), flush=True)
