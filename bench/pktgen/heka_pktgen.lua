-- SPDX-License-Identifier: MPL-2.0
--
-- heka_pktgen - what the scripts of this folder share: they send a pcap file of make_traffic.py
-- through pktgen's port, and read Hekaline's books before and after.
--
-- Environment, each optional:
--   HEKA_PORT     pktgen's port that sends ("0")
--   HEKA_RATE     percent of the link (100); rfc2544.lua searches for it
--   HEKA_SECONDS  of sending (10)
--   HEKA_STATUS   command that prints the appliance's books, as "ssh aggregator hekad status -json"
--                 ("hekad status -json")
--   HEKA_LOSS     share of frames that may be missing for a rate to count as without loss (0)
local M = {}

local function setting(name, default)
    local text = os.getenv(name)
    if text == nil or text == "" then return default end
    if type(default) ~= "number" then return text end
    return tonumber(text) or error(name .. " is not a number: " .. text)
end

M.port = setting("HEKA_PORT", "0")
M.rate = setting("HEKA_RATE", 100)
M.seconds = setting("HEKA_SECONDS", 10)
M.loss_max = setting("HEKA_LOSS", 0)
local status_command = setting("HEKA_STATUS", "hekad status -json")

local SETTLE_MS = 2000 -- for what is in rings and sockets, and for counters to be published
local START_MS = 1000

-- ---- the appliance's books ----

-- Numbers of a stage of the ledger, as {["in"] =, ended =, in_flight =, residual =}.
local function stage(text, process, name)
    for row in text:gmatch("{[^{}]*{[^{}]*}[^{}]*}") do
        if row:find('"process": ?"' .. process .. '"')
            and row:find('"stage": ?"' .. name .. '"') then
            local found = {}
            for key, value in row:gmatch('"([%w_]+)": ?(%-?%d+)') do
                found[key] = found[key] or tonumber(value)
            end
            return found
        end
    end
    error("the answer of '" .. status_command .. "' has no stage " .. name)
end

-- What the appliance has received and refused so far.
function M.books()
    local pipe = assert(io.popen(status_command))
    local text = pipe:read("a")
    pipe:close()
    local frame = stage(text, "dataplane", "frame")
    local line = stage(text, "dataplane", "line")
    return {frames = frame["in"], lines = line["in"], residual = frame.residual + line.residual}
end

-- ---- sending ----

-- Sends for some seconds at `rate` percent. What pktgen sent and what the appliance received.
function M.run(rate, seconds)
    local before, first = M.books(), pktgen.portStats(M.port, "port")[tonumber(M.port)]
    pktgen.set(M.port, "rate", rate)
    pktgen.set(M.port, "count", 0)
    pktgen.start(M.port)
    pktgen.sleep(seconds)
    pktgen.stop(M.port)
    pktgen.delay(SETTLE_MS)
    local after, last = M.books(), pktgen.portStats(M.port, "port")[tonumber(M.port)]
    local sent = last.opackets - first.opackets
    local received = after.frames - before.frames
    return {
        rate = rate, seconds = seconds, sent = sent, received = received,
        lines = after.lines - before.lines, residual = after.residual,
        loss = sent > 0 and (sent - received) / sent or 0,
    }
end

function M.print(what, run)
    print(string.format("%s: rate %.3f %%, sent %d, received %d (%.0f/s), lines %d (%.0f/s), "
        .. "loss %.6f, residual %d", what, run.rate, run.sent, run.received,
        run.received / run.seconds, run.lines, run.lines / run.seconds, run.loss, run.residual))
end

-- Switches the port to the pcap file that pktgen was started with.
function M.prepare()
    pktgen.screen("off")
    pktgen.pcap(M.port, "on")
    pktgen.delay(START_MS)
end

-- A whole script: sends one kind of traffic at HEKA_RATE for HEKA_SECONDS.
function M.main(what)
    M.prepare()
    M.print(what, M.run(M.rate, M.seconds))
    pktgen.quit()
end

return M
