# SPDX-License-Identifier: MPL-2.0
"""Decoders with a library of their own: PayloadXmlDecoder and GeoIpDecoder, in hekad and behind
the data plane."""
import json
import os
import socket

import heka
from heka_encode import frame, message
from heka_wire import frames
from mmdb import database

FILE = """
[file]
type = "FileOutput"
message_matcher = "Logger != 'nobody'"
path = "{dir}/messages.heka"
encoder = "ProtobufEncoder"
flush_interval = 50
"""

# [option PayloadXmlDecoder.xpath_map] [option PayloadXmlDecoder.severity_map]
# [option PayloadXmlDecoder.message_fields] [option PayloadXmlDecoder.timestamp_layout]
# [option PayloadXmlDecoder.timestamp_location] [option inputs.send_decode_failures]
XML = """
[xml]
type = "PayloadXmlDecoder"
timestamp_layout = "02.01.2006 15:04:05"
timestamp_location = "Europe/Berlin"
[xml.xpath_map]
Timestamp = "/log/@when"
Severity = "//level"
Host = "/log/host/name"
Items = "count(//item)"
Second = "//item[2]"
Nothing = "//nobody"
[xml.severity_map]
error = 3
[xml.message_fields]
Type = "xml"
Hostname = "%Host%"
Items|count = "%Items%"
Second = "<%Second%>"
Nothing = "%Nothing% and %Unknown%"

[app]
type = "UdpInput"
address = "ADDRESS"
decoder = "xml"
send_decode_failures = true
"""

DOCUMENT = """<?xml version="1.0"?>
<log xmlns="urn:x" when="24.12.2023 18:00:00"><host><name>web &amp; 1</name></host>
<level>error</level><item>a</item><item>b<sub>c</sub></item></log>"""
BOMB = """<!DOCTYPE log [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<log><host><name>&b;</name></host></log>"""
FILE_READER = """<!DOCTYPE log [<!ENTITY a SYSTEM "file:///etc/passwd">]><log>&a;</log>"""

PLACE = {"continent": {"code": "EU"},
         "country": {"iso_code": "DE", "names": {"de": "Deutschland", "en": "Germany"}},
         "subdivisions": [{"iso_code": "BE"}],
         "city": {"names": {"en": "Berlin \"Mitte\""}}, "postal": {"code": "10115"},
         "location": {"latitude": 52.5196, "longitude": 13.4069}}


def fields(decoded):
    return {name: values[0] for name, values in decoded.get("Fields", [])}


def messages(lab, count, *names):
    def read():
        path = lab.path(*names)
        with open(path, "rb") if os.path.exists(path) else open(os.devnull, "rb") as file:
            found = frames(file.read())[0]
        return found if len(found) >= count else None
    return heka.wait_for(f"{count} messages", read, 30)


def check_xml(found):
    first = next(row for row in found if row["Type"] == "xml" and row["Payload"] == DOCUMENT)
    assert first["Timestamp"] == 1703437200 * 10**9
    assert first["Severity"] == 3 and first["Hostname"] == "web & 1"
    assert fields(first) == {"Items": "2", "Second": "<bc>", "Nothing": "<Nothing> and <Unknown>"}
    plain = next(row for row in found if row["Payload"] == "<log/>")
    assert plain["Hostname"] == "<Host>" and plain["Severity"] == 7
    errors = {row["Payload"]: fields(row)["decode_error"] for row in found
              if "decode_failure" in fields(row)}
    assert set(errors) == {"no xml", "<log>", BOMB, FILE_READER}
    assert errors["no xml"].startswith("The payload is no XML: ")
    assert errors[BOMB] == errors[FILE_READER] == "The payload has entities of its own"


def test_xml(lab):
    port = heka.free_port()
    agent = lab.agent("agent", XML.replace("ADDRESS", f"127.0.0.1:{port}") + FILE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for text in (DOCUMENT, "<log/>", "no xml", "<log>", BOMB, FILE_READER):
            sender.sendto(text.encode(), ("127.0.0.1", port))
    check_xml(messages(lab, 6, "agent", "messages.heka"))
    agent.settle()
    agent.stop()


@heka.needs_namespaces
def test_xml_behind_the_data_plane(lab):
    """The data plane has no such decoder: hekad decodes what it passes on."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, XML.replace("ADDRESS", "192.0.2.1:5514") + FILE)
    payloads = [text.encode() for text in (DOCUMENT, "<log/>", "no xml", "<log>", BOMB,
                                           FILE_READER)]
    heka.send(wire.udp(port=5514), payloads, appliance, "datagrams_text")
    check_xml(messages(lab, 6, "messages.heka"))
    appliance.settle()
    appliance.stop()


def test_geo(lab):
    """[option GeoIpDecoder.db_file] [option GeoIpDecoder.source_ip_field]
    [option GeoIpDecoder.target_field]"""
    port, path = heka.free_port(socket.SOCK_STREAM), lab.path("city.mmdb")
    with open(path, "wb") as file:
        file.write(database({"192.0.2.0/24": PLACE, "198.51.100.7/32": {"country": {
            "iso_code": "US"}}}))
    agent = lab.agent("agent", f"""
[app]
type = "TcpInput"
address = "127.0.0.1:{port}"
decoder = "both"
[both]
type = "MultiDecoder"
subs = ["ProtobufDecoder", "geo"]
cascade_strategy = "all"
[geo]
type = "GeoIpDecoder"
db_file = "{path}"
source_ip_field = "remote"
target_field = "where"
""" + FILE)
    sent = ["192.0.2.77", "198.51.100.7", "203.0.113.1", "2001:db8::1", "localhost", 5]
    with socket.create_connection(("127.0.0.1", port)) as sender:
        for number, address in enumerate(sent):
            sender.sendall(frame(message({"remote": address}, type="log", logger="x",
                                         payload=str(number))))
        sender.sendall(frame(message(type="log", logger="x", payload="6")))
    found = sorted(messages(lab, 7, "agent", "messages.heka"), key=lambda row: row["Payload"])
    where = [fields(row).get("where") for row in found]
    assert where[2:] == [None] * 5
    assert where[0].decode() == (
        '{"latitude":52.51959991455078,"longitude":13.40690040588379,'
        '"location":[13.40690040588379,52.51959991455078],'
        '"coordinates":["13.40690040588379","52.51959991455078"],"countrycode":"DE",'
        '"countrycode3":"DEU","countryname":"Germany","region":"BE",'
        '"city":"Berlin \\"Mitte\\"","postalcode":"10115","areacode":0,"charset":1,'
        '"continentcode":"EU"}')
    assert json.loads(where[1])["countrycode3"] == "USA"
    assert json.loads(where[1])["latitude"] == 0
    agent.settle()
    agent.stop()


def test_refused(lab):
    with open(lab.path("text.mmdb"), "w", encoding="utf-8") as file:
        file.write("no database")
    for options, text in [
            ('type = "PayloadXmlDecoder"\n[d.xpath_map]\na = "//["', "no XPath expression"),
            ('type = "PayloadXmlDecoder"\n[d.xpath_map]\na = 5', "is no text"),
            (f'type = "GeoIpDecoder"\nsource_ip_field = "ip"\ndb_file = "{lab.path("none")}"',
             "Could not open GeoIP database"),
            (f'type = "GeoIpDecoder"\nsource_ip_field = "ip"\ndb_file = "{lab.path("text.mmdb")}"',
             "Could not open GeoIP database"),
            ('type = "GeoIpDecoder"\nsource_ip_field = ""',
             "`source_ip_field` must be specified")]:
        with open(lab.path("bad.toml"), "w", encoding="utf-8") as file:
            file.write(f'[d]\n{options}\n[UdpInput]\naddress = "127.0.0.1:0"\ndecoder = "d"\n')
        done = lab.process("check", [heka.HEKAD, "-config", lab.path("bad.toml"), "-check"])
        assert done.wait() == 1
        assert text in done.output("err") + done.output(), done.logs()
