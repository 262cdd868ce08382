#!/usr/bin/env python3
"""Distance without netem: two network namespaces joined by a relay that holds each packet for a while. Needs root and /dev/net/tun.

  delay.py NEAR FAR ONE_WAY_MS       NEAR has 10.231.9.1, FAR 10.231.9.2; says "ready"; ends, and removes both, on SIGTERM

SPDX-License-Identifier: Apache-2.0
"""
import collections
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x1, 0x1000


def ip(*args, check=True):
    subprocess.run(['ip', *args], check=check, stderr=None if check else subprocess.DEVNULL)


def main():
    names, hold = sys.argv[1:3], float(sys.argv[3]) / 1000
    ends = []
    for i, ns in enumerate(names):
        device = 'cct%d' % i
        ip('netns', 'add', ns)
        fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', device.encode(), IFF_TUN | IFF_NO_PI))
        ip('link', 'set', device, 'netns', ns)
        ip('-n', ns, 'addr', 'add', '10.231.9.%d/30' % (i + 1), 'dev', device)
        ip('-n', ns, 'link', 'set', device, 'up', 'txqueuelen', '2000')
        ip('-n', ns, 'link', 'set', 'lo', 'up')
        ends.append(fd)

    def leave(*_):
        for ns in names:
            ip('netns', 'del', ns, check=False)
        os._exit(0)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    print('ready', flush=True)
    # Each packet is held for the same time: one queue, in order.
    queue = collections.deque()
    poll = select.epoll()
    for fd in ends:
        poll.register(fd, select.EPOLLIN)
    while True:
        now = time.monotonic()
        while queue and queue[0][0] <= now:
            _, to, packet = queue.popleft()
            try:
                os.write(to, packet)
            except OSError:
                pass  # its queue is full: lost, as on a wire
        for fd, _ in poll.poll(max(0, queue[0][0] - now) if queue else -1):
            to = ends[1] if fd == ends[0] else ends[0]
            try:
                while True:
                    packet = os.read(fd, 65536)
                    queue.append((time.monotonic() + hold, to, packet))
            except BlockingIOError:
                pass


main()
