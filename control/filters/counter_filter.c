/* SPDX-License-Identifier: MPL-2.0
 *
 * counter_filter.c - CounterFilter: how many messages a second its matcher accepts, as a message.
 *
 * Place:   control/plugins/filter_host.c.
 * Source:  Heka 0.11 CounterFilter: the texts and when they come. Heka's rate is for the time since
 *          the last report; ours for the interval, also when intervals without messages came
 *          before it.
 */
#include <string.h>
#include <unistd.h>

#include "control/filters/filters.h"
#include "core/clock.h"

enum { TICKER_S = 5, REPORTS_OF_AGGREGATE = 10, PAYLOAD_SIZE = 256 };

struct state {
    struct filter_host *host;
    uint64_t count, last_count;
    uint64_t last_tick_ns;
    double rates[REPORTS_OF_AGGREGATE];
    unsigned rate_count;
};

static int init(void *state_memory, const void *config, struct filter_host *host, struct err *err)
{
    struct state *state = state_memory;
    (void)config;
    (void)err;
    state->host = host;
    state->last_tick_ns = clock_mono_ns();
    return 0;
}

static int process(void *state_memory, const struct msg_view *message, const struct record *record)
{
    struct state *state = state_memory;
    (void)message;
    (void)record;
    state->count++;
    return 0;
}

static void inject(struct state *state, uint64_t now_ns, const char *payload)
{
    static const char type[] = "heka.counter-output";
    const char *name = filter_host_name(state->host);
    const char *hostname = filter_host_hostname(state->host);
    struct msg_builder builder;
    filter_host_begin(state->host, &builder, now_ns);
    msg_builder_type(&builder, type, sizeof(type) - 1);
    msg_builder_logger(&builder, name, strlen(name));
    msg_builder_payload(&builder, payload, strlen(payload));
    msg_builder_pid(&builder, (int32_t)getpid());
    msg_builder_hostname(&builder, hostname, strlen(hostname));
    filter_host_inject(state->host, &builder);
}

static void inject_aggregate(struct state *state, uint64_t now_ns)
{
    char payload[PAYLOAD_SIZE];
    double min = state->rates[0], max = state->rates[0], sum = 0;
    for (unsigned i = 0; i < state->rate_count; i++) {
        min = state->rates[i] < min ? state->rates[i] : min;
        max = state->rates[i] > max ? state->rates[i] : max;
        sum += state->rates[i];
    }
    snprintf(payload, sizeof(payload), "AGG Sum. Min: %0.2f    Max: %0.2f    Mean: %0.2f", min, max,
             sum / state->rate_count);
    inject(state, now_ns, payload);
    state->rate_count = 0;
}

static void timer(void *state_memory, uint64_t now_ns)
{
    struct state *state = state_memory;
    char payload[PAYLOAD_SIZE];
    uint64_t tick_ns = clock_mono_ns(), elapsed_ns = tick_ns - state->last_tick_ns;
    uint64_t seen = state->count - state->last_count;
    state->last_tick_ns = tick_ns;
    if (seen == 0 || elapsed_ns == 0)
        return;
    double rate = (double)seen * (double)CLOCK_NS_PER_S / (double)elapsed_ns;
    state->last_count = state->count;
    state->rates[state->rate_count++] = rate;
    snprintf(payload, sizeof(payload), "Got %llu messages. %0.2f msg/sec",
             (unsigned long long)state->count, rate);
    inject(state, now_ns, payload);
    if (state->rate_count == REPORTS_OF_AGGREGATE)
        inject_aggregate(state, now_ns);
}

static void fini(void *state_memory)
{
    (void)state_memory;
}

static const struct schema_key no_keys[] = {{0}};
static const struct schema counter_schema = {"CounterFilter", no_keys};

const struct filter_ops counter_filter = {
    .plugin = {PLUGIN_ABI, "CounterFilter", &counter_schema, 0, sizeof(struct state)},
    .default_matcher = "Type != 'heka.counter-output'",
    .restarts = true,
    .default_ticker_s = TICKER_S,
    .init = init,
    .process = process,
    .timer = timer,
    .fini = fini,
};
