/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/retry.h"

#include <stdlib.h>

#include "control/config/plugin_types.h"

void retry_begin(struct retry *retry, uint64_t now_ns)
{
    retry->since_ns = now_ns;
}

static uint64_t random_below(uint64_t limit)
{
    uint64_t value;
    arc4random_buf(&value, sizeof(value));
    return limit > 0 ? value % limit : 0;
}

bool retry_next(struct retry *retry, const struct retry_options *options, uint64_t now_ns,
                uint64_t *wait_ns)
{
    uint64_t delay_max = (uint64_t)options->max_delay, jitter = (uint64_t)options->max_jitter;
    uint64_t ran_ns = now_ns - retry->since_ns;
    if (retry->times == 0 || (retry->since_ns != 0 && ran_ns > delay_max + jitter)) {
        retry->times = 0;
        retry->delay_ns = (uint64_t)options->delay;
    }
    if (options->max_retries >= 0 && retry->times >= (uint64_t)options->max_retries)
        return false;
    if (retry->delay_ns > delay_max)
        retry->delay_ns = delay_max;
    *wait_ns = retry->delay_ns + random_below(jitter);
    retry->delay_ns *= 2;
    retry->times++;
    return true;
}
