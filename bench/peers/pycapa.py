"""Metron's pycapa in thirty lines: libpcap to Kafka, one record a packet, the
frame as value, big-endian microseconds as key. The protocol with its parent is
that of package peers."""
import signal, struct, sys, time

import confluent_kafka, pcapy

interface, brokers, topic = sys.argv[1:4]
going, acked, failed, dropped = True, 0, 0, 0


def stop(*_):
    global going
    going = False


def settled(err, _):
    global acked, failed
    if err is None:
        acked += 1
    else:
        failed += 1


def send(header, frame):
    global dropped
    seconds, micros = header.getts()
    try:
        producer.produce(topic, key=struct.pack(">Q", seconds * 1000000 + micros), value=frame, on_delivery=settled)
    except BufferError:
        dropped += 1
        producer.poll(0)


signal.signal(signal.SIGTERM, stop)
producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "queue.buffering.max.messages": 100000})
reader = pcapy.open_live(interface, 65535, 1, 100)
reader.setnonblock(1)  # else no signal is seen while no packet comes
print('{"ready":true}', flush=True)
while going:
    if not reader.dispatch(-1, send):  # until the buffer is empty
        time.sleep(0.001)
    producer.poll(0)
producer.flush()
print('{"packets":%d,"dropped":%d}' % (acked, failed + dropped + reader.stats()[1]), flush=True)
while True:
    time.sleep(60)
