/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_report.h"

#include "control/plugins/filter.h"
#include "control/self.h"

static void report(struct filter_host *host, const char *text, const struct self_field *fields,
                   unsigned field_count)
{
    const struct self_message message = {
        .type = "heka.sandbox-terminated",
        .payload = text,
        .fields = fields,
        .field_count = field_count,
    };
    filter_host_self(host, &message);
}

void sandbox_report_end(struct filter_host *host, const char *text)
{
    const struct self_field fields[] = {{.name = "plugin", .text = filter_host_name(host)}};
    report(host, text, fields, 1);
}

static struct self_field field_of(const char *name, const char *representation, uint64_t number)
{
    return (struct self_field){
        .name = name, .representation = representation, .number = (int64_t)number};
}

void sandbox_report_slow(struct filter_host *host, const struct sandbox_slowness *slowness)
{
    const struct self_field fields[] = {
        {.name = "plugin", .text = filter_host_name(host)},
        field_of("ProcessMessageCount", "count", slowness->processed),
        field_of("ProcessMessageFailures", "count", slowness->failures),
        field_of("ProcessMessageSamples", "count", slowness->samples),
        field_of("ProcessMessageAvgDuration", "ns", slowness->samples_ns / slowness->samples),
        field_of("FilterChanLength", "count", slowness->waiting),
    };
    report(host, SANDBOX_SLOW_TEXT, fields, sizeof(fields) / sizeof(fields[0]));
}
