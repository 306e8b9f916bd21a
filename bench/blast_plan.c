/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/blast_plan.h"

uint16_t blast_plan_allows(const struct blast_plan *plan, const struct blast_sent *sent)
{
    uint64_t count = plan->burst;
    if (plan->frames_max != 0 && plan->frames_max - sent->frames < count)
        count = plan->frames_max - sent->frames;
    if (plan->rate > 0) {
        double due = plan->rate * sent->elapsed_s - (double)sent->frames;
        if (due < (double)count)
            count = due > 0 ? (uint64_t)due : 0;
    }
    return (uint16_t)count;
}

bool blast_plan_is_over(const struct blast_plan *plan, const struct blast_sent *sent)
{
    return (plan->frames_max != 0 && sent->frames >= plan->frames_max) ||
           (plan->seconds_max > 0 && sent->elapsed_s >= plan->seconds_max);
}
