"""Sends one job, and prints its answer.

usage: client.py CLIENTS JOB
"""

import sys

import zmq

socket = zmq.Context.instance().socket(zmq.REQ)
socket.connect(sys.argv[1])
socket.send_string(sys.argv[2])
print(socket.recv_string())
