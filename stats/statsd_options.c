/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_options.h"

#include <string.h>

const char *const statsd_tags_names[] = {
    [STATSD_TAGS_GRAPHITE] = "graphite",
    [STATSD_TAGS_DROP] = "drop",
    [STATSD_TAGS_APPEND] = "append",
    NULL,
};

const char *const statsd_option_keys[] = {"dialects", "tags", "sender_quota", NULL};

int statsd_options_settings(const struct statsd_options *options, struct statsd_settings *settings,
                            struct err *err)
{
    const char *const *names = options->dialects.items;
    int rc = 0;
    *settings = (struct statsd_settings){.dialects = 1U << STATSD_HEKA,
                                         .tags = (enum statsd_tags)options->tags};
    for (size_t i = 0; i < options->dialects.count; i++) {
        int dialect = statsd_dialect_find(names[i]);
        if (strcmp(names[i], "all") == 0)
            settings->dialects = (1U << STATSD_DIALECT_COUNT) - 1;
        else if (dialect >= 0)
            settings->dialects |= 1U << dialect;
        else
            rc = err_add(err,
                         "dialects: found \"%s\", allowed are heka, etsy, spec, dogstatsd, influx, "
                         "signalfx, graphite, all",
                         names[i]);
    }
    return rc;
}
