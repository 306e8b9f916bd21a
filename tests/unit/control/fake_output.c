/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/fake_output.h"

#include <errno.h>
#include <string.h>

struct fake_state {
    struct fake_output *fake;
    struct output_host *host;
};

static const struct schema_key no_keys[] = {{0}};
static const struct schema no_schema = {"Fake", no_keys};
static const struct output_counter counters[] = {{"taken", "items taken"}, {NULL, NULL}};

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct fake_state *fake = state;
    (void)err;
    memcpy(&fake->fake, config, sizeof(fake->fake));
    fake->host = host;
    return 0;
}

static uint64_t next_random(struct fake_output *fake)
{
    fake->seed ^= fake->seed << 13;
    fake->seed ^= fake->seed >> 7;
    fake->seed ^= fake->seed << 17;
    return fake->seed;
}

static int decide(struct fake_output *fake, unsigned count)
{
    if (fake->blocked)
        return 0;
    if (fake->fail_code != 0)
        return fake->fail_code;
    if (fake->take_max != 0 && fake->take_max < count)
        return (int)fake->take_max;
    if (fake->seed == 0)
        return (int)count;
    if (next_random(fake) % 64 == 0)
        return -EIO;
    return (int)(next_random(fake) % (count + 1));
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct fake_state *self = state;
    struct fake_output *fake = self->fake;
    int taken = decide(fake, count);
    fake->calls++;
    for (int i = 0; i < taken; i++) {
        unsigned at = fake->count;
        fake->last_size = items[i].size;
        if (items[i].bytes != NULL && items[i].size < sizeof(fake->last_bytes))
            memcpy(fake->last_bytes, items[i].bytes, items[i].size);
        fake->numbers[at % FAKE_ITEMS_MAX] = items[i].message.pid;
        if (fake->drop_every != 0 && (at + 1) % fake->drop_every == 0)
            output_host_drop(self->host, "test_drop");
        output_host_count(self->host, 0, 1);
        fake->count = at + 1;
    }
    return taken;
}

static void timer(void *state, uint64_t now_ns)
{
    struct fake_state *self = state;
    (void)now_ns;
    self->fake->timers++;
}

static void reload(void *state)
{
    struct fake_state *self = state;
    self->fake->reloads++;
}

static void fini(void *state)
{
    struct fake_state *self = state;
    if (self->fake != NULL)
        self->fake->finis++;
}

static const struct output_ops fake_ops = {
    .plugin = {PLUGIN_ABI, "FakeOutput", &no_schema, sizeof(struct fake_output *),
               sizeof(struct fake_state)},
    .counters = counters,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .reload = reload,
    .fini = fini,
};

void fake_output_instance(struct fake_output *fake, const char *name,
                          const struct encoder_instance *encoder, struct output_instance *instance)
{
    fake->self = fake;
    *instance = (struct output_instance){
        .name = name, .ops = &fake_ops, .options = &fake->self, .encoder = encoder};
}

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    (void)state;
    (void)config;
    if (message->payload.len == 4 && memcmp(message->payload.ptr, "fail", 4) == 0)
        return -EINVAL;
    if (message->payload.len == 7 && memcmp(message->payload.ptr, "nothing", 7) == 0)
        return 0;
    return buffer_append(out, message->payload.ptr, message->payload.len);
}

static const struct encoder_ops encoder_ops = {
    .plugin = {PLUGIN_ABI, "FakeEncoder", &no_schema, 0, 0}, .encode = encode};
const struct encoder_instance fake_encoder = {.name = "FakeEncoder", .ops = &encoder_ops};

const struct hekad_globals fake_globals = {.max_message_size = 65536, .log_flags = 3};
const struct consumer_options fake_options = {.globals = &fake_globals};
