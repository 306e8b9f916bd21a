-- SPDX-License-Identifier: MPL-2.0
--
-- anomaly - tests on circular buffers, as a configuration text asks for them:
--
--   roc("payload", col, win, hwin, sd, loss_of_data, start_of_data)
--       rate of change: the averages of the last two windows of `win` rows differ by more than
--       `sd` standard deviations of the `hwin` rows before them (0: of all); or data stopped, or
--       started
--   mww("payload", col, win, nwin, pvalue, decreasing|increasing|any)
--       Mann-Whitney-Wilcoxon test of the last window against the `nwin` - 1 before it, for
--       normally distributed values: more than a quarter of them differ with less than `pvalue`
--   mww_nonparametric("payload", col, win, nwin, pstat)
--       the same for other distributions: the mean overlap is beyond `pstat`, on that side of 0.5
--
-- A quotation mark in a payload's name is written twice. Rows of the present interval, which is
-- not over, are left out.
require "math"
require "string"
require "table"
local annotation = require "annotation"
local lpeg = require "lpeg"
local Cc, Cg, Cs, Ct, P, R, S = lpeg.Cc, lpeg.Cg, lpeg.Cs, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S

local M = {}

-- ---- configuration ----

local digits = R"09"^1
local blanks = S" \t\n\v\f\r"^0
local function argument(name, pattern) return "," * blanks * Cg(pattern, name) end
local function number(name) return argument(name, digits / tonumber) end
local decimal = digits * ("." * digits)^-1 / tonumber
local truth = P"true" / function() return true end + P"false" / function() return false end

local function call(algorithm, arguments)
    local payload = '"' * Cg(Cs((P'""' / '"' + (1 - P'"'))^1), "payload") * '"'
    return blanks * Ct(P(algorithm .. "(") * payload * number"col" * arguments * ")"
                       * Cg(Cc(algorithm), "algorithm"))
end

local roc_call = call("roc", number"win" * number"hwin" * argument("sd", decimal)
                      * argument("loss_of_data", truth) * argument("start_of_data", truth))
local share = P"0" * ("." * digits)^-1 / tonumber
local nonparametric_call = call("mww_nonparametric",
                                number"win" * number"nwin" * argument("pstat", share))
local mww_call = call("mww", number"win" * number"nwin" * argument("pvalue", decimal)
                      * argument("trend", lpeg.C(P"decreasing" + "increasing" + "any")))
local calls = Ct((roc_call + nonparametric_call + mww_call)^1) * -1

-- A table of arrays of tests by the payload's name; nil for nil. An error when it is no such text.
function M.parse_config(text)
    if not text then return end
    local found = calls:match(text)
    if not found then error("could not parse the anomaly_config") end
    local by_payload = {}
    for _, test in ipairs(found) do
        local tests = by_payload[test.payload] or {}
        by_payload[test.payload], test.payload = tests, nil
        tests[#tests + 1] = test
    end
    return by_payload
end

-- ---- tests: each returns what was found, or nil ----

local function out_of_range(name, test, before, behind)
    error(string.format("%s - algorithm: %s col: %d msg: %sarguments out of range%s", name,
                        test.algorithm, test.col, before or "", behind or ""))
end

-- Calls visit(first, last, other_first, other_last) with the times of the last whole window and
-- of each of the windows before it.
local function each_window(name, buffer, test, visit)
    local rows, _, seconds = buffer:get_configuration()
    if test.win * test.nwin >= rows then out_of_range(name, test) end
    local row = seconds * 1e9
    local window, now = test.win * row, buffer:current_time()
    local first = now - window
    for other = first - window, now - window * test.nwin + 1, -window do
        visit(first, now - row, other, other + window - row)
    end
end

local function mww(name, buffer, test)
    local different = 0
    each_window(name, buffer, test, function(first, last, other_first, other_last)
        local change = buffer:compute("avg", test.col, first, last)
            - buffer:compute("avg", test.col, other_first, other_last)
        if test.trend == "decreasing" and not (change < 0)
            or test.trend == "increasing" and not (change > 0) then
            return
        end
        local _, p = buffer:mannwhitneyu(test.col, first, last, other_first, other_last)
        if p and p < test.pvalue then different = different + 1 end
    end)
    if different <= test.nwin / 4 then return end
    return test.trend == "any" and "detected anomaly"
        or string.format("detected anomaly, %s values", test.trend)
end

local function mww_nonparametric(name, buffer, test)
    local sum = 0
    each_window(name, buffer, test, function(first, last, other_first, other_last)
        local u = buffer:mannwhitneyu(test.col, first, last, other_first, other_last)
        if u then sum = sum + u / (test.win * test.win) - 0.5 end
    end)
    local overlap = sum / (test.nwin - 1) + 0.5
    if test.pstat < 0.5 and overlap < test.pstat or test.pstat > 0.5 and overlap > test.pstat then
        return string.format("detected anomaly, pstat: %G", overlap)
    end
end

local function roc(name, buffer, test)
    local rows, _, seconds = buffer:get_configuration()
    if 3 * test.win >= rows or (test.hwin > 0 and test.hwin < test.win) then
        out_of_range(name, test, string.format("win=%d hwin=%d ", test.win, test.hwin),
                                  string.format(" (rows=%d)", rows))
    end
    local row, now = seconds * 1e9, buffer:current_time()
    local window = row * test.win
    local before = now - 2 * window
    local history = test.hwin ~= 0 and before - test.hwin * row or nil
    local deviation = buffer:compute("sd", test.col, history, before - row)
    local old, old_rows = buffer:compute("avg", test.col, before, before + window - row)
    local new, new_rows = buffer:compute("avg", test.col, now - window, now - row)
    if test.loss_of_data and old_rows > 0 and new_rows == 0 then return "no new data" end
    if test.start_of_data and old_rows == 0 and new_rows > 0 then return "unexpected data" end
    if math.abs(new - old) > deviation * test.sd then
        return string.format("detected anomaly, standard deviation exceeds %G", test.sd)
    end
end

local algorithms = {mww = mww, mww_nonparametric = mww_nonparametric, roc = roc}

-- ---- detection ----

-- A buffer is only looked at when its time has advanced by a row since the last look.
local function is_due(tests, ns, buffer)
    if not tests.interval then
        local _, _, seconds = buffer:get_configuration()
        tests.interval, tests.last_run = seconds * 1e9, 0
    end
    if ns <= tests.last_run or ns - tests.last_run < tests.interval then return false end
    tests.last_run = ns
    return true
end

-- Runs the tests of that payload on its buffer, which is advanced to `ns`. Nothing, or the texts of
-- what was found in lines, and an array of annotations.
function M.detect(ns, name, buffer, config)
    if not buffer:get(ns, 1) then buffer:add(ns, 1, 0 / 0) end
    local tests = config[name]
    if not tests or not is_due(tests, ns, buffer) then return end
    local texts, annotations = {}, {}
    for _, test in ipairs(tests) do
        local text = algorithms[test.algorithm](name, buffer, test)
        if text then
            texts[#texts + 1] = string.format("%s - algorithm: %s col: %d msg: %s", name,
                                              test.algorithm, test.col, text)
            annotations[#annotations + 1] =
                annotation.create(buffer:current_time(), test.col, "A", text)
        end
    end
    if #texts > 0 then return table.concat(texts, "\n"), annotations end
end

return M
