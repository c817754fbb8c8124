#!/usr/bin/env python3
"""Print one JSON line per packet of a capture file: the header fields of the
OUTERMOST IP layer and of the TCP or UDP header that directly follows it, as
tshark 4.0 reads them. See testdata/README.md.

usage: fields.py FILE.pcap [> FILE.jsonl]
exit status: 0 the file was read to its end; 2 no capture file, or tshark
stopped with an error (cut short, damaged, unknown link type): the lines before
it are printed still, and tshark's own words are on standard error.
"""
import gzip, json, os, subprocess, sys, tempfile

# Protocols left enabled. All others are switched off through a private
# "disabled_protos" file, so that no application dissector, no tunnel and no
# heuristic can add a second IP, TCP or UDP layer or fail on a payload.
# ip-in-ip still nests, because "ip" itself must stay on.
KEEP = set("""frame eth ethertype vlan ieee8021ad llc mpls pppoes ppp chdlc sll
null raw loop pflog enc ipnet ip ipv6 ipv6.dstopts ipv6.fraghdr ipv6.hopopts
ipv6.routing ipv6.routing.type.mipv6 ipv6.routing.type.srh
ipv6.routing.type.rt0 ipv6.routing.type.crh ah tcp udp udplite data
_ws.malformed _ws.short _ws.unreassembled _ws.expert _ws.string
_ws.type_length _ws.number_string.decoding_error _ws.ftypes""".split())

PREFS = ["ip.defragment:FALSE", "ipv6.defragment:FALSE",
         "tcp.desegment_tcp_streams:FALSE", "tcp.reassemble_out_of_order:FALSE",
         "tcp.relative_sequence_numbers:FALSE",
         "tcp.analyze_sequence_numbers:FALSE",
         "tcp.calculate_timestamps:FALSE", "udp.calculate_timestamps:FALSE",
         "tcp.try_heuristic_first:FALSE", "udp.try_heuristic_first:FALSE",
         "ip.check_checksum:FALSE", "tcp.check_checksum:FALSE",
         "udp.check_checksum:FALSE", "ip.decode_tos_as_diffserv:TRUE",
         # with these off tshark gives up on a total/payload length of 0
         "ip.tso_support:TRUE", "ipv6.tso_support:TRUE"]

FIELDS = """frame.number frame.time_epoch frame.len frame.cap_len
frame.encap_type frame.protocols eth.src eth.dst vlan.id vlan.priority
ieee8021ad.id ieee8021ad.priority
ip.version ip.hdr_len ip.dsfield ip.len ip.id ip.flags ip.frag_offset ip.ttl
ip.proto ip.checksum ip.src ip.dst
ipv6.version ipv6.tclass ipv6.flow ipv6.plen ipv6.nxt ipv6.hlim ipv6.src
ipv6.dst ipv6.hopopts.nxt ipv6.routing.nxt ipv6.routing.type ipv6.fraghdr.nxt
ipv6.fraghdr.offset ipv6.fraghdr.more ipv6.fraghdr.ident ipv6.dstopts.nxt
ah.next_header
tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.hdr_len tcp.flags
tcp.window_size_value tcp.checksum tcp.urgent_pointer tcp.options
udp.srcport udp.dstport udp.length udp.checksum
_ws.malformed _ws.short""".split()

MAGICS = {bytes.fromhex(x) for x in (  # pcap us, pcap ns, modified pcap, pcapng
    "a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1",
    "0a0d0d0a")}

SEP, AGG = "\t", ";"
RAW_FILTER = "ip.hdr_len > 20 or ip[2:2] == 00:00 or ipv6[4:2] == 00:00"


def config_dir():
    d = tempfile.mkdtemp(prefix="oracle-")
    out = subprocess.run(["tshark", "-G", "protocols"], capture_output=True,
                         text=True, env=dict(os.environ, WIRESHARK_CONFIG_DIR=d))
    names = [l.split("\t")[2] for l in out.stdout.splitlines() if l.count("\t") >= 2]
    with open(os.path.join(d, "disabled_protos"), "w") as f:
        f.writelines(n + "\n" for n in names if n not in KEEP)
    return d


def tshark(cfg, path, extra):
    cmd = ["tshark", "-n", "-r", path] + [x for p in PREFS for x in ("-o", p)] + extra
    return subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, errors="replace",
                            env=dict(os.environ, WIRESHARK_CONFIG_DIR=cfg, TZ="UTC"))


def num(s):
    """tshark prints numbers in decimal or 0x..., booleans as 0/1 or True/False."""
    if s is None or s == "":
        return None
    if s in ("True", "False"):
        return int(s == "True")
    return int(s, 16) if s.startswith("0x") else int(s)


def first_pairs(pairs):
    """JSON objects with repeated keys: keep the first, the outermost."""
    d = {}
    for k, v in pairs:
        d.setdefault(k, v)
    return d


def raw_headers(cfg, path):
    """frame number -> (hex of first ip header, hex of first ipv6 header) for
    the frames whose options or zero length -T fields cannot print."""
    p = tshark(cfg, path, ["-Y", RAW_FILTER, "-T", "json", "-x",
                          "-J", "frame ip ipv6"])
    out, _ = p.communicate()
    res = {}
    if not out.strip():
        return res
    for pkt in json.loads(out, object_pairs_hook=first_pairs):
        lay = pkt["_source"]["layers"]
        res[int(lay["frame"]["frame.number"])] = tuple(lay[k][0] if k in lay else None for k in ("ip_raw", "ipv6_raw"))
    return res


def ns(epoch):
    """A sub-second field of one second or more (damaged files) comes out of
    tshark with ten digits: it is a count of nanoseconds all the same."""
    neg = epoch.startswith("-")
    s, _, f = epoch.lstrip("-").partition(".")
    v = int(s or 0) * 10**9 + int(f if len(f) > 9 else (f + "0" * 9)[:9])
    return -v if neg else v


def is_capture(path):
    """tshark opens many kinds of file (a JPEG is one 'packet' to it)."""
    with open(path, "rb") as f:
        m = f.read(4)
    if m[:2] == b"\x1f\x8b":
        with gzip.open(path, "rb") as f:
            m = f.read(4)
    return m in MAGICS


def record(v, raw):
    g = lambda k: v[k].split(AGG) if v[k] != "" else []
    f = lambda k: next((x for x in g(k)[:1] if x != "<MISSING>"), None)
    n = lambda k: num(f(k))
    lay = v["frame.protocols"].split(":")
    ip_at = next((i for i, l in enumerate(lay) if l in ("ip", "ipv6")), None)
    l2 = lay if ip_at is None else lay[:ip_at]
    r = {"n": None, "t_ns": ns(v["frame.time_epoch"]) if v["frame.time_epoch"] else None,
         "len": n("frame.len"), "caplen": n("frame.cap_len"),
         "encap": n("frame.encap_type"), "layers": v["frame.protocols"],
         "eth_src": f("eth.src") if "eth" in l2 else None,
         "eth_dst": f("eth.dst") if "eth" in l2 else None,
         "vlan": [], "ip": None, "ip6": None, "l4": None, "tcp": None, "udp": None,
         "partial": [], "malformed": v["_ws.malformed"] or None,
         "short": v["_ws.short"] or None}
    q = {k: list(zip(g(k + ".id"), g(k + ".priority"))) for k in ("vlan", "ieee8021ad")}
    for l in l2:
        if l in q and q[l]:
            i, p = q[l].pop(0)
            r["vlan"].append({"id": num(i), "pcp": num(p), "tag": l})
    bad = r["malformed"] or r["short"]
    if ip_at is None:
        if lay == ["eth"] and bad:  # not even 14 bytes
            r["partial"].append("eth")
        return r
    ip_hex, ip6_hex = raw or (None, None)
    rest = lay[ip_at + 1:]
    if lay[ip_at] == "ip":
        fo, tl, hl = n("ip.frag_offset"), n("ip.len"), n("ip.hdr_len")
        if ip_hex and len(ip_hex) >= 8:
            tl = int(ip_hex[4:8], 16)
        r["ip"] = {"version": n("ip.version"), "ihl_bytes": hl,
                   "tos": n("ip.dsfield"), "total_len": tl, "id": n("ip.id"),
                   "flags": n("ip.flags"),
                   "frag_off_8": fo,
                   "ttl": n("ip.ttl"), "proto": n("ip.proto"),
                   "checksum": n("ip.checksum"), "src": f("ip.src"),
                   # with a source route tshark's ip.dst is the route's last hop
                   "dst": ".".join(str(b) for b in bytes.fromhex(ip_hex[32:40]))
                   if ip_hex and len(ip_hex) >= 40 else f("ip.dst"),
                   "options": ip_hex[40:2 * hl] if ip_hex and hl and hl > 20 else ""}
        # a later fragment carries no transport header
        l4 = rest[0] if rest and not fo else None
    else:
        pl = n("ipv6.plen")
        if ip6_hex and len(ip6_hex) >= 12:
            pl = int(ip6_hex[8:12], 16)
        ext = []
        while rest and (rest[0].startswith("ipv6.") or rest[0] == "ah"):
            if not rest[0].startswith("ipv6.routing.type"):
                ext.append(rest[0].replace("ipv6.", ""))
            rest = rest[1:]
        r["ip6"] = {"version": n("ipv6.version"), "tclass": n("ipv6.tclass"),
                    "flow": n("ipv6.flow"), "payload_len": pl,
                    "next": n("ipv6.nxt"), "hop_limit": n("ipv6.hlim"),
                    "src": f("ipv6.src"), "dst": f("ipv6.dst"), "ext": ext}
        last = {"hopopts": "ipv6.hopopts.nxt", "routing": "ipv6.routing.nxt",
                "fraghdr": "ipv6.fraghdr.nxt", "dstopts": "ipv6.dstopts.nxt",
                "ah": "ah.next_header"}
        proto = n("ipv6.nxt")
        for e in ext:  # the last header of its kind on the path names the next
            k = g(last[e])
            same = [x for x in ext if x == e]
            proto = num(k[len(same) - 1]) if len(k) >= len(same) else proto
        r["ip6"]["proto"] = proto
        fo = 0
        if "fraghdr" in ext:
            fo = n("ipv6.fraghdr.offset")
            r["ip6"].update(frag_off_8=fo, frag_more=n("ipv6.fraghdr.more"),
                            frag_id=n("ipv6.fraghdr.ident"))
        l4 = rest[0] if rest and not fo else None
    r["l4"] = l4
    def seen(layer, opt=None, need=0):
        d = r[layer]
        if None in d.values() or (opt and len(d[opt]) != 2 * need):
            r["partial"].append(layer)

    if r["ip"]:
        seen("ip", "options", max(0, (r["ip"]["ihl_bytes"] or 0) - 20))
    else:
        seen("ip6")
    if l4 == "tcp":
        hl = n("tcp.hdr_len")
        r["tcp"] = {"sport": n("tcp.srcport"), "dport": n("tcp.dstport"),
                    "seq": n("tcp.seq_raw"), "ack": n("tcp.ack_raw"),
                    "doff_bytes": hl, "flags": n("tcp.flags"),
                    "window": n("tcp.window_size_value"),
                    "checksum": n("tcp.checksum"),
                    "urgent": n("tcp.urgent_pointer"),
                    "options": (f("tcp.options") or "").replace(":", "") if hl and hl > 20 else ""}
        seen("tcp", "options", max(0, (hl or 0) - 20))
    elif l4 == "udp":
        r["udp"] = {"sport": n("udp.srcport"), "dport": n("udp.dstport"),
                    "length": n("udp.length"), "checksum": n("udp.checksum")}
        seen("udp")
    # an extension header that is cut or lies about its length
    if r["ip6"] and r["ip6"]["ext"] and l4 is None and not fo and bad:
        r["partial"].append("ip6")
    # TCP or UDP is announced, but tshark found no byte of it (or gave up in
    # the IP options before it)
    want = {6: "tcp", 17: "udp"}.get((r["ip"] or r["ip6"])["proto"])
    if want and not fo and l4 != want and not r["partial"]:
        r["partial"].append(want)
    return r


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = sys.argv[1]
    if not is_capture(path):
        print("not a pcap or pcapng file", file=sys.stderr)
        sys.exit(2)
    cfg, count = config_dir(), 0
    try:
        raw = raw_headers(cfg, path)
        extra = ["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=" + AGG,
                 "-E", "separator=/t", "-E", "quote=n"]
        for fl in FIELDS:
            extra += ["-e", fl]
        p = tshark(cfg, path, extra)
        for line in p.stdout:
            vals = line.rstrip("\n").split(SEP)
            v = dict(zip(FIELDS, vals + [""] * (len(FIELDS) - len(vals))))
            if v["frame.encap_type"] == "":
                continue  # a pcapng block that tshark numbers, but no packet
            count += 1
            rec = record(v, raw.get(num(v["frame.number"])))
            rec["n"] = count
            print(json.dumps(rec, separators=(",", ":")))
        err = [l for l in p.stderr.read().splitlines()
               if l.strip() and not l.startswith("Running as user")]
        rc = p.wait()
        for l in err:
            print(l, file=sys.stderr)
        if rc or err:
            sys.exit(2)
    finally:
        for fn in os.listdir(cfg):
            os.unlink(os.path.join(cfg, fn))
        os.rmdir(cfg)


if __name__ == "__main__":
    main()
