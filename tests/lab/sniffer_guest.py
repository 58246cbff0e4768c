"""Runs in a guest: print each `key=value` of the wanted keys that packets carry, and each ESP."""

import re
import socket
import sys

WANTED = re.compile(rb"(?:%s)=[^\0]*" % b"|".join(word.encode() for word in sys.argv[1:]))
# An Ethernet frame: its type is IPv4 (RFC 894), and the protocol of that is ESP (RFC 4303).
IPV4, ESP = b"\x08\x00", 50

with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
    print("listening", flush=True)
    while True:
        frame = tap.recv(65536)
        if frame[12:14] == IPV4 and frame[23] == ESP:
            print("ESP", flush=True)
        for pair in WANTED.findall(frame):
            print(pair.decode("ascii", "replace"), flush=True)
