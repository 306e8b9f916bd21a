/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/blast_plan.h"

/* Frames that are due, at most what may be made up for. */
static double due_frames(const struct blast_plan *plan, struct blast_sent *sent)
{
    double due = plan->rate * sent->elapsed_s - (double)sent->forgiven - (double)sent->frames;
    if (plan->depth == 0 || due <= plan->depth)
        return due;
    sent->forgiven += (uint64_t)(due - plan->depth);
    return plan->depth;
}

uint16_t blast_plan_allows(const struct blast_plan *plan, struct blast_sent *sent)
{
    uint64_t count = plan->burst;
    if (plan->frames_max != 0 && plan->frames_max - sent->frames < count)
        count = plan->frames_max - sent->frames;
    if (plan->rate > 0) {
        double due = due_frames(plan, sent);
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
