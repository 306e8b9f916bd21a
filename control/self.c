/* SPDX-License-Identifier: MPL-2.0 */
#include "control/self.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"

enum { COUNTER_SENT, COUNTER_DROPPED, SEVERITY = 7 };

struct row {
    char *type, *payload;
    struct self_field fields[SELF_FIELDS_MAX]; /* texts are copies */
    unsigned field_count;
};

struct self {
    pthread_mutex_t lock;
    int fd;
    struct row *rows[SELF_MESSAGES_MAX]; /* a ring */
    unsigned first, count;
    uint64_t dropped;
};

/* ---- rows ---- */

static char *copy(const char *text)
{
    return strdup(text != NULL ? text : "");
}

static void row_free(struct row *row)
{
    if (row == NULL)
        return;
    for (unsigned i = 0; i < row->field_count; i++) {
        free((char *)(uintptr_t)row->fields[i].name); /* copies of ours */
        free((char *)(uintptr_t)row->fields[i].representation);
        free((char *)(uintptr_t)row->fields[i].text);
    }
    free(row->type);
    free(row->payload);
    free(row);
}

static bool copy_field(struct self_field *to, const struct self_field *from)
{
    *to = (struct self_field){
        .name = copy(from->name),
        .representation = copy(from->representation),
        .text = from->text != NULL ? strdup(from->text) : NULL,
        .number = from->number,
    };
    return to->name != NULL && to->representation != NULL &&
           (from->text == NULL || to->text != NULL);
}

static struct row *row_new(const struct self_message *message)
{
    struct row *row = calloc(1, sizeof(*row));
    if (row == NULL)
        return NULL;
    row->type = copy(message->type);
    row->payload = copy(message->payload);
    bool is_good = row->type != NULL && row->payload != NULL;
    for (unsigned i = 0; is_good && i < message->field_count && i < SELF_FIELDS_MAX; i++)
        is_good = copy_field(&row->fields[row->field_count++], &message->fields[i]);
    if (is_good)
        return row;
    row_free(row);
    return NULL;
}

/* ---- the ring ---- */

struct self *self_new(void)
{
    struct self *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return NULL;
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd >= 0 && pthread_mutex_init(&self->lock, NULL) == 0)
        return self;
    if (self->fd >= 0)
        close(self->fd);
    free(self);
    return NULL;
}

void self_free(struct self *self)
{
    if (self == NULL)
        return;
    for (unsigned i = 0; i < self->count; i++)
        row_free(self->rows[(self->first + i) % SELF_MESSAGES_MAX]);
    close(self->fd);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void self_put(struct self *self, const struct self_message *message)
{
    const uint64_t one = 1;
    struct row *row = row_new(message);
    pthread_mutex_lock(&self->lock);
    if (row == NULL || self->count == SELF_MESSAGES_MAX) {
        self->dropped++;
        row_free(row);
    } else {
        self->rows[(self->first + self->count++) % SELF_MESSAGES_MAX] = row;
    }
    pthread_mutex_unlock(&self->lock);
    if (write(self->fd, &one, sizeof(one)) < 0) /* it is readable anyway */
        return;
}

static struct row *take(struct self *self, uint64_t *dropped)
{
    struct row *row = NULL;
    pthread_mutex_lock(&self->lock);
    if (self->count > 0) {
        row = self->rows[self->first];
        self->first = (self->first + 1) % SELF_MESSAGES_MAX;
        self->count--;
    }
    *dropped = self->dropped;
    pthread_mutex_unlock(&self->lock);
    return row;
}

/* ---- the input ---- */

struct state {
    struct input_host *host;
    struct self *self;
};

static int init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    const struct self_options *options = config;
    struct state *state = memory;
    (void)err;
    state->host = host;
    state->self = options->self;
    return 0;
}

static void add_field(struct msg_builder *builder, const struct self_field *field)
{
    if (field->text != NULL)
        msg_builder_field_string(builder, field->name, field->text, strlen(field->text),
                                 field->representation);
    else
        msg_builder_field_integer(builder, field->name, field->number, field->representation);
}

static int inject(struct state *state, const struct row *row)
{
    static const char logger[] = "hekad";
    const char *hostname = input_host_hostname(state->host);
    struct msg_builder builder;
    input_host_begin(state->host, &builder, clock_wall_ns());
    msg_builder_type(&builder, row->type, strlen(row->type));
    msg_builder_logger(&builder, logger, sizeof(logger) - 1);
    msg_builder_severity(&builder, SEVERITY);
    if (row->payload[0] != '\0')
        msg_builder_payload(&builder, row->payload, strlen(row->payload));
    msg_builder_pid(&builder, (int32_t)getpid());
    msg_builder_hostname(&builder, hostname, strlen(hostname));
    for (unsigned i = 0; i < row->field_count; i++)
        add_field(&builder, &row->fields[i]);
    return input_host_inject(state->host, &builder, NULL);
}

/* Negative: it has to end. */
static int inject_all(struct state *state)
{
    uint64_t dropped;
    struct row *row;
    int rc = 0;
    while (rc == 0 && (row = take(state->self, &dropped)) != NULL) {
        rc = inject(state, row);
        row_free(row);
        input_host_count(state->host, COUNTER_SENT, 1);
        input_host_set(state->host, COUNTER_DROPPED, dropped);
    }
    return rc;
}

static void run(void *memory)
{
    struct state *state = memory;
    struct pollfd fd = {.fd = state->self->fd, .events = POLLIN};
    uint64_t count;
    int rc;
    while ((rc = input_host_wait(state->host, &fd, 1, -1)) >= 0) {
        if (rc > 0 && read(fd.fd, &count, sizeof(count)) < 0)
            count = 0;
        if (inject_all(state) < 0)
            return;
    }
    inject_all(state); /* what came before it was told to end */
}

static void fini(void *memory)
{
    (void)memory;
}

static const struct input_counter counters[] = {
    {"sent", "messages of hekad's own"},
    {"dropped", "of these, not sent because too many waited"},
    {NULL, NULL},
};
static const struct schema_key no_keys[] = {{0}};
static const struct schema schema = {"hekad", no_keys};

const struct input_ops self_input = {
    .plugin = {PLUGIN_ABI, "SelfInput", &schema, sizeof(struct self_options),
               sizeof(struct state)},
    .counters = counters,
    .init = init,
    .run = run,
    .fini = fini,
};
