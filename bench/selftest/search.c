/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/selftest/search.h"

/* Of where it began. */
static const double lowest_share = 0.001;

void search_init(struct search *search, double rate_max, double precision, unsigned trials_max)
{
    *search = (struct search){
        .phase = trials_max > 0 && rate_max > 0 ? SEARCH_HALVE : SEARCH_GIVEN_UP,
        .precision = precision,
        .high = rate_max,
        .rate = rate_max,
        .lowest = rate_max * lowest_share,
        .step_back = precision,
        .trials_max = trials_max,
    };
}

bool search_goes_on(const struct search *search)
{
    return search->phase == SEARCH_HALVE || search->phase == SEARCH_CONFIRM;
}

static void begin_confirming(struct search *search, double rate)
{
    search->phase = SEARCH_CONFIRM;
    search->rate = rate;
    search->failures = search->confirmed = 0;
}

/* Between low and high, or to the next phase. */
static void halve(struct search *search)
{
    if (search->high - search->low <= search->precision * search->high && search->low > 0)
        begin_confirming(search, search->low);
    else if (search->high < search->lowest)
        search->phase = SEARCH_GIVEN_UP;
    else
        search->rate = (search->low + search->high) / 2;
    search->failures = 0;
}

static void take_halving(struct search *search, bool passed)
{
    if (passed) {
        search->low = search->rate;
        halve(search);
    } else if (++search->failures >= SEARCH_FAILURES) {
        search->high = search->rate;
        halve(search);
    }
}

static void take_confirming(struct search *search, bool passed)
{
    if (passed) {
        if (++search->confirmed == SEARCH_CONFIRMATIONS)
            search->phase = SEARCH_FOUND;
        return;
    }
    search->high = search->rate;
    search->low = search->rate * (1 - search->step_back);
    search->step_back = search->step_back < 0.25 ? 2 * search->step_back : 0.5;
    begin_confirming(search, search->low);
    if (search->low < search->lowest)
        search->phase = SEARCH_GIVEN_UP;
}

void search_take(struct search *search, bool passed)
{
    if (!search_goes_on(search))
        return;
    search->trials++;
    if (search->phase == SEARCH_HALVE)
        take_halving(search, passed);
    else
        take_confirming(search, passed);
    if (search_goes_on(search) && search->trials >= search->trials_max)
        search->phase = SEARCH_GIVEN_UP;
}

unsigned search_trials(double precision)
{
    unsigned halvings = 2; /* rates that are found are a share of where it began, too */
    for (double width = 1; width > precision && halvings < 32; width /= 2)
        halvings++;
    return SEARCH_FAILURES * halvings + SEARCH_CONFIRMATIONS;
}
