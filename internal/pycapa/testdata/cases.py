#!/usr/bin/env python3
"""Write cases.json: what Python's own argparse makes of pycapa command lines.

The parser has the options of pycapa as of 2020 and, as spellings of the same
options, those of before April 2017 (--kafka, --topic, --number, --debug). Run it
again after changing the list: python3 cases.py > cases.json
"""
import argparse, contextlib, io, json, shlex

CASES = """
--producer --kafka sandbox:9092 --topic logisland_input_packets_topic -i eth0
--producer --kafka-broker sandbox:9092 --kafka-topic pcap --interface eth0
-p -k sandbox:9092 -t pcap -i eth0
-p -k sandbox:9092 -t pcap -i eth0 -m 10
-pk sandbox:9092 -tpcap -ieth0
-pksandbox:9092 -t=pcap -i=eth0
-c -k b:9092 -t pcap -o begin
-c -k b:9092 -t pcap -o stored -pp 5
-c -k b:9092 -t pcap --kafka-offset=begin --pretty-print=2
-c -k b:9092 -t pcap -pp=7
-c -k b:9092 -t pcap -pp7
-pp 10
-pc
-cp -k x
-cpk x
-l DEBUG
-ll DEBUG
-ll=WARN
-llWARN
--log DEBUG
--k x
--kafka x
--kafka=x
--kafka-b x
--kafka- x
--to x
--t x
--top=x
--int eth0
--inter=eth0
--max 5
--max-packets 5
-m5
-m -5
-m=5
-m x
-n 3
--number 3
--num=3
-d 1
--debug 1
--deb 1
--pretty 4
--pr 4
--pro
--prod
--p
--s 64
--snaplen 64
-s64
-s 64 -s 128
-X a=b
-X a=b -X c=d=e
-Xa=b
-X=a=b
-o nowhere
-o
-i
-k -t
-t pcap extra
extra
--unknown
-z
-p=1
--producer=1
-pz
--
-
-i ""
-k "-x y"
-k -1
--kafka-offset end
--kafka-o begin
--cons -k b
--con
--c
"""

def parser():
    p = argparse.ArgumentParser(prog="pycapa", exit_on_error=True)
    p.add_argument("-p", "--producer", action="store_true", dest="producer")
    p.add_argument("-c", "--consumer", action="store_true", dest="consumer")
    p.add_argument("-k", "--kafka-broker", "--kafka", dest="broker")
    p.add_argument("-t", "--kafka-topic", "--topic", dest="topic")
    p.add_argument("-o", "--kafka-offset", choices=["begin", "end", "stored"], default="end", dest="offset")
    p.add_argument("-i", "--interface", dest="interface")
    p.add_argument("-m", "--max-packets", "-n", "--number", type=int, default=0, dest="max_packets")
    p.add_argument("-pp", "--pretty-print", "-d", "--debug", type=int, default=0, dest="pretty_print")
    p.add_argument("-ll", "--log-level", default="INFO", dest="log_level")
    p.add_argument("-X", action="append", default=[], dest="properties")
    p.add_argument("-s", "--snaplen", type=int, default=65535, dest="snaplen")
    return p

out = []
for line in CASES.strip().splitlines():
    args = shlex.split(line)
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(err):
            got = vars(parser().parse_args(args))
    except SystemExit:
        got = None
    out.append({"args": args, "accepted": got is not None, "options": got})
print(json.dumps(out, indent=1))
