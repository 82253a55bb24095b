"""An S3 server on a free loopback port, for one test; it ends when its stdin does.

Prints its port. Then one command a line, each answered by a line:
  bucket NAME              makes a bucket
  await BUCKET KEY         answers when the object is there
  age BUCKET KEY SECONDS   makes an object look so much older
"""

import logging
import sys
import threading
import time
from datetime import timedelta

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)

# S3 decides a put's condition and puts in one step; moto looks and then puts, and lets two at once both win.
put_object, one_put_at_a_time = S3Response.put_object, threading.Lock()


def put_object_atomically(self):
    with one_put_at_a_time:
        return put_object(self)


S3Response.put_object = put_object_atomically

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)

backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
for line in sys.stdin:
    command, *words = line.split()
    if command == "bucket":
        backend.create_bucket(words[0], "us-east-1")
    elif command == "await":
        while words[1] not in backend.buckets[words[0]].keys:
            time.sleep(0.001)
    elif command == "age":
        bucket, key, seconds = words
        backend.get_object(bucket, key).last_modified -= timedelta(seconds=int(seconds))
    else:
        sys.exit(f"no command {command}")
    print("done", flush=True)
server.stop()
