/* SPDX-License-Identifier: MPL-2.0
 *
 * report.h - Heka's self-reports: heka.all-report, heka.memstat, and the text of SIGUSR1.
 *
 * Place:   daemon.c, from what status.c says. docs/formats/report.md.
 * Threads: [main].
 * Source:  Heka 0.11: categories, names of fields and the text's columns.
 */
#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include <jansson.h>
#include <stdint.h>

#include "control/plugins/instances.h"
#include "control/self.h"

struct report { /* when the next one is due */
    uint64_t next_ns;
};

/* Seconds between two reports: [hekad] report_interval; else, when the matcher of a filter or
 * output names the types of reports, its ticker_interval, or 5; 0: none are made. */
unsigned report_interval_s(const struct instances *instances);
/* True once in each interval. */
bool report_is_due(struct report *report, unsigned interval_s, uint64_t now_ns);

/* The report of a status, a reference of the caller's; NULL without memory. */
json_t *report_json(const json_t *status, const struct instances *instances);
/* Puts both messages. */
void report_send(struct self *self, const json_t *report);
/* As people read it. */
void report_print(const json_t *report, FILE *out);

#endif
