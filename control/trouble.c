/* SPDX-License-Identifier: MPL-2.0 */
#include "control/trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"

enum { LOG_AGAIN_S = 30, LOG_GAP_S = 1 };

void trouble_say(struct trouble *trouble, const char *format, ...)
{
    char text[TROUBLE_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    uint64_t now_ns = clock_mono_ns(), since_ns = now_ns - trouble->last_log_ns;
    bool is_same = strcmp(text, trouble->last_text) == 0;
    trouble->failures++;
    if (trouble->last_log_ns != 0 &&
        since_ns < (is_same ? LOG_AGAIN_S : LOG_GAP_S) * CLOCK_NS_PER_S)
        return;
    log_error("Plugin '%s' error: %s", trouble->name, text);
    memcpy(trouble->last_text, text, sizeof(text));
    trouble->last_log_ns = now_ns;
    trouble->has_logged = true;
}

void trouble_end(struct trouble *trouble)
{
    if (trouble->has_logged)
        log_info("Plugin '%s': works again after %llu failures", trouble->name,
                 (unsigned long long)trouble->failures);
    trouble->has_logged = false;
    trouble->failures = 0;
}
