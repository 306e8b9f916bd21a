/* SPDX-License-Identifier: MPL-2.0
 *
 * sbmgrload_main.c - heka-sbmgrload: loads many counting filters into a running hekad, or unloads
 *                    them, to see what it bears.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/tools/sbmgr.h"
#include "control/tools/tool_option.h"

enum { FILTERS_MAX = 100000, NAME_SIZE = 64, TOML_SIZE = 512 };

/* Says each second how many messages it got, and after ten of these what they were like. */
static const char script[] =
    "require \"math\"\n"
    "require \"string\"\n"
    "\n"
    "total = 0\n"
    "shown = 0\n"
    "shown_ns = 0\n"
    "rates = {}\n"
    "\n"
    "function process_message()\n"
    "    total = total + 1\n"
    "    return 0\n"
    "end\n"
    "\n"
    "local function summarize()\n"
    "    local low, high, sum = math.huge, 0, 0\n"
    "    for _, rate in ipairs(rates) do\n"
    "        low, high, sum = math.min(low, rate), math.max(high, rate), sum + rate\n"
    "    end\n"
    "    inject_payload(\"txt\", \"summary\", string.format(\n"
    "        \"AGG Sum. Min: %0.2f Max: %0.2f Mean: %0.2f\", low, high, sum / #rates))\n"
    "    rates = {}\n"
    "end\n"
    "\n"
    "function timer_event(ns)\n"
    "    local count, elapsed = total - shown, ns - shown_ns\n"
    "    if count == 0 or elapsed <= 0 then return end\n"
    "    local is_first = shown_ns == 0\n"
    "    shown, shown_ns = total, ns\n"
    "    if is_first then return end\n"
    "    rates[#rates + 1] = count * 1e9 / elapsed\n"
    "    inject_payload(\"txt\", \"rate\", string.format(\n"
    "        \"Got %d messages. %0.2f msg/sec\", total, rates[#rates]))\n"
    "    if #rates == 10 then summarize() end\n"
    "end\n";

static int load_one(struct sbmgr *sbmgr, const char *name, struct err *err)
{
    char toml[TOML_SIZE];
    int size = snprintf(toml, sizeof(toml),
                        "[%s]\n"
                        "type = \"SandboxFilter\"\n"
                        "message_matcher = \"Type == 'hekabench'\"\n"
                        "ticker_interval = 1\n"
                        "filename = \"\"\n"
                        "preserve_data = true\n",
                        name);
    return sbmgr_load(sbmgr, (struct msg_slice){script, sizeof(script) - 1},
                      (struct msg_slice){toml, (uint32_t)size}, err);
}

static int act_on_all(struct sbmgr *sbmgr, bool is_load, int64_t count, struct err *err)
{
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < count; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "CounterSandbox%" PRId64, i);
        rc = is_load ? load_one(sbmgr, name, err) : sbmgr_unload(sbmgr, name, err);
        if (rc != 0)
            err_add(err, "%" PRId64 " of %" PRId64 " messages were sent", i, count);
    }
    return rc == 0 ? sbmgr_finish(sbmgr, err) : rc;
}

static int act(const char *config, const char *action, int64_t count, struct err *err)
{
    struct sbmgr sbmgr = {0};
    bool is_load = strcmp(action, "load") == 0;
    if (!is_load && strcmp(action, "unload") != 0)
        return err_add(err, "Invalid action: %s", action);
    int rc = sbmgr_open(&sbmgr, config, MSG_SIZE_DEFAULT_MAX, err);
    if (rc == 0)
        rc = act_on_all(&sbmgr, is_load, count, err);
    sbmgr_fini(&sbmgr);
    return rc;
}

int main(int argc, char **argv)
{
    static struct err err;
    const char *config = "sbmgrload.toml", *action = "load";
    int64_t count = 1;
    const struct tool_option options[] = {
        {"config", TOOL_TEXT, &config, 0, 0, "file that says where to, and who signs"},
        {"action", TOOL_TEXT, &action, 0, 0, "load or unload"},
        {"num", TOOL_NUMBER, &count, 1, FILTERS_MAX, "how many filters"},
    };
    const struct tool tool = {"heka-sbmgrload",
                              "loads or unloads many filters of a SandboxManagerFilter", "",
                              options, sizeof(options) / sizeof(options[0])};
    struct tool_arguments given;
    int rc = tool_parse(&tool, argc, argv, &given, &err);
    if (rc == 0 && !given.is_done)
        rc = given.operand_count > 0
                 ? err_add(&err, "argument '%s' is not understood; see heka-sbmgrload -help",
                           given.operands[0])
                 : act(config, action, count, &err);
    err_print(&err, stderr);
    return rc != 0;
}
