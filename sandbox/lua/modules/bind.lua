-- SPDX-License-Identifier: MPL-2.0
--
-- bind - LPeg grammar of a line of BIND's query log, as
--   27-May-2015 21:06:49.246 queries: info: client 10.0.1.70#41242 (a.example.com): query:
--   a.example.com IN A +E (10.0.1.71)
local lpeg = require "lpeg"
local dt = require "date_time"
local ip = require "ip_address"
local Cc, Cg, Ct, P, R, S = lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S

local M = {}

local blank = S" \t\n\v\f\r"
local address = Ct(Cg(ip.v4, "value") * Cg(Cc"ipv4", "representation"))

-- Longer names stand before those that they begin with.
local types = {"AAAA", "AFSDB", "APL", "AXFR", "A", "CAA", "CDNSKEY", "CDS", "CERT", "CNAME",
    "DHCID", "DLV", "DNAME", "DNSKEY", "DS", "HIP", "IPSECKEY", "IXFR", "KEY", "KX", "LOC", "MX",
    "NAPTR", "NSEC3PARAM", "NSEC3", "NSEC", "NS", "OPT", "PTR", "RRSIG", "RP", "SIG", "SOA", "SRV",
    "SSHFP", "TA", "TKEY", "TLSA", "TSIG", "TXT", "*"}

local function one_of(names)
    local pattern = P(false)
    for _, name in ipairs(names) do pattern = pattern + P(name) end
    return pattern
end

M.dns_record_type = Cg(one_of(types), "RecordType")
M.dns_record_class = Cg(one_of{"IN", "CH", "HS"}, "RecordClass")

local flags = {
    ["+"] = "recursion requested",
    ["-"] = "recursion not requested",
    E = "EDNS used",
    S = "query signed",
    D = "DNSSEC data wanted",
    C = "no DNSSEC validation check",
    T = "TCP used",
}
M.query_flags = Cg(Ct((S"+-EDCST" / flags)^1), "QueryFlags")

-- The name that is asked for: its first label, and the rest, which may be missing.
local label = (R("az", "AZ", "09") + S"-_")^1
local full = Cg((label * ".")^1 * label, "FullQuery")
local query = Cg(label^0, "QueryName") * P"."^0 * Cg((label * ".")^0 * label, "QueryDomain")^0

local time = Cg(dt.build_strftime_grammar("%d-%b-%Y %H:%M:%S") / dt.time_to_ns, "Timestamp")
local client = Cg(address, "ClientIP") * "#" * Cg(R"09"^-5, "ClientEphemeralPort")
local server = "(" * Cg(address, "ServerRespondingIP") * ")"

M.query_log_grammar = time * "." * P(3) * blank * "queries:" * blank * "info:" * blank * "client"
    * blank * client * blank * "(" * full * "):" * blank * "query:" * blank * query * blank
    * M.dns_record_class * blank * M.dns_record_type * blank * M.query_flags * blank * server

return M
